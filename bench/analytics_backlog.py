"""How fast one analytics process works a backlog of `Faces` off: real servers, ten faces each, all ten uses.

    python -m bench.analytics_backlog [--cameras 8] [--results 24000] [--runs 3] [--foreign]

Starts Kafka and MongoDB of its own and writes the simulated results of the cameras into `Faces`: as a worker does, with
what each settles, or with `--foreign` as another detector does. Then a role with a
group and a database of its own reads them all: timed from the moment that it owns the partitions until the checkpoints
hold the last result, with events in MongoDB and Kafka, seconds, rollups and heatmaps written. The time counts
everything on this machine, servers included. Also measured: the largest checkpoint in MongoDB. Writes
bench/results/analytics_backlog.json; returns 1 when it is slower than wanted.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pymongo
from kafka import KafkaProducer

from bench.analytics import MOST_STATE_BYTES, WANTED_A_SECOND, make_records
from bench.analytics_kills import FPS, Role, Trial, camera_ids, endless, put_cameras, wait_for
from bench.fleet import Fleet
from contracts.offsets import SETTLES_HEADER, SOURCE_TOPIC_HEADER, OffsetRange, SourceOffset
from messaging.admin import ensure_topics
from settings import Settings

RESULTS = Path(__file__).resolve().parent / "results/analytics_backlog.json"
_LOOK_S = 0.05


def write_backlog(trial: Trial, settings: Settings, results: int, *, foreign: bool) -> dict[str, int]:
    """Write as many results for each camera, each camera on a partition of its own; return how many of each."""
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all", linger_ms=20, batch_size=256 * 1024
    )
    each = results // trial.cameras
    for offset, record in enumerate(islice(endless(make_records(FPS)), each)):
        for partition, camera_id in enumerate(camera_ids(trial)):
            source, headers = record.source, list[tuple[str, bytes]]()
            if not foreign:
                producer.send(settings.topic_frames, b"frame", partition=partition)
                source = SourceOffset(settings.topic_frames, partition, offset)
                settled = OffsetRange(offset, offset + 1).encode()
                headers = [(SETTLES_HEADER, settled), (SOURCE_TOPIC_HEADER, settings.topic_frames.encode())]
            value = replace(record, camera_id=camera_id, source=source).encode()
            producer.send(settings.topic_faces, value, key=camera_id.encode(), partition=partition, headers=headers)
    producer.flush()
    producer.close()
    return dict.fromkeys(camera_ids(trial), each)


def work_off(trial: Trial, settings: Settings, ends: dict[str, int], folder: Path) -> dict[str, Any]:
    """Have a new role work everything off; return its rate, the part of its time that it computed, and the state."""
    ensure_topics(settings)
    put_cameras(trial, settings)
    with Role(settings, folder / "role.log") as role, pymongo.MongoClient[Any](settings.mongodb_uri) as client:
        checkpoints = client[settings.mongodb_database].checkpoints

        def is_done() -> bool:
            time.sleep(_LOOK_S)
            return {
                one["camera_id"]: one["offset"] for one in checkpoints.find({}, {"camera_id": 1, "offset": 1})
            } == ends

        role.start()
        begun_s, process = time.monotonic(), psutil.Process(role.pid)
        before_s = process.cpu_times()
        wait_for("everything analysed", is_done)
        seconds, after_s = time.monotonic() - begun_s, process.cpu_times()
        largest = max(len(one["state"]) for one in checkpoints.find({}, {"state": 1}))
        role.stop()
        events = client[settings.mongodb_database].events.count_documents({})
    total = sum(ends.values())
    cpu_s = after_s.user + after_s.system - before_s.user - before_s.system
    return {
        "results_a_second": round(total / seconds),
        "cpu_ms_a_result": round(1000 * cpu_s / total, 3),
        "events": events,
        "state_bytes": largest,
    }


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--results", type=int, default=24_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--foreign", action="store_true")
    options = parser.parse_args()
    trial, runs = Trial(cameras=options.cameras), []
    with tempfile.TemporaryDirectory(prefix="backlog-") as folder:
        base = Settings(log_format="text", partitions=trial.cameras)
        with Fleet(base, Path(folder), roles=()) as fleet:
            ensure_topics(fleet.settings)
            ends = write_backlog(trial, fleet.settings, options.results, foreign=options.foreign)
            for number in range(options.runs):
                own = {"mongodb_database": f"Backlog{number}", "group_prefix": f"backlog-{number}"}
                runs.append(work_off(trial, fleet.settings.model_copy(update=own), ends, Path(folder)))
                print(runs[-1], flush=True)
    rate = statistics.median(one["results_a_second"] for one in runs)
    result = {
        "trial": {**vars(options), "fps": FPS},
        "results_a_second": rate,
        "wanted_a_second": WANTED_A_SECOND,
        "runs": runs,
        "cores": os.cpu_count(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    print(f"{rate} results/s worked off by one process (wanted {WANTED_A_SECOND})")
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if rate >= WANTED_A_SECOND and max(one["state_bytes"] for one in runs) < MOST_STATE_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
