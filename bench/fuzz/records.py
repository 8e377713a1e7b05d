"""Records of every topic, made by the contracts' own encoders, and what becomes of them: odd ones."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.fuzz.pictures import damage, good_pictures, good_video, odd_picture, odd_video
from bench.fuzz.trees import mutate, parse, write
from bench.fuzz.values import TEXTS, odd_bytes, odd_range, odd_text, odd_time, odd_value
from contracts.events import Alert, Event, EventKind, Severity
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import FrameHeaders, Origin
from contracts.media import CHUNK_HEADER, FRAMES_HEADER
from contracts.offsets import (
    SERVICE_HEADER,
    SETTLES_HEADER,
    SOURCE_TOPIC_HEADER,
    TASK_HEADER,
    TRACEPARENT_HEADER,
    SourceOffset,
)
from web.services.messages import ChatMessage

LIVE_CAMERA = "fuzz-live"
CAMERAS = (LIVE_CAMERA, "fuzz-1", "fuzz-2", "fuzz-3")
OTHER_DETECTOR = "other-detector"

HEADER_NAMES = (
    *("frame_id", "captured_at", "content-type", "source", "max_age_ms", FRAMES_HEADER, CHUNK_HEADER),
    *(SETTLES_HEADER, TASK_HEADER, SERVICE_HEADER, SOURCE_TOPIC_HEADER, TRACEPARENT_HEADER, "error", "attempts"),
)
_RANGES = (SETTLES_HEADER, TASK_HEADER, FRAMES_HEADER, CHUNK_HEADER)
_TIMESTAMPS_MS = (0, 1, 86_400_000, 946_684_800_000, -1)
_NEVER_WRITTEN = 10**6
"""Offsets that no run reaches: results for those that are about to be written would be taken for real ones."""

_NO_UTF8 = b"gr\xfcn\xff"

Headers = list[tuple[str, bytes | None]]


class RawName(str):
    """A header's name that is no text: kafka-python asks `encode` for its bytes."""

    raw: bytes

    def __new__(cls, raw: bytes) -> "RawName":
        name = super().__new__(cls, raw.decode("latin-1"))
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return the bytes."""
        return self.raw


@dataclass(frozen=True)
class OddRecord:
    """A record to be sent. `how` says in words what was done to it; `timestamp_ms` is None for the sender's clock."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(repr=False)
    timestamp_ms: int | None
    how: str


