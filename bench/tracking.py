"""The tracker against ByteTrack and OC-SORT, on the same simulated boxes in the same run, over frame rates.

    python -m bench.tracking [--seeds 20] [--fps 1 2 3 5 10] [--tune 12]

The peers come from the PyPI package `trackers`, with `trackeval` for identity errors, into an environment of their own
under `.cache/`: the package brings an OpenCV that must not meet ours. Each peer is tuned for each frame rate on worlds
that the comparison does not use; our tracker has one set of parameters for all of them (docs/adr/0009 tells which
worlds that was fitted on). Writes tracking.json and tracking.svg to bench/results.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("trackers==2.6.*", "trackeval==1.3.*", "matplotlib>=3.9", "msgspec>=0.19")


def environment() -> Path:
    """Make the peers' environment where there is none; return its Python."""
    python = ROOT / ".cache/bench-tracking/bin/python"
    if not python.exists():
        uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parent.parent], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEERS], check=True)
    return python


def main() -> int:
    """Run the comparison in the peers' environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="worlds of 70 people for each frame rate")
    parser.add_argument("--fps", type=float, nargs="+", default=[1, 2, 3, 5, 10])
    parser.add_argument("--tune", type=int, default=12, help="settings tried for each peer and frame rate")
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    options = parser.parse_args()
    rates = [f"{fps:g}" for fps in options.fps]
    command = [environment(), "-m", "bench.tracking_peers", "--seeds", str(options.seeds), "--tune", str(options.tune)]
    command += ["--results", str(options.results.resolve()), "--fps", *rates]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=os.environ | one_thread | {"PYTHONPATH": str(ROOT)}).returncode


if __name__ == "__main__":
    sys.exit(main())
