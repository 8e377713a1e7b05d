"""Mutated frames among good ones: every one is answered, every good one is `ok`, and workers do not grow.

    python -m bench.corrupt [--frames N] [--seed S] [--output FILE]      N good frames and N mutated ones

Mutations: bytes changed, cut out, doubled or cut off at the end, heads of other formats, noise. Exits 1 when a good
frame is not `ok`, one is not answered, or the worker's memory was ever more than a tenth above what it was after the
first thousand. Memory is the unique set size of the worker and its pool, looked at after every 500 frames.
"""

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pymongo
from kafka import KafkaProducer
from rich.console import Console

from bench.fleet import Fleet
from bench.meter import MIB, RESULTS
from bench.storm import sample_pictures
from settings import Settings

WITHIN_S = 480
GROWTH = 1.10
LOOK_AFTER = 500


def mutate(picture: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy."""
    damaged = bytearray(picture)
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.randint(1, 60)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    elif kind == 1:
        at = rng.randrange(len(damaged))
        del damaged[at : at + rng.randint(1, 4000)]
    elif kind == 2:
        at = rng.randrange(len(damaged))
        damaged[at:at] = damaged[at : at + rng.randint(1, 4000)]
    elif kind == 3:
        del damaged[rng.randrange(len(damaged)) :]
    elif kind == 4:
        head = rng.choice(
            [b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"GIF89a", b"II*\x00", b"\xff\xd8"]
        )
        damaged[: len(head)] = head
    else:
        damaged = bytearray(rng.randbytes(rng.randint(0, 4000)))
    return bytes(damaged)


def run(frames: int, seed: int, say: Console) -> dict[str, Any]:
    """Send, wait until all are answered, and count."""
    rng, pictures = random.Random(seed), sample_pictures()
    with tempfile.TemporaryDirectory(prefix="corrupt-") as folder:
        with Fleet(Settings(log_level="ERROR", worker_processes=2), Path(folder)) as fleet:
            settings = fleet.settings
            producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all")
            kinds = [True] * frames + [False] * frames
            rng.shuffle(kinds)
            sent = []
            for number, good in enumerate(kinds):
                picture = pictures[number % len(pictures)]
                value = picture if good else mutate(picture, rng)
                sent.append((good, producer.send(settings.topic_frames, value, key=b"camera-%d" % (number % 8))))
            producer.flush()
            places = {f"{m.topic}/{m.partition}/{m.offset}": good for good, future in sent for m in [future.get(60)]}
            producer.close()
            client: pymongo.MongoClient = pymongo.MongoClient(settings.mongodb_uri)
            collection = client[settings.mongodb_database].DetectedFaces
            memory_mib: dict[int, float] = {}
            stored, noted, deadline = 0, 0, time.monotonic() + WITHIN_S
            while stored < len(places) and time.monotonic() < deadline:
                time.sleep(0.5)
                stored = collection.estimated_document_count()
                if stored >= min(noted + LOOK_AFTER, len(places)):
                    noted = stored
                    memory_mib[stored] = round(sum(one.memory_full_info().uss for one in fleet.tree("worker")) / MIB, 1)
                    say.print(f"{stored} answered, the worker holds {memory_mib[stored]} MiB")
            status = {one["_id"]: one["status"] for one in collection.find({}, {"status": 1})}
    counts = collections.Counter((good, status.get(place, "unanswered")) for place, good in places.items())
    warm = {answered: mib for answered, mib in memory_mib.items() if answered >= min(1000, frames // 2)}
    return {
        "good": {kind: count for (good, kind), count in counts.items() if good},
        "mutated": {kind: count for (good, kind), count in counts.items() if not good},
        "worker_mib_after_so_many": memory_mib,
        "growth": round(max(warm.values()) / min(warm.items())[1], 3) if warm else None,
    }


def main() -> None:
    """Run, print, write JSON; exit 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS / "corrupt.json")
    options = parser.parse_args()
    console = Console()
    found = run(options.frames, options.seed, console)
    console.print_json(json.dumps(found))
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    answered = "unanswered" not in {**found["good"], **found["mutated"]}
    sys.exit(0 if answered and set(found["good"]) == {"ok"} and (found["growth"] or 1) <= GROWTH else 1)


if __name__ == "__main__":
    main()
