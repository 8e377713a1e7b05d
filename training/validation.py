"""Average precision of weights while they learn, by the detector that will use them."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from detection import load_detector
from training.labelled import Labelled
from training.scoring import SIZES, Scored, find_all, precision_recall


def resize_cfg(cfg: str, side: int) -> str:
    """Return the text of a .cfg with another input size."""
    return re.sub(r"(?m)^(width|height)\s*=.*$", rf"\g<1>={side}", cfg)


def find_with_weights(cfg: str, weights: bytes, pictures: Sequence[Labelled], threads: int) -> list[Scored]:
    """Run the network of a .cfg with the content of a .weights file over pictures."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "learning.cfg"
        file.write_text(cfg)
        file.with_suffix(".weights").write_bytes(weights)
        detector = load_detector(str(file), runtime="onnxruntime", threads=threads, cache_dir=Path(directory))
        return list(find_all(detector, pictures))


def average_precisions(scored: Sequence[Scored]) -> dict[str, float]:
    """Return the average precision by size of face; a size that no face has is left out."""
    curves = {size: precision_recall(scored, size) for size in SIZES}
    return {size: round(curve.average_precision, 4) for size, curve in curves.items() if curve.faces}
