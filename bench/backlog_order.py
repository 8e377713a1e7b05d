"""A backlog, with its workers killed in the middle, must give the numbers that the same frames give live.

    python -m bench.backlog_order [--cameras 8] [--frames 400] [--fps 5] [--kills 3] [--size 320] [--live 1]

Starts Kafka, Redis, MongoDB and the roles of its own, twice. First the frames of all cameras are sent as they are
captured. Then the same frames, with the same times, lie in the log at once, one camera's after the other's, and the
worker is killed with -9, its children too, at even parts of the way. Compared are the crossings of each line, by
camera, time and direction, and each second's occupancy; also with what one process computes from the stored results in
the order of their frames. Exits 1 when a crossing differs, or the occupancy by more than 0.5 %. Without `--live` only
the latter is compared. Writes bench/results/backlog_order.json.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import msgspec
import pymongo
from kafka import KafkaProducer
from rich.console import Console
from rich.table import Table

from bench.detector import write_cfg
from bench.fleet import Fleet
from contracts.cameras import Camera
from contracts.faces import FacesRecord
from contracts.frames import FrameHeaders
from messaging.admin import ensure_topics
from samples import CLIP
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from storage.results import from_document
from training.validation import resize_cfg
from workers.analytics.replay import replay

RESULTS = Path(__file__).resolve().parent / "results/backlog_order.json"
ROLES = ("bridge", "worker", "sink", "analytics")
WITHIN_S = 600.0
QUIET_S = 12.0
"""Nothing new for so long: longer than the silence that lets go what waits, and than a checkpoint."""

MOST_OF_OCCUPANCY = 0.005
CAMERA = Camera.from_dict(
    {
        "camera_id": "gate",
        "zones": [{"name": "hall", "polygon": [[0.25, 0], [0.75, 0], [0.75, 1], [0.25, 1]]}],
        "lines": [
            {"name": "left", "from": [0.3, 0], "to": [0.3, 1]},
            {"name": "middle", "from": [0.5, 0], "to": [0.5, 1]},
            {"name": "right", "from": [0.7, 0], "to": [0.7, 1]},
        ],
    }
)


@dataclass(frozen=True)
class Trial:
    """How many frames of how many cameras, at which rate, with how many kills, at which input of the network."""

    cameras: int = 8
    frames: int = 400
    fps: float = 5.0
    kills: int = 3
    size: int = 320
    live: int = 1


@dataclass
class Counted:
    """What is known of all cameras: crossings, and how many people were there in each second."""

    crossings: Counter[tuple[Any, ...]]
    occupancy: dict[tuple[Any, ...], int]

    def differences(self, other: "Counted") -> dict[str, Any]:
        """Return how far this is from another one."""
        crossed = (self.crossings - other.crossings) + (other.crossings - self.crossings)
        seconds = self.occupancy.keys() | other.occupancy.keys()
        apart = [abs(self.occupancy.get(one, 0) - other.occupancy.get(one, 0)) for one in seconds]
        total = sum(other.occupancy.values())
        return {
            "crossings": self.crossings.total(),
            "crossings_expected": other.crossings.total(),
            "crossings_different": crossed.total(),
            "person_seconds": sum(self.occupancy.values()),
            "person_seconds_expected": total,
            "occupancy_difference": round(sum(apart) / total, 5) if total else 1.0,
            "seconds_missing": len(other.occupancy.keys() - self.occupancy.keys()),
        }


@dataclass
class Ran:
    """What the analytics counted, what is counted in order, when the first frame was captured, and seconds it took."""

    counted: Counted
    in_order: Counted
    start: datetime
    times: dict[str, float]


def camera_ids(trial: Trial) -> list[str]:
    """Return the cameras' names."""
    return [f"gate-{number}" for number in range(trial.cameras)]


def clip_jpegs() -> list[bytes]:
    """Return every other frame of the sample clip as JPEG, 640 pixels wide: five a second."""
    capture, found = cv2.VideoCapture(str(CLIP)), list[bytes]()
    while capture.grab():
        if len(found) * 2 == capture.get(cv2.CAP_PROP_POS_FRAMES) - 1:
            found.append(cv2.imencode(".jpg", cv2.resize(capture.retrieve()[1], (640, 360)))[1].tobytes())
    capture.release()
    return found


def send(trial: Trial, settings: Settings, start: datetime, *, paced: bool) -> None:
    """Send all frames: as they are captured, or one camera's after the other's, as fast as Kafka takes them."""
    pictures, begun_s = clip_jpegs(), time.monotonic()
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all", linger_ms=5, retries=0
    )

    def send_one(camera: int, number: int) -> None:
        headers = FrameHeaders(frame_id=number, captured_at=start + timedelta(seconds=number / trial.fps)).encode()
        producer.send(
            settings.topic_frames,
            pictures[(number + 17 * camera) % len(pictures)],
            key=camera_ids(trial)[camera].encode(),
            headers=headers,
            partition=camera % settings.partitions,
        )

    if paced:
        for number in range(trial.frames):
            time.sleep(max(0.0, begun_s + number / trial.fps - time.monotonic()))
            for camera in range(trial.cameras):
                send_one(camera, number)
    else:
        for camera in range(trial.cameras):
            for number in range(trial.frames):
                send_one(camera, number)
    producer.flush(60)
    producer.close()


