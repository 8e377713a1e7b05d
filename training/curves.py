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
"""To a unit of the x axis of a curve at most."""


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
LabelledPoints = Sequence[tuple[float, float, str]]
"""Points with what stands beside each."""


def draw_curves(x: Axis, y: Axis, curves: Mapping[str, Points]) -> str:
    """Return an SVG with one line a name."""
    return _draw(x, y, {name: [(*point, "") for point in _thin(points)] for name, points in curves.items()}, radius=0)


def draw_points(x: Axis, y: Axis, groups: Mapping[str, LabelledPoints]) -> str:
    """Return an SVG with one or more dots a name, joined, each with its label."""
    return _draw(x, y, groups, radius=4)


def _draw(x: Axis, y: Axis, groups: Mapping[str, LabelledPoints], *, radius: int) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_grid(x, y),
    ]
    for place, (name, points) in enumerate(groups.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        spots = [_spot(x, y, (across, down)) for across, down, _ in points]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in spots)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (across, down), (*_, label) in zip(spots, points, strict=True) if radius else ():
            lines.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{radius}" fill="{colour}"/>')
            side, anchor = (-1, "end") if across > _WIDTH / 2 else (1, "start")
            beside = down + (14 if place % 2 else -6)
            text = f'x="{across + side * 2:.1f}" y="{beside:.1f}" text-anchor="{anchor}" font-size="9"'
            lines.append(f'<text {text} fill="{colour}">{escape(label)}</text>')
        down = _HEIGHT - _MARGIN - 18 * (len(groups) - place)
        left = _WIDTH / 2 if radius else _MARGIN + 12
        lines.append(f'<rect x="{left}" y="{down - 9}" width="12" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{left + 18}" y="{down}">{escape(name)}</text>')
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
    """Leave out what lies nearly above another one: thousands of finds of low scores bring no recall."""
    kept = [*points[:1]]
    for point in points[1:]:
        if abs(point[0] - kept[-1][0]) * _POINTS >= 1:
            kept.append(point)
    return kept if kept[-1:] == [*points[-1:]] else [*kept, *points[-1:]]
