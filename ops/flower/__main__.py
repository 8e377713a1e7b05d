"""`python -m ops.flower [--address=A] [--port=P] …`: Flower; its other options are in `ops/flower/config.py`."""

import sys
from pathlib import Path

from celery.bin.celery import celery

CONFIG = Path(__file__).with_name("config.py")


def main() -> None:
    """Become Flower, with the options of the command line."""
    celery(["-A", "workers.celery_app", "flower", f"--conf={CONFIG}", *sys.argv[1:]], auto_envvar_prefix="CELERY")


if __name__ == "__main__":
    main()
