"""A folder for the path of roles that are to detect nothing; see `sitecustomize` there."""

from pathlib import Path

NULL_PATH = Path(__file__).parent
