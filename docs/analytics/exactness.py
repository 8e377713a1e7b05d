"""Tables of how exact the uses are, as `bench.truth` and `bench.tracking` measured it.

python -m docs.analytics.exactness    writes them into these pages anew
"""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "bench/results"

FIGURES = {
    "density": ("occupancy_persons",),
    "capacity": ("crossings_in", "crossings_out"),
    "restricted": ("intrusions_in_time", "intrusions_false", "false_intrusions_in_an_hour"),
    "queue": ("waiting_time",),
    "engagement": ("dwell",),
    "attendance": ("attendance",),
    "evacuation": (
        "blocked_exit_found",
        "open_exit_alarms",
        "planned_blocked_exit_found",
        "false_alarms_in_all_hours",
    ),
    "anomalies": ("gathering_found", "planned_gathering_found", "false_alarms_in_all_hours"),
    "flow": ("crossings_in", "crossings_out"),
    "dwell": ("dwell",),
}
"""Of each use the figures in truth.json; of the heatmap and of distancing there are none."""

_TEXTS = {
    "occupancy_persons": "people in a zone, error of a second's count",
    "crossings_in": "people counted in, error",
    "crossings_out": "people counted out, error",
    "dwell": "mean stay in a zone, error",
    "waiting_time": "mean wait, error",
    "attendance": "different people, error",
    "intrusions_in_time": "planned intrusions told within 2 s of their minimum stay",
    "intrusions_false": "intrusions told beside those, a scene",
    "false_intrusions_in_an_hour": "intrusions told in an hour in which nobody enters",
    "blocked_exit_found": "blocked exits found, once each",
    "open_exit_alarms": "bottlenecks told of an open exit, a scene",
    "planned_blocked_exit_found": "the blocked exit planned in {hours} hours found",
    "gathering_found": "gatherings found, once each",
    "planned_gathering_found": "the gathering planned in {hours} hours found",
    "false_alarms_in_all_hours": "other gatherings and bottlenecks told in {hours} hours",
}
_PERSONS = ("occupancy_persons",)
_COUNTS = ("intrusions_false", "false_intrusions_in_an_hour", "open_exit_alarms", "false_alarms_in_all_hours")
_BIASED = ("crossings_in", "crossings_out", "dwell", "waiting_time", "attendance")


def truth_table(use: str) -> str:
    """Return the figures of a use beside what is wanted."""
    truth = json.loads((RESULTS / "truth.json").read_text("utf-8"))
    rows = ["| figure | measured | bias | wanted |", "|---|---|---|---|"]
    for name in FIGURES[use]:
        figure, (sign, bound) = truth["figures"][name], truth["wanted"][name].split()
        text = _TEXTS[name].format(hours=truth["hours"])
        bias = f"{100 * figure['mean']:+.1f} %" if name in _BIASED else ""
        measured, wanted = _show(name, figure["mean_size"]), _show(name, float(bound))
        if (sign, float(bound)) not in (("<=", 0.0), (">=", 1.0)):
            wanted = f"at {'most' if sign == '<=' else 'least'} {wanted}"
        rows.append(f"| {text} | {measured} | {bias} | {wanted} |")
    return "\n".join(rows) + "\n"


def tracking_table() -> str:
    """Return the tracker's figures over frame rates."""
    tracking = json.loads((RESULTS / "tracking.json").read_text("utf-8"))
    rows = ["| frames/s | IDF1 | crossings, error | people counted, of all | ms a frame |", "|---|---|---|---|---|"]
    for rate in tracking["rates"]:
        ours: dict[str, Any] = rate["trackers"]["ours"]
        rows.append(
            f"| {rate['fps']:g} | {ours['idf1']:.3f} | {100 * ours['crossings_error']:.1f} % | "
            f"{ours['unique_ratio']:.2f} | {ours['ms_a_frame']:.2f} |"
        )
    return "\n".join(rows) + "\n"


def with_table(page: str, table: str) -> str:
    """Return a page with this table in place of the one of the same heading.

    Raises:
        ValueError: the page has no such table, or several.
    """
    heading = table.partition("\n")[0]
    changed, number = re.subn(rf"^{re.escape(heading)}\n(?:\|.*\n)*", lambda _: table, page, flags=re.MULTILINE)
    if number != 1:
        raise ValueError(f"expected one table with the heading {heading!r}, found {number}")
    return changed


def _show(name: str, value: float) -> str:
    if name in _PERSONS:
        return f"{value:.2f} persons"
    return f"{value:g}" if name in _COUNTS else f"{100 * value:.1f} %"


def main() -> None:
    """Write the tables into the pages."""
    tables = {"README": tracking_table(), **{use: truth_table(use) for use in FIGURES}}
    for name, table in tables.items():
        page = HERE / f"{name}.md"
        page.write_text(with_table(page.read_text("utf-8"), table), "utf-8")


if __name__ == "__main__":
    main()
