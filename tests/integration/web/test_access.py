"""Signing in, keys and roles, against the real MongoDB and Redis."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from redis import Redis

from contracts.access import Role
from contracts.times import to_rfc3339
from storage.users import User
from web.access.gate import SESSION_COOKIE
from web.access.rules import rule_of
from web.access.sign_in import add_first_administrator, hash_password, new_link_token

PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
PUBLIC = {"/healthz", "/readyz", "/metrics", "/sign-in", "/docs/<name>"}
ADMINISTRATORS = {"users", "keys", "audit"}


def _now():
    return datetime.now(timezone.utc)


@pytest.fixture
def web(start_web):
    """A web process that asks for sign-in, with a user of each role, named after it."""
    web = start_web(wait=False, auth="required")
    for role in Role:
        web.services.access.users.add(User(role.value, role, HASH, _now()))
    return web


@pytest.fixture
def sign_in(web):
    """Return a function that gives a client, signed in as the user of a name."""

    def sign_in(name, process=web):
        client, access = process.client(), process.services.access
        client.set_cookie(SESSION_COOKIE, access.sign_in.open(access.users.get(name)).secret)
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return client

    return sign_in


def _key(administrator, **fields):
    answer = administrator.post("/api/keys", json={"name": "till", "role": "viewer", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json


def _with_key(text):
    return {"Authorization": f"Bearer {text}"}


def _error(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json["error"]["code"] == code
    return answer.json["error"]


def test_the_table_of_who_may_call_what(web, sign_in, settings):
    callers = {role: sign_in(role.value) for role in Role}
    keys = {role: _key(callers[Role.ADMINISTRATOR], role=role.value)["key"] for role in Role}
    limited = _key(callers[Role.ADMINISTRATOR], role="administrator", cameras=["gate-1"])["key"]
    routes = [
        (route, method) for route in web.app.url_map.iter_rules() for method in route.methods - {"HEAD", "OPTIONS"}
    ]
    for endpoint, view in web.app.view_functions.items():  # what they do is not wanted here, only who gets there

        def reached(**_):
            return "reached", 299

        vars(reached).update(vars(view))
        if endpoint != "static":
            web.app.view_functions[endpoint] = reached
    assert len(routes) > 20
    for route, method in routes:
        what, rule = f"{method} {route.rule}", rule_of(web.app, route.endpoint)
        path = re.sub(r"<int:\w+>", "1", route.rule)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: "gate-1" if "camera" in found[1] else "x", path)
        if route.endpoint == "static":
            continue
        assert (rule.role is None) == (route.rule in PUBLIC), what
        if rule.role is None:
            assert web.client().open(path, method=method).status_code == 299, what
            continue
        if method != "GET":
            assert rule.role.covers(Role.OPERATOR) or route.endpoint in {
                "sign_in.sign_out",
                "users.change_own_password",
            }
        if route.endpoint.partition(".")[0] in ADMINISTRATORS and "/me" not in route.rule:
            assert rule.role is Role.ADMINISTRATOR, what

        _error(web.client().open(path, method=method), 401, "sign_in_needed")
        _error(web.client().open(path, method=method, headers=_with_key("cw_000000000000_" + "a" * 43)), 401, "bad_key")
        for role in Role:
            for client, headers in ((callers[role], {}), (web.client(), _with_key(keys[role]))):
                answer = client.open(path, method=method, headers=headers)
                assert answer.status_code == (299 if role.covers(rule.role) else 403), (what, role)
        named = path if rule.camera is None or "gate-1" in path else f"{path}?{rule.camera}=gate-1"
        answer = web.client().open(named, method=method, headers=_with_key(limited))
        assert answer.status_code == (403 if rule.camera is None else 299), what
        with Redis.from_url(settings.redis_url) as redis:  # else the made-up keys become too many
            redis.flushdb()


def test_pages_lead_to_the_sign_in_page_and_back(web):
    client = web.client()
    answer = client.get("/analytics?camera=gate-1", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=%2Fanalytics%3Fcamera%3Dgate-1")
    page = client.get(answer.location)
    assert 'name="next" value="/analytics?camera=gate-1"' in page.text
    form = {"name": "viewer", "password": PASSWORD, "next": "/analytics?camera=gate-1"}
    answer = client.post("/sign-in", data=form)
    assert (answer.status_code, answer.location) == (303, "/analytics?camera=gate-1")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("crowdwatch_session=", "HttpOnly", "SameSite=Lax", "Max-Age=604800"))
    assert "Secure" not in cookie
    assert client.get("/api/me").json == {"name": "viewer", "role": "viewer"}
    assert "Secure" in client.post("/sign-in", data=form, base_url="https://localhost").headers["Set-Cookie"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/a\nb", "/" + "a" * 3000]
)
def test_nobody_is_sent_elsewhere(web, path):
    answer = web.client().post("/sign-in", data={"name": "viewer", "password": PASSWORD, "next": path})
    assert (answer.status_code, answer.location) == (303, "/")


@pytest.mark.parametrize(
    ("name", "password"),
    [("viewer", "wrong"), ("nobody", PASSWORD), ("", ""), ("viewer", ""), ("x" * 9999, "\0\ud83d")],
)
def test_a_wrong_name_or_password_gives_the_same_answer(web, name, password):
    client = web.client()
    answer = client.post("/sign-in", data={"name": name, "password": password.encode("utf-8", "replace").decode()})
    assert answer.status_code == 403
    assert "There is no such name and password." in answer.text
    assert "Set-Cookie" not in answer.headers
    _error(client.get("/api/me"), 401, "sign_in_needed")


def test_after_too_many_failures_even_the_right_password_waits(web):
    client = web.client()
    statuses = [client.post("/sign-in", data={"name": "viewer", "password": "wrong"}).status_code for _ in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    assert client.post("/sign-in", data={"name": "viewer", "password": PASSWORD}).status_code == 429
    elsewhere = {"REMOTE_ADDR": "127.0.0.2"}
    answer = client.post("/sign-in", data={"name": "viewer", "password": PASSWORD}, environ_base=elsewhere)
    assert answer.status_code == 303


def test_made_up_keys_are_refused_and_then_limited(web):
    client = web.client()
    keys = ["", "cw_", "x" * 5000, "cw_000000000000_" + "a" * 43, "cw_%s_é" % ("0" * 12)]
    for text in keys * 2:
        _error(client.get("/api/me", headers={"Authorization": f"Bearer {text}"}), 401, "bad_key")
    answer = client.get("/api/me", headers=_with_key("cw_1"))
    assert _error(answer, 429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) > 0


def test_signing_out_ends_the_session_in_every_process(web, sign_in, start_web):
    client = sign_in("viewer")
    cookie = client.get_cookie(SESSION_COOKIE).value
    other = start_web(wait=False, auth="required").client()
    assert client.post("/sign-out").location == "/sign-in"
    assert client.get_cookie(SESSION_COOKIE) is None
    other.set_cookie(SESSION_COOKIE, cookie)
    _error(other.get("/api/me"), 401, "sign_in_needed")


def test_a_session_holds_in_another_process(web, sign_in, start_web):
    cookie = sign_in("operator").get_cookie(SESSION_COOKIE).value
    other = start_web(wait=False, auth="required").client()
    other.set_cookie(SESSION_COOKIE, cookie)
    assert other.get("/api/me").json == {"name": "operator", "role": "operator"}


def test_a_session_ends_with_its_time(start_web, web):
    brief = start_web(wait=False, auth="required", session_hours=1e-6)
    access, client = brief.services.access, brief.client()
    opened = access.sign_in.open(access.users.get("viewer"))
    time.sleep(opened.lasts.total_seconds())
    client.set_cookie(SESSION_COOKIE, opened.secret)
    _error(client.get("/api/me"), 401, "sign_in_needed")


def test_a_link_signs_the_administrator_in_once(web):
    access = web.services.access
    token = new_link_token(access.sessions, _now())
    first = web.client().get(f"/?token={token}", headers=BROWSER)
    assert first.status_code == 303

    def follow(_):
        client = web.client()
        answer = client.get(first.location)
        return answer.status_code, client.get("/api/me").status_code, answer.headers.get("Location")

    with ThreadPoolExecutor(8) as threads:
        came = sorted(threads.map(follow, range(8)), key=str)
    assert came[0] == (303, 200, "/")
    assert [status for status, *_ in came[1:]] == [403] * 7


def test_a_link_is_over_after_its_time(web):
    token = new_link_token(web.services.access.sessions, _now() - timedelta(hours=9))
    answer = web.client().get(f"/sign-in?token={token}")
    assert answer.status_code == 403
    assert "This link was used already, or is too old." in answer.text


def test_the_first_administrator_is_made_once(start_web):
    users = start_web(wait=False, auth="required").services.access.users
    barrier = threading.Barrier(4)

    def add(_):
        barrier.wait()
        return add_first_administrator(users, _now())

    with ThreadPoolExecutor(4) as threads:
        passwords = [password for password in threads.map(add, range(4)) if password is not None]
    assert len(passwords) == 1
    assert add_first_administrator(users, _now()) is None
    (user,) = users.all()
    assert (user.name, user.role) == ("admin", Role.ADMINISTRATOR)
    assert passwords[0] not in user.password


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}])
def test_a_session_changes_nothing_from_another_page(web, sign_in, headers):
    client = sign_in("administrator")
    del client.environ_base["HTTP_SEC_FETCH_SITE"]
    for path, method in (("/api/keys", "POST"), ("/api/users/viewer", "DELETE"), ("/sign-out", "POST")):
        _error(client.open(path, method=method, headers=headers, json={}), 403, "cross_site")
    assert client.delete("/api/users/viewer", headers={"Origin": "http://localhost"}).status_code == 204


def test_users_are_added_changed_and_removed(web, sign_in):
    admin = sign_in("administrator")
    new = {"name": "ada", "role": "operator", "password": PASSWORD}
    made = admin.post("/api/users", json=new)
    assert (made.status_code, made.json["role"]) == (201, "operator")
    _error(admin.post("/api/users", json=new), 409, "conflict")
    ada = sign_in("ada")
    assert admin.put("/api/users/ada", json={"role": "viewer"}).json["role"] == "viewer"
    assert ada.get("/api/me").json["role"] == "viewer"
    assert admin.put("/api/users/ada", json={"role": "viewer", "password": "another secret"}).status_code == 200
    _error(ada.get("/api/me"), 401, "sign_in_needed")
    assert [user["name"] for user in admin.get("/api/users").json["items"]][-1] == "ada"
    assert "password" not in admin.get("/api/users").text
    assert admin.delete("/api/users/ada").status_code == 204
    _error(admin.delete("/api/users/ada"), 404, "not_found")
    _error(admin.put("/api/users/ada", json={"role": "viewer"}), 404, "not_found")


def test_the_last_administrator_stays_whatever_many_ask_at_once(web, sign_in):
    admin = sign_in("administrator")
    other = {"name": "second", "role": "administrator", "password": PASSWORD}
    assert admin.post("/api/users", json=other).status_code == 201
    second = sign_in("second")
    with ThreadPoolExecutor(2) as threads:
        asked = [
            threads.submit(admin.delete, "/api/users/second"),
            threads.submit(second.delete, "/api/users/administrator"),
        ]
        [one.result() for one in asked]
    users = web.services.access.users
    left = users.oldest_administrator()
    assert left is not None
    for user in users.all():
        if user.role is Role.ADMINISTRATOR and user.name != left.name:
            users.remove(user.name)
    client = sign_in(left.name)
    _error(client.delete(f"/api/users/{left.name}"), 409, "last_administrator")
    _error(client.put(f"/api/users/{left.name}", json={"role": "viewer"}), 409, "last_administrator")
    assert users.oldest_administrator() == left


def test_a_person_changes_their_own_password(web, sign_in):
    client = sign_in("viewer")
    new = {"old": "not the old one", "new": "a new password"}
    _error(client.put("/api/me/password", json=new), 403, "wrong_password")
    assert client.put("/api/me/password", json=new | {"old": PASSWORD}).status_code == 204
    _error(client.get("/api/me"), 401, "sign_in_needed")
    assert web.client().post("/sign-in", data={"name": "viewer", "password": "a new password"}).status_code == 303


def test_a_key_is_shown_once_used_and_revoked(web, sign_in):
    admin = sign_in("administrator")
    made = _key(admin)
    headers, client = _with_key(made["key"]), web.client()
    assert client.get("/api/me", headers=headers).json == {"name": "key till", "role": "viewer"}
    (listed,) = admin.get("/api/keys").json["items"]
    assert listed["last_used_at"] is not None
    assert listed["created_by"] == "administrator"
    assert made["key"] not in admin.get("/api/keys").text
    assert admin.delete(f"/api/keys/{made['id']}").status_code == 204
    _error(client.get("/api/me", headers=headers), 401, "bad_key")
    _error(admin.delete(f"/api/keys/{made['id']}"), 404, "not_found")


def test_a_key_ends_with_its_time(web, sign_in):
    admin = sign_in("administrator")
    for past in ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"):
        _error(admin.post("/api/keys", json={"name": "k", "role": "viewer", "expires_at": past}), 400, "bad_request")
    soon = to_rfc3339(_now() + timedelta(seconds=0.5))
    headers = _with_key(_key(admin, expires_at=soon)["key"])
    while web.client().get("/api/me", headers=headers).status_code == 200:
        assert _now() < datetime.fromisoformat(soon.replace("Z", "+00:00")) + timedelta(seconds=1)


def test_a_key_for_a_camera_sees_that_camera_alone(web, sign_in):
    headers = _with_key(_key(sign_in("administrator"), cameras=["gate-1"])["key"])
    client = web.client()
    assert client.get("/api/frames?camera=gate-1", headers=headers).status_code == 200
    for path in ("/api/frames", "/api/frames?camera=gate-2", "/api/frames?camera=gate-1&camera=gate-2", "/receive"):
        _error(client.get(path, headers=headers), 403, "camera")


def test_a_key_names_a_client_of_receive(start_web, web, sign_in):
    whole = start_web(auth="required")
    operator = _with_key(_key(sign_in("administrator"), role="operator")["key"])
    viewer = _with_key(_key(sign_in("administrator"))["key"])
    send = {"content": "hello", "sender": "me"}
    assert whole.client().post("/send", json=send, headers=operator).status_code == 202
    for headers in (operator, viewer):
        first, again = (whole.client().get("/receive", headers=headers) for _ in range(2))
        assert [message["value"]["content"] for message in first.json["messages"]] == ["hello"]
        assert again.json == {"messages": []}
        assert "Set-Cookie" not in first.headers


def test_requests_are_limited_for_each_caller(start_web, sign_in, web):
    strict = start_web(wait=False, auth="required", requests_per_minute=5)
    viewer, operator = sign_in("viewer", strict), sign_in("operator", strict)
    assert [viewer.get("/api/me").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    assert operator.get("/api/me").status_code == 200
    assert strict.client().get("/healthz").status_code == 200


def test_without_redis_nobody_is_held_up(start_web, sign_in, web, caplog):
    alone = start_web(wait=False, auth="required", requests_per_minute=1, redis_url="redis://127.0.0.1:1/0")
    client = sign_in("viewer", alone)
    assert [client.get("/api/me").status_code for _ in range(20)] == [200] * 20
    assert caplog.text.count("requests are not limited, Redis does not answer") == 1


def test_changes_are_written_down_and_nothing_secret(web, sign_in, caplog):
    admin = sign_in("administrator")
    key = _key(admin, name="audited")
    admin.put("/api/users/viewer", json={"role": "operator", "password": "a new password"})
    admin.delete(f"/api/keys/{key['id']}")
    admin.delete("/api/users/nobody")
    web.client().post("/sign-in", data={"name": "operator", "password": "a wrong password"})
    page = admin.get("/api/audit?limit=3").json
    assert [(entry["who"], entry["where"]) for entry in page["items"]] == [
        ("operator", "POST /sign-in"),
        ("administrator", f"DELETE /api/keys/{key['id']}"),
        ("administrator", "PUT /api/users/viewer"),
    ]
    assert page["items"][0]["detail"] == {"refused": "There is no such name and password."}
    assert page["items"][2]["detail"] == {"role": "operator", "role_before": "viewer", "new_password": True}
    assert page["items"][2]["address"] == "127.0.0.1"
    rest = admin.get(f"/api/audit?cursor={page['next']}").json
    assert [entry["where"] for entry in rest["items"]] == ["POST /api/keys"]
    assert rest["next"] is None
    written = admin.get("/api/audit").text + caplog.text
    for secret in (PASSWORD, "a new password", "a wrong password", key["key"]):
        assert secret not in written


def test_keys_and_sessions_hold_while_mongodb_is_away(web, sign_in, monkeypatch):
    client = sign_in("viewer")
    assert client.get("/api/me").status_code == 200
    sign_in_service = web.services.access.sign_in
    monkeypatch.setattr(sign_in_service._signed_in, "_fresh_s", 0)
    web.services.access.sessions._sessions.database.client.close()
    assert client.get("/api/me").status_code == 200
