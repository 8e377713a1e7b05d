"""Frames that are followed from Kafka's acknowledgement into MongoDB."""

import statistics
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from contracts.errors import CrowdwatchError
from contracts.faces import FacesRecord
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.producer import Producer
from storage.results import Results

_LOOK_EVERY_S = 0.05
_MOST_IDLE_LOOKS = 2400
"""Two minutes and more; counted in looks, so that a machine that slept, or was stopped, has not run out of patience."""


@dataclass
class Journey:
    """What became of the frames that were sent: when Kafka acknowledged each, and when it was found in MongoDB."""

    acknowledged: dict[SourceOffset, float] = field(default_factory=dict)
    stored: dict[SourceOffset, tuple[float, FacesRecord]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def under_way(self) -> list[SourceOffset]:
        """Frames that are acknowledged and not stored yet."""
        return [source for source in list(self.acknowledged) if source not in self.stored]

    @property
    def records(self) -> list[FacesRecord]:
        """What was stored."""
        return [record for _, record in self.stored.values()]

    @property
    def frames_per_second(self) -> float:
        """Frames stored a second, from the first acknowledgement to the last document."""
        last = max(at for at, _ in self.stored.values())
        return len(self.stored) / (last - min(self.acknowledged.values()))

    @property
    def median_latency_s(self) -> float:
        """From the acknowledgement by Kafka to the document in MongoDB."""
        return statistics.median(at - self.acknowledged[source] for source, (at, _) in self.stored.items())


class FollowedSender:
    """A producer of one camera's frames that follows each into MongoDB.

    It holds back while `in_flight` frames are on their way.
    """

    def __init__(
        self, producer: Producer, results: Results, stop: threading.Event, camera_id: str, in_flight: int
    ) -> None:
        self.journey = Journey()
        self._stop = stop
        self._producer = producer
        self._results = results
        self._camera_id = camera_id
        self._in_flight = in_flight
        self._sent = 0

    def start(self) -> None:
        """Connect."""
        self._producer.start()

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """Send a picture once the pipeline has room for it.

        Raises:
            CrowdwatchError: nothing was stored for two minutes.
        """
        self.wait_until_under_way(self._in_flight - 1)
        self._sent += 1
        sent = self._producer.send_frame(topic, camera_id, picture, headers)
        sent.add_done_callback(self._on_acknowledged)
        return sent

    def flush(self, timeout_s: float) -> None:
        """Wait for the acknowledgement of everything sent."""
        self._producer.flush(timeout_s)

    def close(self) -> None:
        """Disconnect."""
        self._producer.close()

    def wait_until_under_way(self, most: int) -> None:
        """Wait until no more than `most` frames are sent and not stored, or the demo is stopped.

        Raises:
            CrowdwatchError: nothing was stored for two minutes.
        """
        idle_looks, stored = 0, len(self.journey.stored)
        while self._sent - len(self.journey.stored) - len(self.journey.lost) > most:
            self._look()
            idle_looks = 0 if len(self.journey.stored) > stored else idle_looks + 1
            stored = len(self.journey.stored)
            if idle_looks > _MOST_IDLE_LOOKS:
                raise CrowdwatchError(
                    f"{len(self.journey.under_way)} of {self._sent} frames did not arrive in MongoDB: "
                    f"nothing was stored for {_MOST_IDLE_LOOKS * _LOOK_EVERY_S:.0f} s"
                )
            if self._stop.wait(_LOOK_EVERY_S):
                return

    def _on_acknowledged(self, sent: "Future[SourceOffset]") -> None:
        error = sent.exception()
        if error is None:
            self.journey.acknowledged[sent.result()] = time.monotonic()
        else:
            self.journey.lost.append(str(error))

    def _look(self) -> None:
        """Note what is in MongoDB by now. Most is among the newest; a frame that was overtaken is asked for by name."""
        wanted = self.journey.under_way
        found = {record.source: record for record in self._results.newest(2 * self._in_flight, self._camera_id)}
        now = time.monotonic()
        for source in wanted:
            record = found.get(source)
            if record is None and now - self.journey.acknowledged[source] > 1.0:
                record = self._results.get(source)
            if record is not None:
                self.journey.stored[source] = (time.monotonic(), record)
