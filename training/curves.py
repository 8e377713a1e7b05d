"""Curves as SVG: small, sharp, and readable where the model card is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _MARGIN = 640, 420, 52
_COLOURS = (
    "#1f6f8b",
    "#d1495b",
    "#66a182",
    "#edae49",
    "#6a4c93",
    "#7f7f7f",
    "#2e4057",
    "#b5838d",
    "#3a86ff",
    "#8a5a00",
)
_POINTS = 200


@dataclass(frozen=True)
class Axis:
    """One axis: its title, and its least and largest value."""

    title: str
    least: float
    most: float

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1; what is outside goes to the edge."""
        return min(1.0, max(0.0, (value - self.least) / (self.most - self.least)))


Points = Sequence[tuple[float, float]]


def draw_curves(x: Axis, y: Axis, curves: Mapping[str, Points]) -> str:
    """Return an SVG with one line a name."""
    return _draw(x, y, curves, joined=True)


def draw_points(x: Axis, y: Axis, groups: Mapping[str, Points]) -> str:
    """Return an SVG with one or more dots a name."""
    return _draw(x, y, groups, joined=False)


def _draw(x: Axis, y: Axis, groups: Mapping[str, Points], *, joined: bool) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_grid(x, y),
    ]
    for place, (name, points) in enumerate(groups.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        spots = [_spot(x, y, point) for point in _thin(points)]
        if joined:
            path = " ".join(f"{across:.1f},{down:.1f}" for across, down in spots)
            lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        else:
            lines += [f'<circle cx="{across:.1f}" cy="{down:.1f}" r="5" fill="{colour}"/>' for across, down in spots]
        down = _HEIGHT - _MARGIN - 18 * (len(groups) - place)
        lines.append(f'<rect x="{_MARGIN + 12}" y="{down - 9}" width="12" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{_MARGIN + 30}" y="{down}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _grid(x: Axis, y: Axis) -> list[str]:
    lines = []
    for tenth in range(0, 11, 2):
        across, down = _spot(
            x, y, (x.least + (x.most - x.least) * tenth / 10, y.least + (y.most - y.least) * tenth / 10)
        )
        upright, level = f"M{across:.1f} {_MARGIN / 2}V{_HEIGHT - _MARGIN}", f"M{_MARGIN} {down:.1f}H{_WIDTH - 16}"
        lines.append(f'<path d="{upright}{level}" stroke="#ddd"/>')
        x_value, y_value = (axis.least + (axis.most - axis.least) * tenth / 10 for axis in (x, y))
        lines.append(f'<text x="{across:.1f}" y="{_HEIGHT - _MARGIN + 18}" text-anchor="middle">{x_value:.3g}</text>')
        lines.append(f'<text x="{_MARGIN - 8}" y="{down + 4:.1f}" text-anchor="end">{y_value:.3g}</text>')
    lines.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.title)}</text>')
    turned = f'text-anchor="middle" transform="rotate(-90 14 {_HEIGHT / 2})"'
    lines.append(f'<text x="14" y="{_HEIGHT / 2}" {turned}>{escape(y.title)}</text>')
    return lines


def _spot(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    across = _MARGIN + x.place(point[0]) * (_WIDTH - 16 - _MARGIN)
    down = _HEIGHT - _MARGIN - y.place(point[1]) * (_HEIGHT - _MARGIN * 1.5)
    return across, down


def _thin(points: Points) -> Points:
    step = max(1, len(points) // _POINTS)
    return [*points[::step], *points[-1:]] if step > 1 else points
