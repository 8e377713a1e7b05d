"""Thousands of odd records, headers, keys, pictures and documents, after which everything must work as before.

    python -m bench.fuzz [--seed S] [--count N] [--requests N] [--tasks N] [--first N] [--minutes M]
        [--pictures N] [--topics T …] [--data-dir D] [--output FILE]

The long run, an hour of 50,000 records:

    python -m bench.fuzz --seed 1 --count 50000 --requests 10000 --minutes 50 --output bench/results/fuzz.json

Starts a system of its own, without the sample; with --data-dir it is the one that runs there, which will hold rubbish
afterwards. A camera sends good frames all the time. Afterwards every role and server must be its first process and
healthy, good pictures sent by HTTP and by Kafka must be stored with the same faces as before, occupancy must be there,
and nothing may be stuck. Exits 1 when something does not hold. A seed makes the same records and requests again;
--first and --count send a part of them: what fails names the numbers that are suspected.
"""

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.fuzz.run import Fuzz, run
from bench.fuzz.system import running, started


def main() -> None:
    """Run, print, write JSON; exit 1 when something does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in dataclasses.fields(Fuzz):
        if field.name != "topics":
            parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument("--topics", nargs="*", default=[], help="by the names that are their defaults")
    parser.add_argument("--data-dir", type=Path, help="of a system that runs already")
    parser.add_argument("--output", type=Path, help="write the result there, as JSON beside those of other seeds")
    arguments = vars(parser.parse_args())
    output, data_dir, console = arguments.pop("output"), arguments.pop("data_dir"), Console()
    fuzz = Fuzz(**arguments | {"topics": tuple(arguments["topics"])})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {text}", markup=False, highlight=False)

    with ExitStack() as stack:
        if data_dir is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
            system = stack.enter_context(started(folder))
        else:
            system = running(data_dir)
        say(f"everything is ready; seed {fuzz.seed}")
        progress = stack.enter_context(Progress(console=console))
        bar = progress.add_task("records", total=fuzz.count)
        result = run(fuzz, system, say, lambda done: progress.update(bar, completed=done))
    found = json.loads(json.dumps(result.to_dict()))
    console.print_json(json.dumps(found))
    if output is not None:
        known = json.loads(output.read_text("utf-8")) if output.exists() else {}
        output.write_text(json.dumps(known | {f"seed {fuzz.seed}": found}, indent=1) + "\n", "utf-8")
    sys.exit(1 if result.verdict.problems else 0)


if __name__ == "__main__":
    main()
