"""The demo: the sample clip goes through the whole system once, and each of its frames is followed into MongoDB."""

import statistics
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

import samples
from contracts.errors import CrowdwatchError
from contracts.faces import FacesRecord, Status
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.producer import Producer
from ops.console import Reporter
from ops.roles import SAMPLE_CAMERA
from ops.run import running_system
from ops.system import choose_web_port
from settings import Settings
from storage.client import connect
from storage.results import Results
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import open_source

_IN_FLIGHT = 32
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 60.0


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
    def frames_per_second(self) -> float:
        """Frames stored a second, from the first acknowledgement to the last document."""
        last = max(at for at, _ in self.stored.values())
        return len(self.stored) / (last - min(self.acknowledged.values()))

    @property
    def median_latency_s(self) -> float:
        """From the acknowledgement by Kafka to the document in MongoDB."""
        return statistics.median(at - self.acknowledged[source] for source, (at, _) in self.stored.items())


class FollowedSender:
    """A producer of frames that holds back while too many are on their way, and follows each into MongoDB."""

    def __init__(self, producer: Producer, results: Results, stop: threading.Event) -> None:
        self.journey = Journey()
        self._stop = stop
        self._producer = producer
        self._results = results
        self._sent = 0

    def start(self) -> None:
        """Connect."""
        self._producer.start()

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """Send a picture once the pipeline has room for it.

        Raises:
            CrowdwatchError: nothing was stored for a minute.
        """
        self.wait_until_under_way(_IN_FLIGHT - 1)
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
            CrowdwatchError: nothing was stored for a minute.
        """
        progress_at, stored = time.monotonic(), len(self.journey.stored)
        while self._sent - len(self.journey.stored) - len(self.journey.lost) > most:
            self._look()
            if len(self.journey.stored) > stored:
                progress_at, stored = time.monotonic(), len(self.journey.stored)
            if time.monotonic() - progress_at > _PATIENCE_S:
                raise CrowdwatchError(
                    f"{len(self.journey.under_way)} of {self._sent} frames did not arrive in MongoDB: "
                    f"nothing was stored for {_PATIENCE_S:.0f} s"
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
        found = {record.source: record for record in self._results.newest(2 * _IN_FLIGHT, SAMPLE_CAMERA)}
        now = time.monotonic()
        for source in wanted:
            record = found.get(source)
            if record is None and now - self.journey.acknowledged[source] > 1.0:
                record = self._results.get(source)
            if record is not None:
                self.journey.stored[source] = (time.monotonic(), record)


def run_demo(data_dir: Path) -> int:
    """Start a system, send the clip through it, print the table, and return the exit code."""
    reporter = Reporter()
    settings = choose_web_port(Settings.from_environment(), None, lambda wanted, used: None)
    with running_system(data_dir, settings, reporter, sample=False) as run, ThreadPoolExecutor(1) as pool:
        run.wait_ready()
        run.announce(with_way_in=False)
        if run.stopped:
            return 1
        reporter.say(f"sending {samples.CLIP.name}, as fast as the pipeline takes it")
        stop, done = threading.Event(), threading.Event()
        sending = pool.submit(_send_clip, run.settings, stop)
        sending.add_done_callback(lambda _: done.set())
        run.until(done)
        stop.set()
        if run.stopped:
            return 1
        journey = sending.result()
    return _report(journey, reporter)


def _send_clip(settings: Settings, stop: threading.Event) -> Journey:
    with connect(settings) as client:
        sender = FollowedSender(Producer(settings, linger_ms=5), Results(client, settings), stop)
        capture = Capture(
            settings, SAMPLE_CAMERA, open_source(str(samples.CLIP)), CaptureOptions(pace=False), sender=sender
        )
        try:
            capture.start()
            capture.run(stop)
            sender.wait_until_under_way(0)
        finally:
            capture.close()
    return sender.journey


def _report(journey: Journey, reporter: Reporter) -> int:
    """Print the table, and return 0 when nothing is short."""
    records = [record for _, record in journey.stored.values()]
    statuses = Counter(record.status for record in records)
    sent = len(journey.acknowledged) + len(journey.lost)
    table = Table("", "", title="The sample, from Kafka to MongoDB", show_header=False)
    table.add_row("frames sent", str(sent))
    table.add_row("frames stored", str(len(records)))
    table.add_row("faces", str(sum(len(record.faces) for record in records)))
    if records:
        table.add_row("frames/s", f"{journey.frames_per_second:.1f}")
        table.add_row("median latency, acknowledged to stored", f"{1000 * journey.median_latency_s:.0f} ms")
    reporter.console.print(table)
    reasons = [f"Kafka did not take {len(journey.lost)}: {journey.lost[0]}"] if journey.lost else []
    reasons += [f"{count} are {status.value}" for status, count in statuses.items() if status is not Status.OK]
    reasons += [] if sent else ["no frame was sent"]
    reasons += [] if any(record.faces for record in records) else ["no face was found"]
    for reason in reasons:
        reporter.say(reason, "bold red")
    return 1 if reasons else 0
