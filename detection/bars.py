"""Bars on a PNG, for comparisons of models and runtimes."""

from collections.abc import Mapping

import cv2
import numpy as np

_ROW_PX, _BAR_PX, _LABEL_PX, _VALUE_PX = 26, 420, 300, 90


def draw_bars(groups: Mapping[str, Mapping[str, float]]) -> bytes:
    """Return a PNG with a group of bars a title; each bar has a label and a value of at least 0, longest of its group
    full."""
    rows = sum(len(bars) + 2 for bars in groups.values())
    canvas = np.full((rows * _ROW_PX, _LABEL_PX + _BAR_PX + _VALUE_PX, 3), 255, np.uint8)

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(canvas, text, (x, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)

    y = 0
    for title, bars in groups.items():
        write(title, 8, y)
        for label, value in bars.items():
            y += _ROW_PX
            write(label[:36], 20, y)
            length = round(_BAR_PX * value / max(max(bars.values()), 1e-9))
            cv2.rectangle(canvas, (_LABEL_PX, y + 4), (_LABEL_PX + length, y + _ROW_PX - 4), (160, 110, 40), -1)
            write(f"{value:.4g}", _LABEL_PX + length + 6, y)
        y += 2 * _ROW_PX
    return cv2.imencode(".png", canvas, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
