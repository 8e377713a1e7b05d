"""Dead letters over HTTP and on the command line, against real Kafka and MongoDB."""

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner

from contracts.access import Role
from contracts.errors import UnreadableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import OffsetRange, SourceOffset
from messaging.dead import DeadLetters
from messaging.dead_reader import DeadLetterReader
from messaging.reader import LogReader
from messaging.records import LogRecord
from ops.commands import dead
from storage.client import connect
from storage.users import User
from web.access.gate import SESSION_COOKIE
from web.access.sign_in import hash_password

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)
JPEG = b"\xff\xd8\xff\xe0 stands for a picture"


@pytest.fixture
def bury(web, settings, producer):
    """Return a function that puts a record of a topic aside; the letters' offsets count from 0."""
    letters = DeadLetters(producer, settings)

    def bury(topic, value=JPEG, key=b"gate-1", error="truncated", offset=17, headers=()):
        source = SourceOffset(getattr(settings, f"topic_{topic}"), 0, offset)
        record = LogRecord(source, int(AT.timestamp() * 1000), key, value, tuple(headers))
        letters.bury_all([(record, error)])

    return bury


@pytest.fixture
def reader(settings, web):
    reader = LogReader(settings)
    reader.start()
    yield reader
    reader.close()


def read(reader, topic, partition=0):
    first, end = reader.bounds([topic])[topic, partition]
    return [] if first == end else reader.read_range(topic, partition, OffsetRange(first, end)).records


def ids(page):
    return [one["id"] for one in page["items"]]


def test_letters_are_listed_newest_first_in_pages_and_by_what_they_are(web, bury, settings):
    for number in range(70):
        bury("frames", error="Truncated" if number % 2 else "too large", key=b"gate-%d" % (number % 7), offset=number)
    bury("faces", b"rubbish", None, "no JSON")
    client = web.client()
    page = client.get("/api/dead?limit=40").json
    assert ids(page) == [f"0/{number}" for number in range(70, 30, -1)]
    assert page["count"] == 71
    rest = client.get(f"/api/dead?limit=40&cursor={page['next']}").json
    assert ids(rest) == [f"0/{number}" for number in range(30, -1, -1)]
    assert rest["next"] is None
    newest = page["items"][0]
    assert newest["source"] == f"{settings.topic_faces}/0/17"
    assert "is a result, not a frame" in newest["why_not"]
    assert ids(client.get("/api/dead?camera=gate-3&limit=3").json) == ["0/66", "0/59", "0/52"]
    assert ids(client.get("/api/dead?error=tRUNC&camera=gate-0").json) == ["0/63", "0/49", "0/35", "0/21", "0/7"]
    assert ids(client.get(f"/api/dead?topic={settings.topic_faces}").json) == ["0/70"]
    for wrong in ("cursor=x", "cursor=W10", "cursor=W3siMCI6IC0xfV0", "limit=0", "camera=%00"):
        assert client.get(f"/api/dead?{wrong}").status_code == 400, wrong


def test_one_letter_is_shown_with_what_it_holds(web, bury, settings):
    given = FrameHeaders(4, AT, "image/jpeg", Origin.LIVE, 500)
    bury("frames", headers=given.encode())
    bury("alerts", b'{"a": "\\ud800"}', b"\xff\x1b[2J", "no alert\nat all")
    bury("faces", b"", None)
    bury("media", b"\x00\x01binary")
    client = web.client()
    picture, alert, empty, chunk = (client.get(f"/api/dead/0/{offset}").json for offset in range(4))
    assert (picture["camera_id"], picture["error"], picture["attempts"]) == ("gate-1", "truncated", 1)
    assert (picture["content"], picture["text"], picture["size_bytes"]) == ("picture", None, len(JPEG))
    headers = {one["name"]: one["value"] for one in picture["headers"]}
    assert headers["source"] == "live" and headers["frame_id"] == "4" and headers["max_age_ms"] == "500"
    assert (alert["content"], alert["text"], alert["camera_id"]) == ("json", '{"a": "\\ud800"}', None)
    assert (alert["error"], alert["key"]) == ("no alert\ufffdat all", "\ufffd\ufffd[2J")
    assert (empty["content"], chunk["content"], chunk["camera_id"]) == ("nothing", "binary", "gate-1")
    shown = client.get("/api/dead/0/0/picture")
    assert (shown.data, shown.mimetype) == (JPEG, "image/jpeg")
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/api/dead/0/1/picture").status_code == 415
    for place in ("0/4", "1/0", f"0/{2**63}", "9/9"):
        assert client.get(f"/api/dead/{place}").status_code == 404, place
    assert client.get("/api/dead/0/0?camera=gate-2").status_code == 404


