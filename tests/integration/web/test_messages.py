import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from contracts.offsets import SourceOffset


def _send(client, content):
    answer = client.post("/send", json={"content": content, "sender": "test"})
    assert answer.status_code == 202, answer.text
    return answer.json


def _contents(answer):
    assert answer.status_code == 200, answer.text
    return [message["value"]["content"] for message in answer.json["messages"]]


def test_a_message_comes_once_with_its_place(web, settings):
    client = web.client()
    place = _send(client, "hello ü")
    assert place == {"topic": settings.topic_chat, "partition": 0, "offset": 0}
    (message,) = client.get("/receive?client=c1").json["messages"]
    assert message["topic"] == settings.topic_chat
    assert (message["partition"], message["offset"]) == (0, 0)
    assert message["value"]["content"] == "hello ü"
    assert message["value"]["sender"] == "test"
    assert message["value"]["sent_at"].endswith("Z")
    assert message["at"].endswith("Z")
    assert client.get("/receive?client=c1").json == {"messages": []}
    assert _contents(client.get("/receive?client=c2")) == ["hello ü"]


def test_each_client_gets_each_message_once_from_many_calls_to_two_processes(start_web):
    processes, count = [start_web(), start_web()], 120
    sent = [f"message {number}" for number in range(count)]
    got = {"c1": Counter(), "c2": Counter()}
    lock, done = threading.Lock(), threading.Event()

    def receive(name, process):
        client = process.client()
        while True:
            finished = done.is_set()
            contents = _contents(client.get(f"/receive?client={name}&limit=7&wait=0.3"))
            with lock:
                got[name].update(contents)
            if finished and not contents:
                return

    with ThreadPoolExecutor(16) as threads:
        receiving = [threads.submit(receive, name, process) for name in got for process in processes for _ in range(2)]
        sending = [threads.submit(_send, processes[number % 2].client(), sent[number]) for number in range(count)]
        for future in sending:
            future.result()
        done.set()
        for future in receiving:
            future.result()
    assert got == {"c1": Counter(sent), "c2": Counter(sent)}


def test_a_cookie_names_a_client_that_gives_no_name(web):
    _send(web.client(), "hello")
    client = web.client()
    first = client.get("/receive")
    assert _contents(first) == ["hello"]
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    again = client.get("/receive")
    assert _contents(again) == []
    assert "Set-Cookie" not in again.headers
    assert _contents(web.client().get("/receive")) == ["hello"]


def test_topics_restrict_and_leave_the_others_where_they_are(web, settings, detector):
    client = web.client()
    _send(client, "hello")
    source = detector.result(_place(settings, 2))
    detector.publish(source)
    results = client.get(f"/receive?client=c&topics={settings.topic_faces}").json["messages"]
    assert [message["value"] for message in results] == [source.to_dict()]
    assert (results[0]["topic"], results[0]["partition"]) == (settings.topic_faces, 2)
    assert _contents(client.get("/receive?client=c")) == ["hello"]


def test_messages_are_not_held_up_by_a_flood_of_results(web, settings, detector):
    for offset in range(5):
        detector.publish(detector.result(_place(settings, 0, offset)))
    _send(web.client(), "hello")
    first, second = (web.client().get("/receive?client=c&limit=3").json["messages"] for _ in range(2))
    assert [message["topic"] for message in first] == [settings.topic_chat, *[settings.topic_faces] * 2]
    assert [message["offset"] for message in second] == [2, 3, 4]


def test_a_call_that_waits_answers_as_soon_as_something_is_there(web):
    client = web.client()
    client.get("/receive?client=c")
    with ThreadPoolExecutor(1) as threads:
        started_s = time.monotonic()
        waiting = threads.submit(web.client().get, "/receive?client=c&wait=30")
        time.sleep(1.5)
        _send(client, "at last")
        assert _contents(waiting.result()) == ["at last"]
    assert 1.4 < time.monotonic() - started_s < 28


def test_a_call_that_waits_in_vain_answers_empty_in_time(web):
    started_s = time.monotonic()
    assert _contents(web.client().get("/receive?client=c&wait=1")) == []
    assert time.monotonic() - started_s > 0.9


def test_a_stopping_role_lets_go_of_those_who_wait(web):
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.client().get, "/receive?client=c&wait=30")
        time.sleep(0.5)
        web.services.stopping.set()
        assert _contents(waiting.result(timeout=28)) == []


def test_records_without_value_are_never_shown_and_text_is_text(web, settings, producer):
    for value in (None, b"plain", None, None, b"[1]", None):
        producer.send(settings.topic_chat, value, key=b"k").result(10)
    client = web.client()
    shown = [client.get("/receive?client=c&limit=1").json["messages"] for _ in range(3)]
    assert [[message["value"] for message in messages] for messages in shown] == [["plain"], ["[1]"], []]


def test_a_new_client_reaches_back_as_far_as_the_setting_says(start_web):
    web = start_web(receive_reach_back_s=0)
    _send(web.client(), "before")
    time.sleep(0.01)
    assert _contents(web.client().get("/receive?client=c")) == []
    _send(web.client(), "after")
    assert _contents(web.client().get("/receive?client=c")) == ["after"]


def _place(settings, partition, offset=0):
    return SourceOffset(settings.topic_frames, partition, offset)
