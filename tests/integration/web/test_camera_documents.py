"""Writing cameras by HTTP: what is refused and why, lost updates, who may touch the source, and every kind of id."""

import threading
import unicodedata
from urllib.parse import quote

import pytest

from contracts.access import Role
from detection.model_store import import_cfg
from tests.unit.detection.darknet_files import write_two_classes

URL = "rtsp://user:s3cret@camera.example/live"
FLAT = {"image": [[0, 0], [0.5, 0.5], [1, 1], [0, 1]], "metres": [[0, 0], [1, 0], [1, 1], [0, 1]]}
BOWTIE = [[0, 0], [1, 1], [1, 0], [0, 0.9]]
SHAPE = {"name": "hall", "polygon": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}


@pytest.fixture
def key(start_web):
    """Return a function that gives the headers of a role, and a client."""
    web = start_web(auth="required")

    def key(role):
        return {"Authorization": f"Bearer {web.services.access.keys.make('k', role, None, 'test', None)[1]}"}

    return web.client(), key


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"model": "no-such-model"}, "there is no model 'no-such-model'; installed are yolov3-face-lite"),
        ({"model": "/etc/passwd.cfg"}, "there is no model '/etc/passwd.cfg'"),
        ({"model": "yolov3-face"}, "yolov3-face is not installed: weights yolov3-wider_16000.weights absent"),
        ({"classes": ["head"]}, "the model yolov3-face-lite has no class head; it has face"),
        ({"confidence_threshold": 0}, "0.01 or more"),
        ({"time_zone": "Mars/Olympus"}, "Europe/Berlin"),
        ({"ground_plane": FLAT}, "points 1, 2 and 3 lie on one line"),
        ({"zones": [{"name": "x", "polygon": BOWTIE}]}, "not cross or touch itself"),
        ({"zones": [{**SHAPE, "name": "*"}]}, "stands for the whole picture"),
        ({"zones": [SHAPE, SHAPE]}, "different names"),
        ({"rules": {"astrology": {}}}, "astrology"),
        ({"rules": {"gathering": {"colour": 1}}}, "colour"),
    ],
)
def test_what_cannot_act_is_refused_and_says_why(web, document, said):
    answer = web.client().put("/api/cameras/gate-1", json=document)
    assert answer.status_code == 400 and said in answer.json["error"]["message"], answer.text
    assert web.client().get("/api/cameras/gate-1").status_code == 404, "nothing was written"


def test_the_models_of_the_installation_can_be_named(start_web, tmp_path):
    web = start_web(cache_dir=tmp_path / "cache")
    client = web.client()
    import_cfg(write_two_classes(tmp_path, "two", ("person", "bag")), None, tmp_path / "cache")
    items = {one["name"]: one for one in client.get("/api/models").json["items"]}
    assert set(items) == {"yolov3-face-lite", "two"}
    assert (items["two"]["classes"], items["two"]["counted"]) == (["person", "bag"], ["person"])
    assert [name for name, one in items.items() if one["default"]] == ["yolov3-face-lite"]
    assert client.put("/api/cameras/a", json={"model": "two", "classes": ["bag"]}).status_code == 201
    answer = client.put("/api/cameras/a", json={"model": "two", "classes": ["cat"]})
    assert answer.status_code == 400 and "it has person, bag" in answer.json["error"]["message"]


