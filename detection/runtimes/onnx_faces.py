"""Face detectors of other kinds that a site brings as ONNX: which kind a file is, told from the shapes of its
outputs."""

from collections import Counter
from pathlib import Path
from typing import Literal

import onnxruntime

from contracts.errors import ModelError

_INPUT_SIDE = 640
"""For files that leave the size of their input open."""


def open_session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU.

    Raises:
        ModelError: ONNX Runtime cannot read it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise ModelError(f"{file}: ONNX Runtime cannot read it: {str(error)[:300]}") from error


def kind_of(session: onnxruntime.InferenceSession, file: Path) -> Literal["yunet", "scrfd"]:
    """Tell the kind of a face detector: both give, for each of three strides, scores (1), boxes (4) and perhaps
    landmarks (10); YuNet gives two scores.

    Raises:
        ModelError: it is neither.
    """
    widths = Counter(output.shape[-1] for output in session.get_outputs())
    if widths in (Counter({1: 6, 4: 3, 10: 3}), Counter({1: 6, 4: 3})):
        return "yunet"
    if widths in (Counter({1: 3, 4: 3, 10: 3}), Counter({1: 3, 4: 3})):
        return "scrfd"
    shapes = ", ".join(f"{output.name} {output.shape}" for output in session.get_outputs())
    raise ModelError(f"{file}: expected the outputs of YuNet or SCRFD, got {shapes[:400]}")


def input_size(session: onnxruntime.InferenceSession) -> tuple[int, int]:
    """Return width and height of the input."""
    height, width = session.get_inputs()[0].shape[2:]
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return width, height
    return _INPUT_SIDE, _INPUT_SIDE


def outputs_by_width(session: onnxruntime.InferenceSession, width: int) -> list[str]:
    """Return the names of the outputs with `width` numbers a place, in the order of the file."""
    return [output.name for output in session.get_outputs() if output.shape[-1] == width]
