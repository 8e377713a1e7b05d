"""A storm: frames above capacity, and every few seconds something is killed, emptied or stopped. Nothing may be lost.

    python -m bench.storm [--frames N] [--cameras C] [--rate R] [--faults K] [--poison N] [--seed S] [--brokers B]
        [--size PX] [--runtime NAME] [--output FILE]

The long one, which takes some twelve minutes:

    python -m bench.storm --frames 20000 --cameras 16 --rate 33.4 --faults 62 --brokers 3 --size 800 \\
        --runtime onnxruntime:float32 --seed 1 --output bench/results/storm.json

Starts Kafka, Redis, MongoDB, bridge, worker and sink of its own, sends frames, and from a printed seed kills with -9 a
bridge, a worker with its children, one of its children, a sink, Redis (which comes back empty), MongoDB or a broker, or
empties Redis, or stops MongoDB for some seconds, each kind as often as the others. With several brokers every topic has
three copies, two of which must be in step, and a broker is only killed while the others are up. One frame in N crashes
the process that decodes it. Then it waits for quiet and compares the log with the database. Exits 1 when the promise
does not hold; how long things took is told and written, and judged by nobody here.
"""

import argparse
import collections
import dataclasses
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from kafka import KafkaProducer
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from bench.fleet import Fleet
from bench.meter import jpeg_load
from bench.storm_checks import Damage, Times, look, processes_left
from bench.storm_faults import Faults
from bench.storm_site import POISON_PATH
from bench.watermark import Watermark
from contracts.frames import FrameHeaders
from detection.bars import draw_bars
from samples import CLIP
from settings import Settings

POISON = b"poison"


@dataclasses.dataclass(frozen=True)
class Storm:
    """How hard it blows. `size` is the input of the network, in pixels."""

    frames: int = 3000
    cameras: int = 8
    rate: float = 60.0
    faults: int = 16
    poison: int = 500
    seed: int = 1
    brokers: int = 1
    size: int = 416
    runtime: str = "auto"


def sample_pictures(count: int = 40) -> list[bytes]:
    """Return frames of the sample clip as JPEG, 640 pixels wide."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    for _ in range(count):
        _, frame = capture.read()
        found.append(cv2.imencode(".jpg", cv2.resize(frame, (640, 360)))[1].tobytes())
    capture.release()
    return found


class Sender:
    """Sends the frames of a storm, and notes which of them Kafka has acknowledged, by their place."""

    def __init__(self, storm: Storm, settings: Settings) -> None:
        self._storm = storm
        self._topic = settings.topic_frames
        self._producer = KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all", linger_ms=5, max_block_ms=60_000
        )
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.poisoned: set[str] = set()

    def run(self) -> None:
        """Send all frames at their rate, and wait until they are acknowledged or refused."""
        storm, pictures, started = self._storm, sample_pictures(), time.monotonic()
        for number in range(storm.frames):
            time.sleep(max(0.0, started + number / storm.rate - time.monotonic()))
            bad = storm.poison > 0 and number % storm.poison == storm.poison // 2
            picture = pictures[number % len(pictures)]
            self._send(number, picture + POISON if bad else picture, bad)
        self._producer.flush(timeout=90)
        self._producer.close(timeout=10)

    def _send(self, number: int, picture: bytes, poison: bool) -> None:
        """Send a frame. One that is refused was never promised."""

        def note(metadata: Any) -> None:
            place = f"{metadata.topic}/{metadata.partition}/{metadata.offset}"
            with self._lock:
                self.acknowledged.add(place)
                if poison:
                    self.poisoned.add(place)

        camera = f"camera-{number % self._storm.cameras}".encode()
        headers = FrameHeaders(frame_id=number).encode()
        try:
            self._producer.send(self._topic, picture, key=camera, headers=headers).add_callback(note)
        except KafkaError as error:
            sys.stderr.write(f"not sent: {error}\n")


def blow(storm: Storm, fleet: Fleet, say: Callable[[str], None]) -> tuple[Damage, Times]:
    """Send, break things, wait for quiet, and look at what is left."""
    rng, settings = random.Random(storm.seed), fleet.settings
    faults, sender = Faults(fleet, rng), Sender(storm, settings)
    happened: list[tuple[float, str]] = []

    def break_things() -> None:
        pause_s, started = storm.frames / storm.rate / (storm.faults + 1), time.monotonic()
        while len(happened) < storm.faults:
            time.sleep(max(0.0, started + (len(happened) + rng.uniform(0.7, 1.3)) * pause_s - time.monotonic()))
            at, name = faults.next()
            happened.append((at, name))
            say(f"{name} ({len(happened)} of {storm.faults})")

    breaker = threading.Thread(target=break_things, name="faults", daemon=True)
    with Watermark(settings) as watermark:
        breaker.start()
        sender.run()
        breaker.join()
        say(f"{len(sender.acknowledged)} of {storm.frames} frames are acknowledged; waiting for quiet")
        damage, stored = look(settings, sender.acknowledged, sender.poisoned, say)
    damage.faults = dict(sorted(collections.Counter(name for _, name in happened).items()))
    return damage, Times.of(watermark.moves, happened, stored, damage)


def run(storm: Storm, say: Callable[[str], None]) -> tuple[Damage, Times]:
    """Blow once, on servers and roles that are started for it and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        settings = Settings(
            log_format="text",
            worker_processes=2,
            replication_factor=min(3, storm.brokers),
            model=jpeg_load(Path(folder), storm.size, storm.runtime).model,
            runtime=storm.runtime,
        )
        with Fleet(settings, Path(folder), site=POISON_PATH, brokers=storm.brokers) as fleet:
            say(f"everything is ready; seed {storm.seed}")
            damage, times = blow(storm, fleet, say)
            pids, servers = fleet.pids(), fleet.settings.kafka_bootstrap_servers
        damage.processes_left = processes_left(pids, servers)
        if damage.total:
            for log in sorted((Path(folder) / "logs").glob("*.log")):
                say(f"--- the end of {log.name}\n{log.read_text('utf-8', 'replace')[-3000:]}")
    return damage, times


def main() -> None:
    """Blow, print what was found, and exit 1 when anything is lost."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.storm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in dataclasses.fields(Storm):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument("--output", type=Path, help="write the result there, as JSON beside those of other seeds")
    arguments = vars(parser.parse_args())
    output, storm, console, started = arguments.pop("output"), Storm(**arguments), Console(), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    damage, times = run(storm, lambda text: console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {text}"))
    found = dataclasses.asdict(damage) | dataclasses.asdict(times)
    table = Table("found", "value")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), str(value))
    console.print(table)
    if output is not None:
        known = json.loads(output.read_text("utf-8")) if output.exists() else {}
        entry = {"storm": dataclasses.asdict(storm), "cores": os.cpu_count(), **found}
        known[f"seed {storm.seed}, {storm.brokers} brokers"] = entry
        output.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
        stalls = {name: {kind: max(of) for kind, of in one["stalls_s"].items() if of} for name, one in known.items()}
        output.with_suffix(".png").write_bytes(
            draw_bars({f"{name}: longest stall of the watermark, s": bars for name, bars in stalls.items()})
        )
    sys.exit(1 if damage.total else 0)


if __name__ == "__main__":
    main()
