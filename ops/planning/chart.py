"""Lines over time, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 860, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 44, 48
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")
_LABEL_PX = 18


@dataclass(frozen=True)
class Line:
    """A label, and points of rising x."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def draw_lines(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """Return an SVG with all lines on one pair of axes that begin at 0; labels stand at the right, where lines end.

    Raises:
        ValueError: there is no line, or one without points.
    """
    if not lines or not all(len(line.x) == len(line.y) > 0 for line in lines):
        raise ValueError("expected lines with as many x as y, and at least one")
    x_step, x_most = _ticks(max(max(line.x) for line in lines))
    y_step, y_most = _ticks(max(max(line.y) for line in lines))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (right - _LEFT) * x / x_most, bottom - (bottom - _TOP) * y / y_most

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#24292f"><title>{escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for number in range(round(y_most / y_step) + 1):
        _, y = at(0, number * y_step)
        drawn.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#d0d7de"/>')
        drawn.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * y_step:g}</text>')
    for number in range(round(x_most / x_step) + 1):
        x, _ = at(number * x_step, 0)
        drawn.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{number * x_step:g}</text>')
    drawn.append(f'<text x="{(right + _LEFT) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>')
    turned = f"translate(16 {(bottom + _TOP) / 2}) rotate(-90)"
    drawn.append(f'<text transform="{turned}" text-anchor="middle">{escape(y_label)}</text>')
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in zip(line.x, line.y, strict=True))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = _TOP + 12 + number * _LABEL_PX
        drawn.append(f'<path d="M{right + 12} {y - 4}h18" stroke="{colour}" stroke-width="3"/>')
        drawn.append(f'<text x="{right + 36}" y="{y}">{escape(line.label)}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _ticks(most: float) -> tuple[float, float]:
    """Return a round step, and the multiple of it that is at least `most`; four to ten steps."""
    most = max(most, 1e-9)
    step = 1e-10
    while True:
        for factor in (1, 2, 5):
            if most / (step * factor) <= 8:
                count = -(-most // (step * factor))
                return step * factor, step * factor * count
        step *= 10
