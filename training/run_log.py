"""The record of a run: one JSON object a line, which a run that goes on continues where its checkpoint was."""

import json
from pathlib import Path
from typing import Any

from detection.cache import write_atomically


class RunLog:
    """Lines with at least a `step`.

    Args:
        file: to append to.
        step: of the checkpoint that the run goes on from; lines of later steps are dropped.
    """

    def __init__(self, file: Path, step: int) -> None:
        self._file = file
        lines = file.read_text().splitlines() if file.exists() else []
        whole = [line for line in lines if line.endswith("}")]  # a kill can leave half a line at the end
        kept = [line for line in whole if json.loads(line)["step"] <= step]
        write_atomically(file, "".join(f"{line}\n" for line in kept).encode())

    def write(self, step: int, **values: Any) -> None:
        """Add a line."""
        with open(self._file, "a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
