"""Make the example answers and pictures of these pages, from the simulator through the code that answers live.

python -m docs.analytics.make
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from contracts.cameras import Camera
from contracts.events import Event, EventKind
from contracts.occupancy import Occupancy, VenueTally
from contracts.times import from_rfc3339
from samples.analytics.crowds import CROWDS, Crowd
from settings import Settings
from storage.cameras import Cameras
from storage.events import Events, Happening
from storage.heatmaps import Heatmaps
from storage.occupancy import OccupancyStore
from storage.venues import Venues
from web.services.analytics import Analytics, Question, Stored
from web.services.heat_picture import draw_heat
from workers.analytics.outputs import Outputs
from workers.analytics.replay import replay

HERE = Path(__file__).parent
START = from_rfc3339("2026-11-23T18:00:00Z")
SETTINGS = Settings(auth="off")
BUCKET_S = 60
SHOWN = 2
CHARTS = {
    "density": ("mean", "max"),
    "capacity": ("in", "out"),
    "restricted": ("intrusions",),
    "flow": ("in", "out"),
    "dwell": ("mean_s", "p90_s"),
    "queue": ("length", "wait_s"),
    "distancing": ("pairs", "violations"),
    "engagement": ("viewers", "mean_s"),
    "attendance": ("unique", "high"),
    "evacuation": ("remaining",),
    "anomalies": ("observed",),
}
COLOURS = ("#1f77b4", "#d95f02")
_ANSWER = re.compile(r"^```json\n.*?^```$", re.DOTALL | re.MULTILINE)


class OccupancyOf(OccupancyStore):
    """Occupancy as a replay found it."""

    def __init__(self, outputs: Outputs) -> None:
        self._found = outputs

    def read(self, span: str, camera_id: str, zone: str | None, start: datetime, end: datetime) -> list[Occupancy]:
        """Return the spans of a zone."""
        kept = self._found.rollups if span != "second" else [("second", one) for one in self._found.seconds]
        newest = {
            one.at_s: one for name, one in kept if name == span and one.camera_id == camera_id and one.zone == zone
        }
        bounds = start.timestamp(), end.timestamp()
        return [newest[at_s] for at_s in sorted(newest) if bounds[0] <= at_s < bounds[1]]


class EventsOf(Events):
    """Events as a replay found them."""

    def __init__(self, found: Sequence[Event]) -> None:
        self._found = found

    def happenings(
        self,
        kind: EventKind,
        start: datetime,
        end: datetime,
        *,
        camera_id: str,
        zones: Sequence[str] | None = None,
        lines: Sequence[str] | None = None,
    ) -> list[Happening]:
        """Return the events of a kind."""
        wanted = [
            one
            for one in self._found
            if one.kind is kind
            and one.camera_id == camera_id
            and start <= one.at < end
            and (zones is None or one.zone in zones)
            and (lines is None or one.line in lines)
        ]
        return [
            Happening(one.at, one.zone, one.line, one.track_id, one.direction, next(iter(one.value.values()), None))
            for one in wanted
        ]


class HeatmapsOf(Heatmaps):
    """Heatmaps as a replay found them."""

    def __init__(self, outputs: Outputs) -> None:
        self._found = outputs

    def total(
        self, span: str, camera_id: str, start: datetime, end: datetime, half_life_s: float | None = None
    ) -> dict[int, float]:
        """Return the cells of all minutes, added up."""
        minutes = {heat.at_s: heat for heat in self._found.heats if heat.span == span}
        cells: dict[int, float] = {}
        for heat in minutes.values():
            for cell, held in heat.cells.items():
                cells[cell] = cells.get(cell, 0) + held
        return cells


class VenuesOf(Venues):
    """What cameras counted into venues, as a replay found it."""

    def __init__(self, outputs: Outputs) -> None:
        self._found = outputs

    def tallies(self, venue: str) -> list[VenueTally]:
        """Return the newest contribution of each camera."""
        newest = {part.camera_id: part for part in self._found.venues if part.venue == venue}
        return [VenueTally(part, None, 0) for part in newest.values()]


class CamerasOf(Cameras):
    """The cameras of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._cameras = {one.camera.camera_id: one.camera for one in (crowd, *crowd.others)}

    def get(self, camera_id: str) -> Camera | None:
        """Return a camera."""
        return self._cameras.get(camera_id)

    def page(self, limit: int = 0, after: str | None = None) -> list[Camera]:
        """Return all cameras."""
        return list(self._cameras.values())


