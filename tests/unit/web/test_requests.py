import pytest


def _refused(answer, status, code):
    assert answer.status_code == status
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"]
    assert "detail" in answer.json["error"]
    return answer.json["error"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "wait=31", "wait=soon", "client="])
def test_what_receive_refuses(app, query):
    _refused(app.test_client().get(f"/receive?{query}"), 400, "bad_request")


@pytest.mark.parametrize("topics", ["nothing", "", "chat,frames"])
def test_receive_lists_the_topics_it_knows(app, topics):
    error = _refused(app.test_client().get(f"/receive?topics={topics}"), 400, "unknown_name")
    assert error["detail"] == {"known": ["chat", "Faces"]}


def test_send_lists_the_topics_it_knows(app):
    answer = app.test_client().post("/send?topic=frames", json={"content": "x", "sender": "y"})
    assert _refused(answer, 400, "unknown_name")["detail"] == {"known": ["chat"]}


@pytest.mark.parametrize("query", ["camera_id=", "camera_id=%0a", f"camera_id={'x' * 201}", "wait=61", "wait=-1"])
def test_what_a_picture_may_not_ask_for(app, query):
    _refused(app.test_client().post(f"/api/frames?{query}", data=b"\xff\xd8\xff"), 400, "bad_request")


@pytest.mark.parametrize("body", [{"data": b""}, {"data": {"file": ""}, "content_type": "multipart/form-data"}])
def test_a_picture_that_is_none(app, body):
    _refused(app.test_client().post("/api/frames", **body), 400, "no_picture")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "camera=", "cursor=abc", "cursor=W10", "cursor=%ff", "cursor="]
)
def test_what_a_list_may_not_ask_for(app, query):
    _refused(app.test_client().get(f"/api/frames?{query}"), 400, "bad_request")


@pytest.mark.parametrize("path", ["/send", "/api/frames"])
def test_a_body_that_is_too_large(app, path):
    _refused(app.test_client().post(path, data=bytes(17 * 1024 * 1024)), 413, "too_large")


@pytest.mark.parametrize(
    "path", ["/api/frames/frames/0/x", "/api/frames/frames/-1/0", f"/api/frames/frames/0/{2**63}", "/api/nothing"]
)
def test_addresses_of_nothing(app, path):
    _refused(app.test_client().get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/send"), ("HEAD", "/receive"), ("POST", "/receive"), ("PUT", "/api/frames")]
)
def test_wrong_methods(app, method, path):
    answer = app.test_client().open(path, method=method)
    assert answer.status_code == 405
    assert answer.json["error"]["code"] == "method_not_allowed" if method != "HEAD" else not answer.data
    assert answer.headers["Allow"]
