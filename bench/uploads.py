"""`python -m bench.uploads`: how many pictures a second `POST /api/frames` accepts, without detection.

Kafka, Redis and the senders share the machine with the web role. Each sender keeps its connection and sends its next
picture when the one before is acknowledged. Writes bench/results/uploads.json.
"""

import argparse
import json
import socket
import statistics
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from bench.web_process import serving
from detection.machine import processor

RESULT = Path(__file__).parent / "results" / "uploads.json"
_WARM_UP = 200


def picture_of(size_bytes: int) -> bytes:
    """Return a JPEG of noise of about this size."""
    rng = np.random.default_rng(0)
    side = 320
    for quality in range(20, 100, 2):
        pixels = rng.integers(0, 255, (side, side, 3), np.uint8)
        encoded: bytes = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) >= size_bytes:
            break
    return encoded


class Sender(threading.Thread):
    """Sends pictures over one connection for as long as there are any left."""

    def __init__(self, port: int, picture: bytes, left: list[int], lock: threading.Lock) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._left = left
        self._lock = lock
        head = f"POST /api/frames?camera_id=bench HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/jpeg\r\n"
        self._request = f"{head}Content-Length: {len(picture)}\r\n\r\n".encode() + picture
        self.waits_s: list[float] = []
        self.refused = 0

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._take():
                started_s = time.perf_counter()
                connection.sendall(self._request)
                status = _read_answer(connection)
                self.waits_s.append(time.perf_counter() - started_s)
                self.refused += status != 202

    def _take(self) -> bool:
        with self._lock:
            self._left[0] -= 1
            return self._left[0] >= 0


def _read_answer(connection: socket.socket) -> int:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1])


def send(port: int, picture: bytes, pictures: int, senders: int) -> tuple[float, list[float]]:
    """Send so many pictures; return the seconds that it took, and how long each waited."""
    left, lock = [pictures], threading.Lock()
    threads = [Sender(port, picture, left, lock) for _ in range(senders)]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - started_s
    refused = sum(thread.refused for thread in threads)
    if refused:
        raise SystemExit(f"{refused} of {pictures} pictures were refused")
    return took_s, [wait_s for thread in threads for wait_s in thread.waits_s]


def main() -> None:
    """Measure, print and note."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--senders", type=int, default=16)
    parser.add_argument("--bytes", type=int, default=60_000)
    options = parser.parse_args()
    picture = picture_of(options.bytes)
    with serving(requests_per_minute=0) as web:
        send(web.port, picture, _WARM_UP, options.senders)
        before_s = web.processor_s()
        took_s, waits_s = send(web.port, picture, options.pictures, options.senders)
        processor_s = web.processor_s() - before_s
    centiles = statistics.quantiles(waits_s, n=100)
    result = {
        "machine": processor()[0],
        "picture_bytes": len(picture),
        "pictures": options.pictures,
        "senders": options.senders,
        "pictures_per_s": round(options.pictures / took_s, 1),
        "web_processor_ms_per_picture": round(processor_s / options.pictures * 1000, 2),
        "wait_ms": {"median": round(centiles[49] * 1000, 1), "p99": round(centiles[98] * 1000, 1)},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
