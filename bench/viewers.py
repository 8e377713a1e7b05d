"""`python -m bench.viewers`: what live viewers cost the web role, as a share of one core.

So many viewers follow `/api/live` of all cameras, while results come at a steady rate. Every viewer counts what it
gets: the figure holds only if each got all. Writes bench/results/viewers.json.
"""

import argparse
import json
import selectors
import socket
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path

from bench.web_process import serving
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.offsets import SourceOffset
from detection.machine import processor
from messaging.producer import Producer

RESULT = Path(__file__).parent / "results" / "viewers.json"
_CAMERAS = 10
_FACES = 8
_SETTLE_S = 3.0


def result_of(number: int, topic: str) -> FacesRecord:
    """Return a result with a few faces, captured now."""
    now = datetime.now(timezone.utc)
    return FacesRecord(
        source=SourceOffset(topic, number % 4, number),
        camera_id=f"gate-{number % _CAMERAS}",
        frame_id=number,
        captured_at=now,
        detected_at=now,
        status=Status.OK,
        faces=tuple(Face(face, BoundingBox(10 * face, 20, 30, 40), 0.75) for face in range(_FACES)),
        image=ImageSize(1280, 720),
        model=ModelInfo("yolov3-face-lite", "1", 0.5),
        inference_ms=10.0,
    )


class Watchers:
    """The other ends of the streams, read by one thread: each counts its events."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        self.counts = dict.fromkeys(self._sockets, 0)
        for sock in self._sockets:
            sock.sendall(f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)

    def read(self, until_s: float) -> None:
        """Read what comes until then."""
        while (left_s := until_s - time.monotonic()) > 0:
            for key, _ in self._selector.select(left_s):
                data = key.fileobj.recv(65536)
                if not data:
                    raise SystemExit("a stream ended")
                self.counts[key.fileobj] += data.count(b"\nevent: result\n")

    def forget(self) -> None:
        """Count anew."""
        self.counts = dict.fromkeys(self._sockets, 0)

    def close(self) -> None:
        """Go."""
        for sock in self._sockets:
            sock.close()


def main() -> None:
    """Measure, print and note."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10, help="results a second")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with serving(requests_per_minute=0) as web:
        producer = Producer(web.settings)
        producer.start()
        shares: dict[str, float] = {}
        watchers = Watchers(web.port, 0)
        for name, viewers in (("nobody", 0), ("viewers", options.viewers)):
            watchers = Watchers(web.port, viewers)
            watchers.read(time.monotonic() + _SETTLE_S)
            watchers.forget()
            before_s, started_s = web.processor_s(), time.monotonic()
            wanted = int(options.rate * options.seconds)
            for number in range(wanted):
                offset = number + (1_000_000 if viewers else 0)
                record = result_of(offset, web.settings.topic_frames)
                producer.send(web.settings.topic_faces, record.encode(), partition=record.source.partition)
                watchers.read(started_s + (number + 1) / options.rate)
            shares[name] = (web.processor_s() - before_s) / (time.monotonic() - started_s)
            watchers.read(time.monotonic() + 1)
            watchers.close()
        producer.close()
    missed = wanted - min(watchers.counts.values())
    result = {
        "machine": processor()[0],
        "viewers": options.viewers,
        "results_per_s": options.rate,
        "events_per_viewer": statistics.fmean(watchers.counts.values()),
        "missed_at_most": missed,
        "share_of_a_core": {name: round(share, 3) for name, share in shares.items()},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
