import gc
import socket
from collections.abc import Iterator

import pytest

# kafka-python leaves the sockets of refused connections to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

JPEG = b"\xff\xd8\xff\xe0 stands for a picture"


@pytest.fixture
def closed_address() -> Iterator[str]:
    """An address that refuses every connection: it is bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"
    gc.collect()


def _unavailable(answer):
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_without_redis_pictures_are_taken_and_left_to_the_bridge(closed_address, start_web):
    web = start_web(wait=False, redis_url=f"redis://{closed_address}/0")
    web.wait_for("prepared", "follower")
    answer = web.client().post("/api/frames", data=JPEG)
    assert answer.status_code == 202
    web.wait_until(lambda: web.sample("crowdwatch_web_tasks_left_to_bridge_total") == 1)
    assert web.client().get(answer.json["url"]).status_code == 202
    ready = web.client().get("/readyz")
    assert ready.status_code == 503
    assert ready.json["needs"] == {"kafka": True, "redis": False, "mongodb": True, "prepared": True, "follower": True}
    assert f"Redis at {closed_address} does not answer" in ready.json["problems"]["redis"]
    assert web.client().get("/healthz").status_code == 200


def test_without_kafka_requests_say_so_and_no_cursor_moves(closed_address, start_web):
    whole = start_web()
    whole.client().post("/send", json={"content": "hello", "sender": "me"})
    web = start_web(wait=False, kafka_bootstrap_servers=closed_address)
    client = web.client()
    _unavailable(client.get("/receive?client=c"))
    _unavailable(client.post("/send", json={"content": "x", "sender": "y"}))
    _unavailable(client.post("/api/frames", data=JPEG))
    assert client.get("/readyz").json["needs"]["kafka"] is False
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/frames").json == {"items": [], "next": None}
    messages = whole.client().get("/receive?client=c").json["messages"]
    assert [message["value"]["content"] for message in messages] == ["hello"]


def test_without_mongodb_pictures_and_messages_are_taken(closed_address, start_web):
    web = start_web(wait=False, mongodb_uri=f"mongodb://{closed_address}")
    web.wait_for("follower")
    client = web.client()
    assert client.post("/send", json={"content": "x", "sender": "y"}).status_code == 202
    assert client.post("/api/frames", data=JPEG).status_code == 202
    _unavailable(client.get("/receive?client=c"))
    assert client.get("/readyz").json["needs"]["mongodb"] is False
