"""`crowdwatch demo`: a system of its own, the clip, the steps, and two tables."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from rich.table import Table

import samples
from contracts.faces import Status
from messaging.producer import Producer
from ops.console import Reporter
from ops.demo.journey import FollowedSender, Journey
from ops.demo.site import site
from ops.demo.steps import Metric, Stage, Step, prepared
from ops.role_metrics import read_metrics
from ops.roles import SAMPLE_CAMERA, web_url
from ops.run import Run, running_system
from ops.servers.local import external_servers
from ops.system import choose_web_port
from settings import Settings
from storage.client import connect
from storage.results import Results
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import open_source

_IN_FLIGHT = 32
_PICTURES = 96
"""Frames of the sample that the demo's camera plays over and over; the steps send the first of them by hand."""


@dataclass(frozen=True)
class Moved:
    """A metric before and after a step."""

    metric: Metric
    before: float
    after: float


@dataclass
class Told:
    """What the demo has to tell: the clip's journey, and each step with what came of it."""

    journey: Journey | None = None
    steps: list[tuple[Step, str, list[Moved]]] = field(default_factory=list)


def run_demo(data_dir: Path) -> int:
    """Start a system, send the clip through it, do the steps, print the tables, and return the exit code."""
    reporter = Reporter()
    given = Settings.from_environment()
    settings = choose_web_port(given, None, lambda wanted, used: None)
    if "camera_networks" not in given.model_fields_set:
        settings = settings.model_copy(update={"camera_networks": ("127.0.0.0/8",)})  # where the demo's camera is
    stop, done, told = threading.Event(), threading.Event(), Told()
    with running_system(data_dir, settings, reporter, sample=False) as run, ThreadPoolExecutor(1) as pool:
        run.wait_ready()
        run.announce(with_way_in=False)
        if run.stopped:
            return 1
        showing = pool.submit(_show, run, reporter, stop, told, with_steps=not external_servers(given))
        showing.add_done_callback(lambda _: done.set())
        run.until(done)
        stop.set()
        if run.stopped:
            return 1
        showing.result()
    return _report(told, reporter)


def _show(run: Run, reporter: Reporter, stop: threading.Event, told: Told, *, with_steps: bool) -> None:
    reporter.say(f"sending {samples.CLIP.name}, as fast as the pipeline takes it")
    told.journey = _send_clip(run.settings, stop, SAMPLE_CAMERA, in_flight=_IN_FLIGHT)
    if stop.is_set():
        return
    if not with_steps:
        reporter.say("these servers are not the demo's own: it makes no trouble on them, and ends here")
        return
    reporter.say("the clip is stored; what follows does not happen to a healthy system with one camera")
    pictures = _first_pictures()

    def send_clip(camera_id: str, count: int, on_first: Callable[[], None]) -> Journey:
        return _send_clip(run.settings, stop, camera_id, in_flight=count, count=count, on_first=on_first)

    stage = Stage(run.settings, pictures, send_clip, run.kill, lambda: read_metrics(run.metrics_urls()), stop)
    address = urlsplit(web_url(run.settings))
    assert address.hostname is not None and address.port is not None
    with site(pictures) as outside, prepared(stage, address.hostname, address.port, outside) as steps:
        for step in steps.all():
            if stop.is_set():
                return
            reporter.say(step.title)
            before = stage.metrics()
            said = step.act()
            moved = [_moved(stage, metric, metric.total(before)) for metric in step.moves]
            told.steps.append((step, said, moved))
            reporter.say(f"  {said}", "green")


def _first_pictures() -> list[bytes]:
    def damaged(_: str) -> None:
        """The clip has no such frame."""

    return [grab.encode().data for grab in islice(open_source(str(samples.CLIP)).grabs(damaged), _PICTURES)]


def _moved(stage: Stage, metric: Metric, before: float) -> Moved:
    """Wait until a metric is no longer what it was."""

    def look() -> Moved | None:
        after = metric.total(stage.metrics())
        return Moved(metric, before, after) if after != before else None

    return stage.wait(f"change of {metric}", look)


def _send_clip(
    settings: Settings,
    stop: threading.Event,
    camera_id: str,
    *,
    in_flight: int,
    count: int | None = None,
    on_first: Callable[[], None] = lambda: None,
) -> Journey:
    """Send the clip, or its first `count` frames, and return when all are stored; tell when the first one is."""
    with connect(settings) as client:
        sender = FollowedSender(Producer(settings, linger_ms=5), Results(client, settings), stop, camera_id, in_flight)
        source, options = open_source(str(samples.CLIP)), CaptureOptions(pace=False)
        capture = Capture(settings, camera_id, source, options, sender=sender)
        try:
            capture.start()
            capture.run(stop, count)
            sender.wait_until_under_way(max(0, len(sender.journey.under_way) - 1))
            on_first()
            sender.wait_until_under_way(0)
        finally:
            capture.close()
    return sender.journey


def _report(told: Told, reporter: Reporter) -> int:
    """Print the tables, and return 0 when nothing is short."""
    journey = told.journey or Journey()
    records = journey.records
    sent = len(journey.acknowledged) + len(journey.lost)
    table = Table("", "", title="The sample, from Kafka to MongoDB", show_header=False)
    table.add_row("frames sent", str(sent))
    table.add_row("frames stored", str(len(records)))
    table.add_row("faces", str(sum(len(record.faces) for record in records)))
    if records:
        table.add_row("frames/s", f"{journey.frames_per_second:.1f}")
        table.add_row("median latency, acknowledged to stored", f"{1000 * journey.median_latency_s:.0f} ms")
    reporter.console.print(table)
    if told.steps:
        reporter.console.print(_steps_table(told))
    statuses = Counter(record.status for record in records)
    reasons = [f"Kafka did not take {len(journey.lost)}: {journey.lost[0]}"] if journey.lost else []
    reasons += [f"{count} are {status.value}" for status, count in statuses.items() if status is not Status.OK]
    reasons += [] if sent else ["no frame was sent"]
    reasons += [] if any(record.faces for record in records) else ["no face was found"]
    for reason in reasons:
        reporter.say(reason, "bold red")
    return 1 if reasons else 0


def _steps_table(told: Told) -> Table:
    table = Table("metric of the dashboard", "before", "after", title="What the dashboard shows of the rest")
    for step, _, moved in told.steps:
        table.add_section()
        table.add_row(step.title, style="dim")
        for one in moved:
            table.add_row(f"  {one.metric}", f"{one.before:g}", f"{one.after:g}")
    return table
