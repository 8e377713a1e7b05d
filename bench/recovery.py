"""How long the watermark stands still after each kind of fault, one at a time, with frames coming all the while.

    python -m bench.recovery [--rate R] [--brokers B] [--rounds N] [--output FILE]

Wanted: 10 s at most, 20 s where the fault takes the only broker.
"""

import argparse
import itertools
import json
import os
import random
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.fleet import Fleet
from bench.meter import RESULTS, feed, jpeg_load
from bench.storm_faults import Faults
from bench.storm_site import POISON_PATH
from bench.watermark import Watermark
from settings import Settings

REST_S = 8.0
WITHIN_S = 90.0


def stalls(rate: float, brokers: int, rounds: int, say: Console) -> dict[str, list[float]]:
    """Return the seconds for which the watermark stood still after each fault, by its kind."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        load = jpeg_load(Path(folder), 416, "auto")
        settings = Settings(log_format="text", worker_processes=2, replication_factor=min(3, brokers))
        with Fleet(settings, Path(folder), site=POISON_PATH, brokers=brokers) as fleet:
            faults = Faults(fleet, random.Random(1))
            sender = feed(fleet, load, 10**6, rate=rate)
            try:
                with Watermark(fleet.settings) as watermark:
                    for kind in list(faults.kinds) * rounds:
                        _wait_for_a_move(watermark, time.monotonic(), WITHIN_S)
                        time.sleep(REST_S)
                        before = time.monotonic()
                        if not faults.kinds[kind]():
                            continue
                        after = time.monotonic()  # stopping MongoDB takes its time, and stops no watermark
                        moved = _wait_for_a_move(watermark, after, WITHIN_S)
                        found.setdefault(kind, []).append(
                            round(_longest([at for at, _ in watermark.moves], before, moved), 1)
                        )
                        say.print(f"{kind}: {found[kind][-1]} s")
            finally:
                sender.kill()
                sender.communicate()
    return found


def _wait_for_a_move(watermark: Watermark, since: float, within_s: float) -> float:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if watermark.moves and watermark.moves[-1][0] > since + 2:  # what was on its way at the fault does not count
            return watermark.moves[-1][0]
        time.sleep(0.1)
    return deadline


def _longest(moves: list[float], since: float, until: float) -> float:
    """Return the longest time between two moves, of those that touch the span."""
    inside = [move for move in moves if since <= move <= until]
    points = [since, *inside, until]
    return max(later - earlier for earlier, later in itertools.pairwise(points))


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS / "recovery.json")
    options = parser.parse_args()
    console = Console()
    found = stalls(options.rate, options.brokers, options.rounds, console)
    table = Table("fault", "watermark stood still, s")
    for kind, seconds in sorted(found.items()):
        table.add_row(kind, ", ".join(map(str, seconds)))
    console.print(table)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    known[f"{options.brokers} brokers"] = {"rate": options.rate, "cores": os.cpu_count(), "stalls_s": found}
    options.output.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
