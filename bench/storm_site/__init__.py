"""A folder for the path of a storm's processes; see `sitecustomize.py` in it."""

from pathlib import Path

POISON_PATH = Path(__file__).parent