def test_an_etag_guards_against_a_lost_update(web):
    client = web.client()
    assert client.put("/api/cameras/a", json={}, headers={"If-Match": "*"}).status_code == 412
    made = client.put("/api/cameras/a", json={"name": "one"}, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    assert client.put("/api/cameras/a", json={}, headers={"If-None-Match": "*"}).status_code == 412
    read = client.get("/api/cameras/a")
    assert read.headers["ETag"] == made.headers["ETag"]
    first = client.put("/api/cameras/a", json={"name": "two"}, headers={"If-Match": read.headers["ETag"]})
    assert first.status_code == 200 and first.headers["ETag"] != read.headers["ETag"]
    second = client.put("/api/cameras/a", json={"name": "three"}, headers={"If-Match": read.headers["ETag"]})
    assert second.status_code == 412 and second.json["error"]["code"] == "changed"
    assert client.get("/api/cameras/a").json["name"] == "two"
    assert client.put("/api/cameras/a", json={"name": "x"}, headers={"If-Match": '"outdated"'}).status_code == 412
    assert client.delete("/api/cameras/a", headers={"If-Match": read.headers["ETag"]}).status_code == 412
    assert client.delete("/api/cameras/a", headers={"If-Match": first.headers["ETag"]}).status_code == 204


def test_of_those_who_write_at_once_with_the_same_etag_one_wins(web):
    tag = web.client().put("/api/cameras/a", json={}).headers["ETag"]
    statuses, gate = [], threading.Barrier(6)

    def write(number):
        client = web.client()
        gate.wait()
        answer = client.put("/api/cameras/a", json={"name": f"{number}"}, headers={"If-Match": tag})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412, 412, 412]


def test_a_source_that_is_left_out_stays_and_null_removes_it(key):
    client, key = key
    administrator, operator = key(Role.ADMINISTRATOR), key(Role.OPERATOR)
    document = {"source": {"url": URL, "fps": 2}}
    assert client.put("/api/cameras/a", json=document, headers=administrator).status_code == 201
    kept = client.put("/api/cameras/a", json={"name": "gate"}, headers=operator)
    assert kept.status_code == 200 and kept.json["source"]["fps"] == 2 and "s3cret" not in kept.text
    slower = {"source": {**kept.json["source"], "fps": 1, "still_fps": 0.5, "transport": "tcp"}}
    assert client.put("/api/cameras/a", json=slower, headers=operator).json["source"]["fps"] == 1
    for refused in ({"source": None}, {"source": {"url": "rtsp://elsewhere/1"}}):
        answer = client.put("/api/cameras/a", json=refused, headers=operator)
        assert answer.status_code == 403 and answer.json["error"]["code"] == "role"
    assert client.put("/api/cameras/b", json={"source": None}, headers=operator).status_code == 201, "it had none"
    assert client.put("/api/cameras/a", json={"source": None}, headers=administrator).json["source"] is None


IDS = ["Halle 1/2", "a//b", "/a/", "a/snapshot", "snapshot", "100%", "50%2F", "Tür é", "日本 #1?", "a.b~c", "x" * 200]


@pytest.mark.parametrize("camera_id", IDS)
def test_any_id_can_be_configured(web, camera_id):
    client, address = web.client(), f"/api/cameras/{quote(camera_id, safe='')}"
    made = client.put(address, json={"name": "any"})
    assert made.status_code == 201 and made.json["camera_id"] == camera_id, made.text
    read = client.get(address)
    assert read.status_code == 200 and read.json["camera_id"] == camera_id
    snapshot = client.get(f"{address}/snapshot")
    assert snapshot.status_code == 404 and "no picture of" in snapshot.json["error"]["message"]
    page = client.get(f"/cameras/{quote(camera_id, safe='')}")
    assert page.status_code == 200
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("camera_id", ["a\nb", "\u2028", "  ", "x" * 201, "\x00"])
def test_what_is_no_id_is_refused_everywhere(web, camera_id):
    client = web.client()
    assert client.put(f"/api/cameras/{quote(camera_id, safe='')}", json={}).status_code == 400
    for path in ("/api/frames", "/api/uploads"):
        answer = client.post(path, query_string={"camera_id": camera_id}, data=b"x", content_type="image/jpeg")
        assert answer.status_code == 400, path


def test_an_id_is_the_same_however_its_accents_are_written(web):
    client, composed = web.client(), "T\u00fcr"
    split = unicodedata.normalize("NFD", composed)
    assert client.put(f"/api/cameras/{quote(split)}", json={"name": "door"}).json["camera_id"] == composed
    assert client.get(f"/api/cameras/{quote(composed)}").json["name"] == "door"
    assert client.get("/api/frames", query_string={"camera": split}).status_code == 200