class Records:
    """Makes records. `now` dates them, and is the same for all records of a run."""

    def __init__(self, seed: int, now: datetime, topics: Sequence[str] = ()) -> None:
        """Take the seed, and the topics by the names of their defaults; all of them without."""
        makers: dict[str, Callable[[random.Random], tuple[bytes, Headers]]] = {
            "frames": self._frame,
            "uploads": self._frame,
            "Faces": self._faces,
            "media-stream": self._media,
            "crowd.events": self._event,
            "crowd.alerts": self._alert,
            "chat": self._chat,
            "frames.dead": self._dead,
        }
        unknown = sorted(set(topics) - set(makers))
        if unknown:
            raise ValueError(f"unknown topics: {', '.join(unknown)}; known: {', '.join(makers)}")
        self._makers = {topic: makers[topic] for topic in (topics or makers)}
        self._seed = seed
        self._now = now

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that records are made for."""
        return tuple(self._makers)

    def good(self, topic: str, number: int) -> tuple[bytes, Headers]:
        """Return value and headers of a good record of a topic."""
        return self._makers[topic](random.Random(f"{self._seed}/good/{number}"))

    def odd(self, number: int) -> OddRecord:
        """Return odd record number so-and-so of this seed."""
        rng = random.Random(f"{self._seed}/{number}")
        topic = rng.choice(self.topics)
        good_value, headers = self._makers[topic](rng)
        key: bytes | None = rng.choice(CAMERAS).encode()
        value: bytes | None = good_value
        timestamp_ms: int | None = None
        how = []
        while not how:
            if rng.random() < 0.75:
                value, said = self._odd_value(topic, good_value, rng)
                how.append(said)
            if rng.random() < 0.40:
                headers = self._odd_headers(headers, rng)
                how.append("headers")
            if rng.random() < 0.25:
                key = odd_bytes(rng, self._now)
                how.append("key")
            if rng.random() < 0.08:
                timestamp_ms = rng.choice((*_TIMESTAMPS_MS, self._ms(timedelta(minutes=59)), self._ms(timedelta(-2))))
                how.append("timestamp")
        return OddRecord(topic, key, value, headers, timestamp_ms, " + ".join(how))

    def _ms(self, away: timedelta) -> int:
        return round((self._now + away).timestamp() * 1000)

    def _odd_value(self, topic: str, value: bytes, rng: random.Random) -> tuple[bytes | None, str]:
        kind = rng.random()
        if kind < 0.04:
            return None, "no value"
        if topic in ("frames", "uploads", "frames.dead"):
            if kind < 0.10:
                return odd_bytes(rng, self._now), "rubbish"
            return odd_picture(rng), "picture"
        if topic == "media-stream" and value[:1] != b"{":
            return odd_video(rng), "video"
        if kind < 0.10:
            return odd_bytes(rng, self._now), "rubbish"
        if kind < 0.24:
            return _disguised(value, rng), "disguised"
        if kind < 0.34:
            return damage(value, rng), "damaged"
        tree = mutate(parse(value), rng, lambda: odd_value(rng, self._now), rng.choice((1, 1, 1, 2, 3)))
        return write(tree), "document"

    def _odd_headers(self, headers: Headers, rng: random.Random) -> Headers:
        changed = list(headers)
        for _ in range(rng.randint(1, 4)):
            kind = rng.random()
            if kind < 0.70:
                name = rng.choice(HEADER_NAMES)
                odd = odd_range(rng) if name in _RANGES and rng.random() < 0.6 else odd_bytes(rng, self._now)
                if name == "captured_at" and rng.random() < 0.6:
                    odd = odd_time(rng, self._now).encode()
                changed = [(known, old) for known, old in changed if known != name or rng.random() < 0.3]
                changed.insert(rng.randrange(len(changed) + 1), (name, odd))
            elif kind < 0.80 and changed:
                changed.append(rng.choice(changed))
            elif kind < 0.88 and changed:
                del changed[rng.randrange(len(changed))]
            elif kind < 0.93:
                changed.append((odd_text(rng).encode("utf-8", "replace").decode(), odd_bytes(rng, self._now)))
            elif kind < 0.97:
                changed.append((RawName(_NO_UTF8 + rng.randbytes(2)), odd_bytes(rng, self._now)))
            else:
                name = rng.choice((*HEADER_NAMES, "x"))
                changed += [(name, b"%d" % number) for number in range(1000)]
        return changed

    def _frame(self, rng: random.Random) -> tuple[bytes, Headers]:
        headers = FrameHeaders(
            frame_id=rng.randrange(100_000),
            captured_at=self._now,
            content_type="image/jpeg",
            origin=rng.choice((*Origin, None)),
            max_age_ms=rng.choice((None, None, 60_000)),
        )
        return rng.choice(good_pictures()), [*headers.encode()]

    def _faces(self, rng: random.Random) -> tuple[bytes, Headers]:
        status = rng.choice((Status.OK, Status.OK, Status.OK, Status.FAILED, Status.SKIPPED))
        topic = rng.choice((OTHER_DETECTOR, OTHER_DETECTOR, "frames", "uploads"))
        offset = rng.choice((rng.randrange(2), rng.randrange(_NEVER_WRITTEN, 2 * _NEVER_WRITTEN)))
        source = SourceOffset(topic, rng.randrange(4), offset)
        record = FacesRecord(
            source=source,
            camera_id=rng.choice(CAMERAS),
            frame_id=rng.randrange(100_000),
            captured_at=self._now + timedelta(milliseconds=rng.randrange(-5000, 5000)),
            detected_at=self._now,
            status=status,
            faces=tuple(Face(number, BoundingBox(10 * number, 20, 30, 40), 0.9) for number in range(rng.randrange(4))),
            image=ImageSize(640, 360),
            model=ModelInfo("yolov3-face-lite", "1", 0.5),
            error=None if status is Status.OK else "because",
            inference_ms=12.5,
        )
        settled = b"%d:%d" % (source.offset, source.offset + 1)
        headers: Headers = [
            (SETTLES_HEADER, settled),
            (SOURCE_TOPIC_HEADER, topic.encode()),
            (TASK_HEADER, settled + b":1"),
            (SERVICE_HEADER, b"20"),
        ]
        return record.encode(), headers if topic != OTHER_DETECTOR or rng.random() < 0.5 else []

    def _media(self, rng: random.Random) -> tuple[bytes, Headers]:
        if rng.random() < 0.4:
            stamp = round(self._now.timestamp())
            return json.dumps({"timestamp": stamp, "video_chunk": good_video().hex(), "audio_chunk": ""}).encode(), []
        headers: Headers = [*FrameHeaders(frame_id=rng.randrange(100_000), captured_at=self._now).encode()]
        return good_video(), [*headers, (FRAMES_HEADER, b"0:0,1:200,2:400")]

    def _event(self, rng: random.Random) -> tuple[bytes, Headers]:
        event = Event(
            kind=rng.choice(list(EventKind)),
            camera_id=rng.choice(CAMERAS),
            at=self._now,
            source=SourceOffset("frames", 0, rng.randrange(100)),
            zone=rng.choice((None, "hall")),
            line=rng.choice((None, "door")),
            track_id=rng.randrange(100),
            direction=rng.choice((None, "in", "out")),
            value={"dwell_s": 3.5},
        )
        return event.encode(), []

    def _alert(self, rng: random.Random) -> tuple[bytes, Headers]:
        alert = Alert(
            rule=rng.choice(("density", "capacity", "intrusion", "camera_offline")),
            severity=rng.choice(list(Severity)),
            camera_id=rng.choice(CAMERAS),
            message="Something was seen",
            event_id=rng.randbytes(16).hex(),
            raised_at=self._now,
            zone=rng.choice((None, "hall")),
        )
        return alert.encode(), []

    def _chat(self, rng: random.Random) -> tuple[bytes, Headers]:
        return ChatMessage("hello", rng.choice(TEXTS[5:7])).encode(self._now), []

    def _dead(self, rng: random.Random) -> tuple[bytes, Headers]:
        said: Any = [("error", b"the picture is truncated"), ("attempts", b"3"), ("source", b"frames/0/17")]
        value, headers = self._frame(rng)
        return value, [*headers[:3], *said]


def _disguised(value: bytes, rng: random.Random) -> bytes:
    """Return a document in another encoding, behind a mark, packed, twice, or with something around it."""
    text = value.decode()
    return rng.choice(
        (
            lambda: text.encode("utf-16"),
            lambda: text.encode("utf-16-be"),
            lambda: text.encode("utf-32"),
            lambda: text.encode("utf-7"),
            lambda: b"\xef\xbb\xbf" + value,
            lambda: gzip.compress(value, mtime=0),
            lambda: value + value,
            lambda: value + b"\x00",
            lambda: b"\x00" + value,
            lambda: b" " * 1_000_000 + value,
            lambda: b"[" + value + b"]",
            lambda: b'"' + value + b'"',
            lambda: value.replace(b'"', b"'"),
            lambda: value.replace(b":", b": \n\t"),
            lambda: value.replace(b"}", b",}"),
            lambda: b"/* */" + value,
            lambda: b")]}',\n" + value,
        )
    )()