def test_a_retried_record_is_the_same_at_a_new_place_once(web, bury, reader, settings):
    given = FrameHeaders(4, AT, "image/jpeg", Origin.LIVE, 500)
    bury("frames", key="gate/ü".encode(), headers=[*given.encode(), ("traceparent", b"00-aa-bb-01")])
    client = web.client()
    answer = client.post("/api/dead/0/0/retry")
    assert answer.status_code == 200, answer.text
    (record,) = read(reader, settings.topic_frames)
    assert answer.json == {"id": "0/0", "outcome": "retried", "to": str(record.source), "reason": None}
    assert (record.key, record.value) == ("gate/ü".encode(), JPEG)
    assert dict(record.headers) == {
        "frame_id": b"4",
        "captured_at": b"2026-11-23T21:30:00.123Z",
        "content-type": b"image/jpeg",
        "source": b"live",
        "traceparent": b"00-aa-bb-01",
        "retried": f"{settings.topic_dead}/0/0".encode(),
    }
    again = client.post("/api/dead/0/0/retry")
    assert (again.status_code, again.json["error"]["code"]) == (409, "retried_before")
    assert str(record.source) in again.json["error"]["message"]
    assert len(read(reader, settings.topic_frames)) == 1
    retry = client.get("/api/dead/0/0").json["retry"]
    assert (retry["by"], retry["to"]) == ("local", str(record.source))
    assert client.post("/api/dead/0/0/retry?again=true").json["to"] == f"{settings.topic_frames}/0/1"
    bury("frames", headers=read(reader, settings.topic_frames)[0].headers)  # it failed again
    assert client.post("/api/dead/0/1/retry").json["outcome"] == "retried"
    assert [dict(one.headers)["retried"] for one in read(reader, settings.topic_frames)][2:] == [
        f"{settings.topic_dead}/0/1".encode()
    ]


def test_what_cannot_be_retried_says_why(web, bury, producer, settings):
    bury("faces", b"rubbish")
    bury("alerts", b"rubbish")
    bury("frames", key=b"k" * 1001)
    bury("frames", headers=[("chunk", b"x" * 200_000)])
    bury("chat", b"hello")
    producer.send(settings.topic_dead, b"of a stranger", headers=[("source", b"frames")]).result(10)
    small = settings.model_copy(update={"max_picture_bytes": 3})
    source = SourceOffset(settings.topic_frames, 0, 1)
    DeadLetters(producer, small).bury_all([(LogRecord(source, 1, b"gate-1", JPEG), "too large")])
    client = web.client()
    for offset, why in enumerate(
        ("is a result", "is an alert", "its key of 1001 bytes", "its headers chunk", "are not retried", "does not say",
         "bytes were too large")
    ):  # fmt: skip
        answer = client.post(f"/api/dead/0/{offset}/retry")
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_retried")
        assert why in answer.json["error"]["message"], offset
        assert why in client.get(f"/api/dead/0/{offset}").json["why_not"]


