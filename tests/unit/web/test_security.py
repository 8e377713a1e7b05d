import re
from html.parser import HTMLParser

import pytest

SEND = {"path": "/send", "method": "POST", "data": "{"}


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.8.9.1", "LOCALHOST"]
)
def test_names_of_this_machine(app, host):
    assert app.test_client().get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["crowd.example", "crowd.example:8000", "192.168.0.7:8000", "localhost.example", "0.0.0.0"]
)
def test_a_rebound_name_is_refused(app, host):
    for path in ("/healthz", "/", "/api/frames", "/nothing"):
        answer = app.test_client().get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert answer.json["error"]["code"] == "host"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_own_pages_and_programs_may_send(app, headers):
    answer = app.test_client().open(**SEND, headers=headers)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_message"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    ],
)
def test_other_pages_may_not_send(app, headers):
    for path, method in (("/send", "POST"), ("/api/frames", "POST"), ("/receive", "GET")):
        answer = app.test_client().open(path, method=method, headers=headers)
        assert answer.status_code == 403
        assert answer.json["error"]["code"] == "cross_site"


def test_every_answer_carries_the_security_headers(app):
    for path in ("/", "/healthz", "/static/app.css", "/nothing", "/api/nothing"):
        answer = app.test_client().get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        answer.close()


def test_who_came_by_https_comes_by_https_again(app):
    headers = [
        app.test_client().get("/healthz", base_url=f"{scheme}://localhost").headers for scheme in ("http", "https")
    ]
    assert ["Strict-Transport-Security" in one for one in headers] == [False, True]


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.addresses, self.inline = [], []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.addresses += [named[name] for name in ("src", "href") if named.get(name)]
        self.inline += [f"{tag} {name}" for name in named if name.startswith("on") or name == "style"]
        self._script = tag in ("script", "style")

    def handle_data(self, data):
        if self._script and data.strip():
            self.inline.append(data)
        self._script = False


PAGES = ["/", "/cameras/gate-1", "/analytics", "/alerts", "/uploads", "/messages", "/system", "/settings"]


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(app, path):
    client = app.test_client()
    page = _Page(client.get(path, headers={"Accept": "text/html"}).text)
    assert page.inline == []
    assert page.addresses
    for address in page.addresses:
        assert re.match(r"/(?!/)|#", address)
        assert not address.startswith("/static/") or re.match(r"/static/[0-9a-f]{16}/", address)
        if address.startswith("/static/"):
            with client.get(address) as answer:
                assert answer.status_code == 200


def test_modules_import_what_is_there(app):
    client, seen, names = app.test_client(), set(), ["frame.js", "overview.js"]
    names += [f"{page[1:]}.js" for page in PAGES if page not in ("/", "/cameras/gate-1")] + ["camera.js"]
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        with client.get(f"{app.static_url_path}/{name}") as answer:
            assert answer.status_code == 200, name
            assert answer.mimetype == "text/javascript"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000"
            names += re.findall(r'from "\./([\w.]+)"', answer.text)
    assert len(seen) > 5
