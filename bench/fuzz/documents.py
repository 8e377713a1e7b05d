"""Odd documents for everything that HTTP takes, and whether the answers are as they should be."""

import http.client
import json
import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from bench.fuzz.pictures import damage, good_pictures, good_video, odd_picture, odd_video
from bench.fuzz.trees import mutate, parse, write
from bench.fuzz.values import odd_bytes, odd_text, odd_time, odd_value

_ANSWERS_WITHIN_S = 40
_SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
_MEASURES = ("occupancy", "flow", "dwell", "queue", "heatmap", "distancing", "engagement", "attendance", "evacuation")
_CAMERA = {
    "camera_id": "fuzz-1",
    "name": "North gate",
    "venue": "Arena",
    "source": None,
    "model": None,
    "confidence_threshold": None,
    "classes": None,
    "max_age_ms": None,
    "zones": [
        {
            "name": "hall",
            "polygon": _SQUARE,
            "anchor": "center",
            "area_m2": 20,
            "limit": 40,
            "roles": ["density", "queue", "restricted", "display", "exit", "ignore"],
            "schedule": [{"days": "mon-fri", "from": "22:00", "to": "06:00"}],
            "minimum_stay_s": 2,
        }
    ],
    "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1], "anchor": "center", "venue": "Arena"}],
    "ground_plane": {"image": _SQUARE, "metres": [[0, 0], [10, 0], [10, 10], [0, 10]]},
    "distance_limit_m": 1.5,
    "rules": {
        "gathering": {"enabled": True, "people": 5, "minimum_s": 10, "schedule": [{"days": "sat,sun"}]},
        "distance": {"enabled": False},
    },
    "retention_days": 30,
    "blur_faces": False,
    "time_zone": "Europe/Berlin",
}
_SOURCE = {"url": "http://127.0.0.1:9/fuzz.mjpeg", "fps": 5, "still_fps": 1, "transport": "tcp", "enabled": True}
_NOTIFICATIONS = {
    "channels": [
        {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1:9/hook", "secret": "s3cret"},
        {"kind": "email", "name": "mail", "host": "127.0.0.1", "port": 9, "from": "a@b.c", "to": ["d@e.f"]},
    ],
    "rules": [{"name": "all", "channels": ["hook", "mail"], "cool_down_s": 60, "cameras": ["fuzz-1"]}],
}
_PASSWORD = "long enough to pass"


@dataclass(frozen=True)
class OddRequest:
    """A request. `body` is None where there is none."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


class Requests:
    """Makes requests, of which each follows from the seed and its number."""

    def __init__(self, seed: int, now: datetime) -> None:
        self._seed = seed
        self._now = now

    def odd(self, number: int) -> OddRequest:
        """Return odd request number so-and-so of this seed."""
        rng = random.Random(f"{self._seed}/http/{number}")
        makers = (
            *(self._camera,) * 5,
            *(self._notifications,) * 2,
            *(self._small,) * 5,
            *(self._picture,) * 2,
            self._upload,
            *(self._question,) * 4,
        )
        return rng.choice(makers)(rng)

    def _document(self, good: Any, rng: random.Random) -> bytes:
        value = json.dumps(good).encode()
        kind = rng.random()
        if kind < 0.10:
            return damage(value, rng)
        if kind < 0.16:
            return odd_bytes(rng, self._now) or b""
        return write(mutate(parse(value), rng, lambda: odd_value(rng, self._now), rng.choice((1, 1, 1, 2, 3))))

    def _camera(self, rng: random.Random) -> OddRequest:
        name = rng.choice(("fuzz-1", "fuzz-2", "fuzz-3", odd_text(rng, huge=False)))
        good = _CAMERA | {"camera_id": name, "source": rng.choice((None, None, None, _SOURCE))}
        if rng.random() < 0.1:
            return OddRequest("POST", "/api/cameras/test", self._document({"url": _SOURCE["url"]}, rng))
        return OddRequest("PUT", f"/api/cameras/{_quoted(name)}", self._document(good, rng))

    def _notifications(self, rng: random.Random) -> OddRequest:
        return OddRequest("PUT", "/api/notifications", self._document(_NOTIFICATIONS, rng))

    def _small(self, rng: random.Random) -> OddRequest:
        name = _quoted(odd_text(rng, huge=False))
        method, path, good = rng.choice(
            (
                ("POST", "/send", {"content": "hello", "sender": "me"}),
                ("POST", "/send", {"content": "hello", "sender": "me"}),
                ("POST", f"/send?topic={name}", {"content": "hello", "sender": "me"}),
                ("POST", "/api/users", {"name": "somebody", "role": "viewer", "password": _PASSWORD}),
                ("PUT", f"/api/users/{name}", {"role": "viewer", "password": _PASSWORD}),
                ("PUT", "/api/users/somebody", {"role": "viewer"}),
                ("PUT", "/api/me/password", {"old": _PASSWORD, "new": _PASSWORD}),
                ("POST", "/api/keys", {"name": "a", "role": "viewer", "cameras": ["fuzz-1"], "expires_at": None}),
                ("POST", "/api/notifications/test", {"channel": "nobody"}),
                ("POST", f"/api/venues/{name}/reset", {}),
                ("POST", f"/api/alerts/{name}/ack", {}),
                ("POST", f"/api/jobs/{name}/cancel", {}),
                ("POST", "/api/dead/retry", {"ids": ["0/1", "0/2"], "all": False, "again": True, "cursor": None}),
                ("POST", f"/api/dead/0/{rng.randrange(100)}/retry", {}),
                ("DELETE", f"/api/cameras/{name}", {}),
                ("DELETE", f"/api/keys/{name}", {}),
            )
        )
        return OddRequest(method, path, self._document(good, rng))

    def _picture(self, rng: random.Random) -> OddRequest:
        headers = {"Content-Type": rng.choice(("image/jpeg", "image/", "multipart/form-data; boundary=x", "x"))}
        camera = _quoted(rng.choice(("fuzz-1", odd_text(rng, huge=False))))
        return OddRequest("POST", f"/api/frames?camera_id={camera}", odd_picture(rng), headers)

    def _upload(self, rng: random.Random) -> OddRequest:
        body = rng.choice((odd_video, lambda _: good_video(), odd_picture, lambda _: good_pictures()[0]))(rng)
        fps, name = _quoted(rng.choice(("5", odd_text(rng, huge=False)))), _quoted(odd_text(rng, huge=False))
        return OddRequest("POST", f"/api/uploads?fps={fps}&filename={name}", body)

    def _question(self, rng: random.Random) -> OddRequest:
        text, at = _quoted(odd_text(rng, huge=False)), _quoted(odd_time(rng, self._now))
        path = rng.choice(
            (
                f"/api/analytics/{rng.choice(_MEASURES)}?camera={text}&from={at}",
                f"/api/analytics/{rng.choice(_MEASURES)}?camera=fuzz-1&bucket={text}&to={at}",
                f"/api/analytics/{text}?camera=fuzz-1",
                f"/api/events?camera={text}&from={at}&cursor={text}",
                f"/api/alerts?kind={text}&to={at}&limit={text}",
                f"/api/frames?camera={text}&cursor={text}",
                f"/api/frames/{text}/{text}/1",
                f"/api/frames/frames/9223372036854775808/{text}",
                f"/api/frames/frames/0/{rng.choice(('1', '99999999999999999999', '-1', text))}",
                f"/api/frames/frames/0/{rng.randrange(50)}/picture",
                f"/api/dead?limit={rng.choice((1, 200))}",
                f"/api/dead?camera={text}&error={text}&cursor={text}",
                f"/api/dead/0/{rng.randrange(100)}",
                f"/api/dead/0/{rng.randrange(100)}/picture",
                f"/api/cameras/{text}",
                f"/api/cameras/{text}/snapshot",
                f"/api/jobs/{text}",
                f"/api/audit?from={at}&limit={text}",
                f"/receive?client={text}&limit={text}",
                f"/receive?client=fuzz&limit={rng.choice((1, 10, 1000))}",
                "/api/live?camera=" + text if rng.random() < 0.1 else "/api/camera-states",
                "/overview.json",
                "/api/cameras",
                "/api/events",
                "/api/alerts",
                "/api/notifications",
                "/api/notifications/deliveries",
                "/system.json",
                f"/{text}",
            )
        )
        return OddRequest(
            "GET", path, None, {"Accept": rng.choice(("application/json", "image/png", "text/html", "*"))}
        )


class Asker:
    """Sends requests one after the other, and notes each answer that is not as it should be."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._key = key
        self.statuses: dict[int, int] = {}
        self.problems: list[str] = []

    def ask(self, number: int, request: OddRequest) -> None:
        """Send a request; note what is wrong with the answer: a 5xx, another shape of an error, or none in time."""
        what = f"request {number}: {request.method} {request.path:.100} {(request.body or b'')[:200]!r}"
        try:
            status, body = self.answer(request)
        except (OSError, http.client.HTTPException) as error:
            self.problems.append(f"{what}: {error!r}")
            return
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status >= 500:
            self.problems.append(f"{what}: {status} {body[:300]!r}")
        elif status >= 400 and request.headers.get("Accept") != "text/html" and not _is_error(body):
            self.problems.append(f"{what}: {status} in another shape: {body[:200]!r}")

    def answer(self, request: OddRequest) -> tuple[int, bytes]:
        """Send a request, and return status and body of the answer; of a stream, nothing of the body."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_ANSWERS_WITHIN_S)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Connection": "close", **request.headers}
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            is_stream = answer.headers.get_content_type() == "text/event-stream"
            return answer.status, b"" if is_stream else answer.read()
        finally:
            connection.close()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _is_error(body: bytes) -> bool:
    try:
        return set(json.loads(body)["error"]) == {"code", "message", "detail"}
    except (ValueError, KeyError, TypeError):
        return False