def test_several_letters_are_retried_oldest_first_in_requests_of_a_hundred(web, bury, reader, settings):
    for number in range(150):
        bury("frames", b"%d" % number, b"gate-%d" % (number % 3))
    bury("faces", b"rubbish", b"gate-0")
    client = web.client()
    some = client.post("/api/dead/retry", json={"ids": ["0/3", "4", f"{settings.topic_dead}/0/150"]}).json
    assert [one["outcome"] for one in some["items"]] == ["retried", "retried", "refused"]
    query, body, counts = "/api/dead/retry?camera=gate-0", {"all": True}, [0, 0, 0]
    while True:
        answer = client.post(query, json=body).json
        counts = [before + answer[kind] for before, kind in zip(counts, ("retried", "already", "refused"), strict=True)]
        if answer["next"] is None:
            break
        body = {"all": True, "cursor": answer["next"]}
    assert counts == [49, 1, 1], "0/3 is of gate-0 too"
    values = [int(record.value) for record in read(reader, settings.topic_frames)]
    assert values == [3, 4, *range(0, 3, 3), *range(6, 150, 3)]
    whole = client.post("/api/dead/retry", json={"all": True}).json
    assert (whole["retried"], whole["already"]) == (65, 35) and whole["next"]
    for wrong in ({}, {"ids": [], "all": False}, {"all": True, "ids": ["0/1"]}, {"ids": ["x"]}, {"other": 1}):
        assert client.post("/api/dead/retry", json=wrong).status_code == 400, wrong
    assert client.post("/api/dead/retry", json={"ids": ["0/999"]}).status_code == 404
    assert client.post("/api/dead/retry?camera=gate-1", json={"ids": ["0/0"]}).status_code == 404


def test_a_letter_with_a_time_of_the_future_and_one_without_a_key(web, bury, reader, settings):
    bury("frames", key=None, headers=FrameHeaders(captured_at=AT.replace(year=2099)).encode())
    client = web.client()
    assert client.get("/api/dead").json["items"][0]["camera_id"] == "camera-0"
    assert client.post("/api/dead/0/0/retry").status_code == 200
    (record,) = read(reader, settings.topic_frames)
    assert record.key is None and record.source.partition == 0
    assert FrameHeaders.decode(record.headers).captured_at == AT


def test_who_may_see_and_retry_dead_letters(start_web, bury, settings):
    bury("frames")
    bury("frames", key=b"gate-2")
    web = start_web(auth="required")
    access, now = web.services.access, datetime.now(timezone.utc)
    for role in Role:
        access.users.add(User(role.value, role, hash_password("correct horse battery"), now))

    def signed_in(role):
        client = web.client()
        client.set_cookie(SESSION_COOKIE, access.sign_in.open(access.users.get(role.value)).secret)
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return client

    for path in ("/api/dead", "/api/dead/0/0", "/api/dead/0/0/picture"):
        assert web.client().get(path).status_code == 401
        assert signed_in(Role.VIEWER).get(path).status_code == 403
        assert signed_in(Role.OPERATOR).get(path).status_code == 200
    assert signed_in(Role.VIEWER).post("/api/dead/0/0/retry").status_code == 403
    fields = {"name": "till", "role": "operator", "cameras": ["gate-1"]}
    key = signed_in(Role.ADMINISTRATOR).post("/api/keys", json=fields).json["key"]
    limited, header = web.client(), {"Authorization": f"Bearer {key}"}
    assert ids(limited.get("/api/dead?camera=gate-1", headers=header).json) == ["0/0"]
    assert limited.get("/api/dead/0/0?camera=gate-1", headers=header).status_code == 200
    for path in ("/api/dead", "/api/dead?camera=gate-2", "/api/dead/0/0", "/api/dead/0/1?camera=gate-2"):
        assert limited.get(path, headers=header).status_code == 403, path
    assert limited.get("/api/dead/0/1?camera=gate-1", headers=header).status_code == 404
    assert limited.post("/api/dead/0/1/retry?camera=gate-1", headers=header).status_code == 404
    many = limited.post("/api/dead/retry?camera=gate-1", headers=header, json={"all": True})
    assert ids(many.json) == ["0/0"]
    (entry,) = [one for one in access.audit.newest(9, None)[0] if one.what == "dead.retry_many"]
    assert entry.detail["retried"] == 1


def test_pictures_of_a_camera_that_blurs_faces_are_not_shown(start_web, bury, settings):
    web = start_web()
    bury("frames")
    bury("frames", key=b"gate-2")
    bury("frames", key=b"\x00")
    client = web.client()
    assert client.put("/api/cameras/gate-1", json={"blur_faces": True}).status_code in (200, 201)

    def answered(offset):
        return client.get(f"/api/dead/0/{offset}/picture").status_code

    web.wait_until(lambda: answered(0) == 404)
    assert [answered(offset) for offset in range(3)] == [404, 200, 404], "the third may be of any camera"


