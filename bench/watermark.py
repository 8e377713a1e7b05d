"""Watches the watermark from outside."""

import threading
import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from contracts.errors import UnavailableError
from messaging.client import connect, consumer_config
from settings import Settings


class Watermark:
    """Follows the sum of what the bridge has committed: each time it rose, with what it rose to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.moves: list[tuple[float, int]] = []

    def __enter__(self) -> "Watermark":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _follow(self) -> None:
        total = -1
        while not self._over.is_set():
            try:
                consumer = connect(
                    KafkaConsumer,
                    consumer_config(self._settings, "watermark")
                    | {"group_id": f"{self._settings.group_prefix}-bridge", "bootstrap_timeout_ms": 2000},
                )
            except (KafkaError, UnavailableError):
                continue
            try:
                places = [TopicPartition(self._settings.topic_frames, n) for n in range(self._settings.partitions)]
                while not self._over.wait(0.3):
                    now = sum(consumer.committed(place, timeout_ms=2000) or 0 for place in places)
                    if now > total:
                        total = now
                        self.moves.append((time.monotonic(), total))
            except KafkaError:
                pass
            finally:
                consumer.close()