def answer(crowd: Crowd) -> dict[str, Any]:
    """Return what the HTTP interface would answer."""
    outputs = Outputs()
    for one in (crowd, *crowd.others):
        found = replay(one.results(START.timestamp()), one.camera, SETTINGS).outputs
        for name, values in vars(found).items():
            vars(outputs)[name].extend(values)
    end = START + timedelta(seconds=int(crowd.people().duration_s) // BUCKET_S * BUCKET_S)
    path, asked = urlsplit(crowd.path).path, dict(parse_qsl(urlsplit(crowd.path).query))
    if path == "/api/events":
        events = [event.to_dict() for event in outputs.events if event.kind.value == asked["kind"]]
        return {"items": events[::-1], "next": None}
    stored = Stored(
        OccupancyOf(outputs), EventsOf(outputs.events), HeatmapsOf(outputs), CamerasOf(crowd), VenuesOf(outputs)
    )
    question = Question.of(
        path.rpartition("/")[2],
        camera_id=asked.get("camera"),
        zone=asked.get("zone"),
        line=asked.get("line"),
        venue=asked.get("venue"),
        start=START,
        end=end,
        bucket_s=BUCKET_S,
        now=end,
    )
    return Analytics(stored, SETTINGS, now=lambda: end).answer(question)


def by_minute(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how many events there were in each minute, from the first one on."""
    minutes = Counter(f"{item['at'][:16]}:00.000Z" for item in items)
    return [{"at": at, "intrusions": number} for at, number in sorted(minutes.items())]


def chart(found: dict[str, Any], names: Sequence[str]) -> str:
    """Return a chart of some fields of an answer as SVG: a bar a point and field."""
    width, height, left, base = 640, 200, 40, 170
    points = by_minute(found["items"]) if "items" in found else found["series"]
    most = max([point[name] or 0 for point in points for name in names] + [1])
    step = (width - left - 10) / max(len(points), 1)
    bar = 0.8 * step / len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" fill="#555">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<path d="M{left} 20V{base}H{width - 10}" fill="none" stroke="#999"/>',
        f'<text x="{left - 6}" y="26" text-anchor="end">{most:.3g}</text>',
    ]
    for place, point in enumerate(points):
        for number, name in enumerate(names):
            tall = (base - 24) * (point[name] or 0) / most
            x = left + 4 + place * step + number * bar
            box = f'x="{x:.1f}" y="{base - tall:.1f}" width="{bar:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect {box} fill="{COLOURS[number]}"/>')
        parts.append(f'<text x="{left + 4 + place * step:.1f}" y="{base + 15}">{point["at"][11:16]}</text>')
    for number, name in enumerate(names):
        parts.append(f'<text x="{left + 60 + 120 * number}" y="14" fill="{COLOURS[number]}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def shown(found: dict[str, Any]) -> str:
    """Return an answer as JSON with its first points only."""
    if "cells" in found:
        found = {**found, "cells": [["…"]]}
    elif "items" in found:
        found = {**found, "items": [*found["items"][:1], "…"]}
    elif len(found["series"]) > SHOWN:
        found = {**found, "series": [*found["series"][:SHOWN], "…"]}
    rows = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in found.items()]
    return "{\n" + ",\n".join(rows) + "\n}"


def with_answer(page: str, text: str) -> str:
    """Return a page with this text in its block of JSON, whatever was in it.

    Raises:
        ValueError: the page has no such block, or several.
    """
    changed, number = _ANSWER.subn(lambda _: f"```json\n{text}\n```", page)
    if number != 1:
        raise ValueError(f"expected one block of JSON, found {number}")
    return changed


def main() -> None:
    """Write the pictures, and the answers into the pages."""
    for use, crowd in CROWDS.items():
        found = answer(crowd)
        if use == "heatmap":
            (HERE / "heatmap.png").write_bytes(draw_heat(found["cells"], None))
        else:
            (HERE / f"{use}.svg").write_text(chart(found, CHARTS[use]), "utf-8")
        page = HERE / f"{use}.md"
        page.write_text(with_answer(page.read_text("utf-8"), shown(found)), "utf-8")


if __name__ == "__main__":
    main()
