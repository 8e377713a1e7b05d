import logging

import pytest
from flask import Flask, redirect, request

from contracts.errors import UnavailableError
from web import errors
from web.errors import RequestError
from web.json_answers import JsonAnswers


@pytest.fixture
def client():
    app = Flask("web")
    app.config["MAX_CONTENT_LENGTH"] = 10
    app.json = JsonAnswers(app)
    errors.install(app)
    app.add_url_rule("/", "overview.page", lambda: "page")

    @app.route("/raise/<what>", methods=["GET", "POST"])
    def raise_it(what):
        if what == "body":
            return request.get_data()
        if what == "redirect":
            return redirect("/")
        raise {
            "refused": RequestError(400, "no", code="bad", detail={"known": ["a"]}, retry_after_s=3),
            "half": RequestError(400, "unknown: \ud83d", detail=["gr\u00fcn \udfff", {"\ud800": 1}]),
            "down": UnavailableError("Kafka does not answer"),
            "bug": ZeroDivisionError("secret"),
        }[what]

    return app.test_client()


def test_what_a_view_refuses(client):
    answer = client.get("/raise/refused")
    assert answer.status_code == 400
    assert answer.headers["Retry-After"] == "3"
    assert answer.json == {"error": {"code": "bad", "message": "no", "detail": {"known": ["a"]}}}


def test_what_no_text_can_hold_is_replaced_in_an_error(client):
    answer = client.get("/raise/half")
    assert answer.status_code == 400
    assert answer.json["error"]["message"] == "unknown: \ufffd"
    assert answer.json["error"]["detail"] == ["gr\u00fcn \ufffd", {"\ufffd": 1}]


def test_a_server_that_is_down(client):
    answer = client.get("/raise/down")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["error"]["code"] == "unavailable"
    assert answer.json["error"]["detail"] == "Kafka does not answer"


def test_a_bug_is_logged_and_shows_nothing(client, caplog):
    with caplog.at_level(logging.ERROR):
        answer = client.get("/raise/bug")
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "ZeroDivisionError: secret" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/raise/bug", 405, "method_not_allowed"),
        ("POST", "/raise/body", 413, "too_large"),
    ],
)
def test_what_the_framework_refuses(client, method, path, status, code):
    answer = client.open(path, method=method, data=b"x" * 11)
    assert answer.status_code == status
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"]
    assert answer.json["error"]["detail"] is None
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_redirect_is_no_error(client):
    assert client.get("/raise/redirect").status_code == 302


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "accept", "html"),
    [
        ("/nothing", BROWSER, True),
        ("/nothing", "*/*", False),
        ("/nothing", "application/json, text/html;q=0.5", False),
        ("/api/nothing", BROWSER, False),
        ("/receive/x", BROWSER, False),
    ],
)
def test_only_a_browser_on_a_page_gets_html(app, path, accept, html):
    answer = app.test_client().get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    assert (answer.mimetype == "text/html") == html
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
