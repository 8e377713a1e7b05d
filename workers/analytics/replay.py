"""The analytics of stored results, over again: the same code as live, without a server, a checkpoint or a clock."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analytics.uses.attendance import Counted
from contracts.cameras import Camera
from contracts.events import EventKind
from contracts.faces import FacesRecord
from settings import Settings
from workers.analytics.camera_run import CameraRun
from workers.analytics.outputs import Outputs


@dataclass(frozen=True)
class Replayed:
    """What a camera's results say under some settings of its zones and lines."""

    results: int
    outputs: Outputs

    def summary(self) -> list[tuple[str, str, str]]:
        """Return rows of what, where and how many, for a table."""
        events, seconds = self.outputs.events, self.outputs.seconds
        counts: Counter[tuple[str, str]] = Counter()
        for event in events:
            what = event.kind.value if event.direction is None else f"{event.kind.value} {event.direction}"
            counts[what, event.zone or event.line or ""] += 1
        rows = [(what, where, str(number)) for (what, where), number in sorted(counts.items())]
        for kind, value, title in (
            (EventKind.ZONE_LEFT, "dwell_s", "median dwell"),
            (EventKind.QUEUE_LEFT, "wait_s", "median wait"),
        ):
            for zone in sorted({event.zone or "" for event in events if event.kind is kind}):
                lasted = [event.value[value] for event in events if event.kind is kind and event.zone == zone]
                rows.append((title, zone, f"{statistics.median(lasted):.1f} s"))
        for place in sorted({one.zone for one in seconds}, key=lambda zone: zone or ""):
            counted = [one.last for one in seconds if one.zone == place]
            text = f"mean {statistics.fmean(counted):.2f}, most {max(counted)}"
            rows.append(("occupancy", place or "whole picture", text))
        came = sum((Counted(one.tracks, one.joined, one.unexplained) for one in seconds), Counted())
        low, high = came.interval()
        return [*rows, ("attendance", "whole picture", f"{came.unique} ({low} to {high})")]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON types."""
        return {
            "results": self.results,
            "summary": [dict(zip(("what", "where", "value"), row, strict=True)) for row in self.summary()],
            "events": [event.to_dict() for event in self.outputs.events],
            "alerts": [alert.to_dict() for alert in self.outputs.alerts],
        }


def replay(records: Iterable[FacesRecord], camera: Camera, settings: Settings) -> Replayed:
    """Analyse results again, in the order in which they come."""
    run, results = CameraRun(camera.camera_id, camera, settings), 0
    for record in records:
        run.take(record, record.captured_at.timestamp())
        results += 1
    run.finish()
    return Replayed(results, run.take_outputs())
