"""What a run needs to go on after it was killed: written whole or not at all."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from detection.cache import write_atomically
from training.labelled import DatasetError


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps; `order` says what the order of the pictures depends on."""

    step: int
    order: str
    model: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]

    def save(self, file: Path) -> None:
        """Write it in place of an older one."""
        content = io.BytesIO()
        torch.save(vars(self), content)
        write_atomically(file, content.getvalue())


def load_checkpoint(file: Path, order: str, device: torch.device) -> Checkpoint | None:
    """Return what an earlier run left, None if there was none.

    Raises:
        DatasetError: it was another run: its pictures came in another order.
    """
    if not file.exists():
        return None
    checkpoint = Checkpoint(**torch.load(file, map_location=device, weights_only=True))
    if checkpoint.order != order:
        raise DatasetError(
            f"{file}: it is of a run with {checkpoint.order}, this one has {order}; take the same or another --out"
        )
    return checkpoint