def work_off(trial: Trial, fleet: Fleet, database: Any, kills: int, say: Callable[[str], None]) -> None:
    """Wait until every frame is stored and analysed; kill the worker as often on the way.

    Raises:
        TimeoutError: it took too long.
    """
    total, deadline, killed = trial.cameras * trial.frames, time.monotonic() + WITHIN_S, 0
    while (stored := database.DetectedFaces.estimated_document_count()) < total:
        if killed < kills and stored >= (killed + 1) * total / (kills + 1):
            killed += 1
            for process in fleet.tree("worker"):
                process.kill()
            say(f"worker killed at {stored} of {total} results")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{stored} of {total} frames are stored after {WITHIN_S:g} s")
        time.sleep(0.05)
    last, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < QUIET_S:
        found = database.events.estimated_document_count() + database.occupancy.estimated_document_count()
        if found != last:
            last, since_s = found, time.monotonic()
        time.sleep(0.2)


def counted(database: Any) -> Counted:
    """Read what the analytics stored."""
    crossings = Counter(
        (one["camera_id"], one["line"], one["direction"], one["at"])
        for one in database.events.find({"kind": "line_crossed"})
    )
    occupancy = {
        (one["of"]["camera_id"], one["of"]["zone"], one["at"].timestamp()): one["count"]
        for one in database.occupancy.find()
    }
    return Counted(crossings, occupancy)


def in_order(settings: Settings, database: Any) -> Counted:
    """Analyse the stored results in the order of their frames in the log."""
    crossings, occupancy = Counter[tuple[Any, ...]](), dict[tuple[Any, ...], int]()
    for camera_id, results in _by_camera(database):
        outputs = replay(results, msgspec.structs.replace(CAMERA, camera_id=camera_id), settings).outputs
        crossings += Counter(
            (camera_id, event.line, event.direction, event.at) for event in outputs.events if event.line is not None
        )
        occupancy |= {(camera_id, one.zone, float(one.at_s)): one.last for one in outputs.seconds}
    return Counted(crossings, occupancy)


def _by_camera(database: Any) -> Iterator[tuple[str, list[FacesRecord]]]:
    found = [from_document(one) for one in database.DetectedFaces.find()]
    found.sort(key=lambda one: (one.camera_id, one.source.partition, one.source.offset))
    for camera_id, results in groupby(found, key=lambda one: one.camera_id):
        yield camera_id, list(results)


def run_once(trial: Trial, say: Callable[[str], None], start: datetime | None = None) -> Ran:
    """Have everything sent and worked off: as a backlog that was captured from `start` on, or live without it."""
    with tempfile.TemporaryDirectory(prefix="order-") as folder:
        model = Path(folder) / "model"
        model.mkdir()
        settings = Settings(
            log_format="text", worker_processes=2, partitions=4, model=str(_write_model(model, trial.size))
        )
        with Fleet(settings, Path(folder), ROLES) as fleet:
            settings = fleet.settings
            ensure_topics(settings)
            with connect(settings) as client, pymongo.MongoClient[Any](settings.mongodb_uri, tz_aware=True) as reader:
                for camera_id in camera_ids(trial):
                    Cameras(client, settings).put(msgspec.structs.replace(CAMERA, camera_id=camera_id))
                database = reader[settings.mongodb_database]
                begun_s, is_live = time.monotonic(), start is None
                start = start or datetime.now(timezone.utc).replace(microsecond=0)
                send(trial, settings, start, paced=is_live)
                sent_s = time.monotonic() - begun_s
                say(f"{trial.cameras * trial.frames} frames sent in {sent_s:.1f} s")
                work_off(trial, fleet, database, 0 if is_live else trial.kills, say)
                took_s = time.monotonic() - begun_s - QUIET_S
                times = {"sent_s": round(sent_s, 1), "analysed_s": round(took_s, 1)}
                return Ran(counted(database), in_order(settings, database), start, times)


def run(trial: Trial, say: Callable[[str], None]) -> dict[str, Any]:
    """Run live, if wanted, and as a backlog; return how far the two are apart, and each from what is in order."""
    start, runs = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1), dict[str, Ran]()
    if trial.live:
        say("live")
        runs["live"] = run_once(trial, say)
        start = runs["live"].start
    say("as a backlog")
    runs["backlog"] = run_once(trial, say, start)
    found: dict[str, Any] = {f"{name}_times": ran.times for name, ran in runs.items()}
    found |= {f"{name}_against_order": ran.counted.differences(ran.in_order) for name, ran in runs.items()}
    if trial.live:
        found["backlog_against_live"] = runs["backlog"].counted.differences(runs["live"].counted)
    return found


def is_right(found: dict[str, Any]) -> bool:
    """Whether every comparison shows the same crossings, some of them, and the same occupancy."""
    compared = [one for name, one in found.items() if "_against_" in name]
    return all(
        one["crossings"] > 0
        and one["crossings_different"] == 0
        and one["occupancy_difference"] <= MOST_OF_OCCUPANCY
        and one["seconds_missing"] == 0
        for one in compared
    )


def _write_model(folder: Path, size: int) -> Path:
    cfg = write_cfg("yolov3-face-lite", folder)
    cfg.write_text(resize_cfg(cfg.read_text(), size))
    return cfg


def main() -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(Trial):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = vars(parser.parse_args())
    output, console, begun_s = arguments.pop("output"), Console(), time.monotonic()
    trial = Trial(**arguments)
    found = run(trial, lambda text: console.print(f"[dim]{time.monotonic() - begun_s:6.1f} s[/dim]  {text}"))
    table = Table("compared", "what", "value")
    for name, values in found.items():
        for what, value in values.items():
            table.add_row(name.replace("_", " "), what.replace("_", " "), str(value))
    console.print(table)
    document = {"trial": dataclasses.asdict(trial), **found, "cores": os.cpu_count()}
    output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0 if is_right(found) else 1


if __name__ == "__main__":
    sys.exit(main())