def test_the_command_lists_shows_and_retries(web, bury, reader, settings, monkeypatch, tmp_path):
    monkeypatch.setattr("settings.Settings.from_environment", lambda: settings)
    monkeypatch.setenv("COLUMNS", "300")
    bury("frames", error="[bold]truncated")
    bury("frames", key=b"gate-2", headers=FrameHeaders(max_age_ms=1).encode())
    bury("faces", b'{"no": "result"}')

    def run(*arguments):
        return CliRunner().invoke(dead.command, [*arguments, "--data-dir", str(tmp_path)], catch_exceptions=False)

    listed = run("list")
    assert "[bold]truncated" in listed.output and "3 shown" in listed.output
    found = json.loads(run("list", "--camera", "gate-2", "--json").output)
    assert [one["id"] for one in found] == ["0/1"]
    assert "No dead letter matches" in run("list", "--error", "nothing like it").output
    file = tmp_path / "picture.jpg"
    assert "captured_at" in run("show", "0/0", "--output", str(file)).output
    assert file.read_bytes() == JPEG
    assert '{"no": "result"}' in run("show", "2").output
    assert json.loads(run("show", "0/2", "--json").output)["content"] == "json"

    assert run("retry").exit_code == 2
    assert run("retry", "x").exit_code == 2
    assert run("retry", "0/0", "--camera", "gate-1").exit_code == 2
    one = run("retry", "0/0")
    assert one.exit_code == 0 and "1 retried" in one.output
    refused = run("retry", "0/2")
    assert refused.exit_code == 1 and "is a result" in refused.output
    assert not read(reader, settings.topic_frames)[1:]
    assert CliRunner().invoke(dead.command, ["retry", "--all", "--data-dir", str(tmp_path)], input="n\n").exit_code == 1
    every = json.loads(run("retry", "--all", "--topic", settings.topic_frames, "--yes", "--json").stdout)
    assert (every["retried"], every["already"], every["refused"]) == (1, 1, 0)
    records = read(reader, settings.topic_frames)
    assert [record.key for record in records] == [b"gate-1", b"gate-2"]
    assert records[1].header("max_age_ms") is None
    with connect(settings) as client:
        entries = list(client[settings.mongodb_database].audit.find({"what": "crowdwatch dead retry"}))
    assert len(entries) == 2
    assert re.search("0/0.*already", run("retry", "--all", "--camera", "gate-1", "--yes").output)


def test_a_claim_that_was_never_settled_is_free_after_some_minutes(web, settings):
    retries, now = web.services.dead_letters._retries, datetime.now(timezone.utc)
    assert retries.claim("a", "ada", now, again=False) is None
    for again in (False, True):
        assert retries.claim("a", "grace", now, again=again) is not None, "it is being sent"
    assert retries.claim("a", "grace", now + timedelta(minutes=4), again=False) is None
    retries.settle("a", "frames/0/1")
    earlier = retries.claim("a", "ada", now + timedelta(hours=1), again=False)
    assert earlier is not None and (earlier.by, earlier.to) == ("grace", "frames/0/1")
    assert retries.claim("a", "ada", now + timedelta(hours=1), again=True) is None
    retries.release("a", earlier)
    assert retries.find(["a"])["a"] == earlier
    retries.claim("b", "ada", now, again=False)
    retries.release("b", None)
    assert retries.find(["b"]) == {}


def test_a_damaged_letter_is_stepped_over(bury, settings, reader):
    class Damaged:
        """Answers as a broker whose record 1 is damaged: nothing behind it in one read."""

        def bounds(self, topics):
            return reader.bounds(topics)

        def read_parts(self, topic, partition, offsets, timeout_s):
            if offsets.start <= 1 < offsets.stop:
                if offsets.start < 1:
                    yield from reader.read_parts(topic, partition, OffsetRange(offsets.start, 1), timeout_s)
                raise UnreadableError("damaged")
            yield from reader.read_parts(topic, partition, offsets, timeout_s)

    for number in range(4):
        bury("frames", b"%d" % number)
    letters = DeadLetterReader(Damaged(), settings).newest(10, lambda letter: True).letters
    assert [letter.place.offset for letter in letters] == [3, 2, 0]
    values = [letter.value for letter in DeadLetterReader(Damaged(), settings).oldest({}, {})]
    assert values == [b"0", b"2", b"3"]
