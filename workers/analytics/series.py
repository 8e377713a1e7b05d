"""Seconds of one camera's occupancy, and the minutes, hours and days that they add up to."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from analytics.camera import FrameFacts
from analytics.occupancy import OccupancySecond
from analytics.uses.attendance import Counted
from contracts.camera_checks import WHOLE_PICTURE
from contracts.occupancy import HEAT_COLUMNS, HEAT_ROWS, SPANS_S, Heat, Occupancy
from workers.analytics.outputs import Outputs

_KNOWN_S = 10.0
"""Between two frames further apart than this nothing is known."""

_LONGER = ("minute", "hour", "day")


class Series:
    """Adds up what one camera's frames and seconds say, in the order of their time."""

    def __init__(self, camera_id: str, session: int = 0) -> None:
        self._camera_id = camera_id
        self._last_frame_s = -math.inf
        self._gaps: list[tuple[float, float]] = []
        self._facts: dict[int, tuple[int, Counted]] = {}  # of each second not yet final: most pairs, attendance
        self._open: dict[str, dict[str, Occupancy]] = {span: {} for span in _LONGER}  # by span and zone
        self._heat: dict[str, Heat] = {}
        self.session = session

    def frame(self, facts: FrameFacts, outputs: Outputs) -> None:
        """Take what a frame added."""
        if facts.at_s - self._last_frame_s > _KNOWN_S:
            self._gaps.append((self._last_frame_s, facts.at_s))
        self._last_frame_s = max(self._last_frame_s, facts.at_s)
        pairs, counted = self._facts.get(math.floor(facts.at_s), (0, Counted()))
        self._facts[math.floor(facts.at_s)] = max(pairs, facts.pairs), counted + facts.attendance
        cells, held_ms = self._heat_of("minute", facts.at_s, outputs).cells, round(1000 * facts.seconds)
        for x, y in facts.places:
            column = min(max(int(x * HEAT_COLUMNS), 0), HEAT_COLUMNS - 1)
            row = min(max(int(y * HEAT_ROWS), 0), HEAT_ROWS - 1)
            cell = row * HEAT_COLUMNS + column
            cells[cell] = cells.get(cell, 0) + held_ms

    def second(self, one: OccupancySecond, outputs: Outputs) -> None:
        """Take a second of a zone that is final. That of the whole picture comes last of its second."""
        zone = None if one.zone == WHOLE_PICTURE else one.zone
        if one.score is not None or one.expected is not None:
            self._judge(one)
        if zone is None:
            self._gaps = [gap for gap in self._gaps if gap[1] > one.at_s]
        if any(start + 1 < one.at_s < end for start, end in self._gaps):
            return
        pairs, counted = self._facts_until(one.at_s) if zone is None else (0, Counted())
        count = one.count
        more = {"pairs": pairs, "session": self.session, **vars(counted)}
        second = Occupancy(self._camera_id, zone, one.at_s, 1, count, count, count, count, **more)
        outputs.seconds.append(second)
        self._add("minute", second, outputs)

    def turn(self, outputs: Outputs) -> None:
        """Begin a session: the clock was set back. What the one before said of the same times stays beside it."""
        for minute in self._open["minute"].values():
            outputs.rollups.append(("minute", minute))
            for longer in _LONGER[1:]:
                self._add(longer, minute, outputs)
        if "minute" in self._heat:
            self._close_minute(self._heat["minute"], outputs)
        self._open, self._heat = {span: {} for span in _LONGER}, {}
        facts = list(self._facts.values())
        pairs, counted = max((pairs for pairs, _ in facts), default=0), sum((came for _, came in facts), Counted())
        self._facts = {0: (pairs, counted)} if facts else {}  # with the first second that is final
        self._last_frame_s, self._gaps = -math.inf, []
        self.session += 1

    def open_heat(self) -> Iterator[Heat]:
        """The minute of the heatmap that goes on, as it now stands."""
        if "minute" in self._heat:
            yield self._heat["minute"]

    def _judge(self, one: OccupancySecond) -> None:
        """Note what was usual for the minute before: it is still open, as its last second came just now."""
        minute = self._open["minute"].get(one.zone)
        if minute is not None and minute.at_s == one.at_s - SPANS_S["minute"]:
            self._open["minute"][one.zone] = replace(minute, expected=one.expected, score=one.score)

    def _facts_until(self, at_s: int) -> tuple[int, Counted]:
        pairs, counted = 0, Counted()
        for second in [known for known in self._facts if known <= at_s]:
            more, came = self._facts.pop(second)
            pairs, counted = max(pairs, more), counted + came
        return pairs, counted

    def _add(self, span: str, one: Occupancy, outputs: Outputs) -> None:
        """Add a shorter span to the open one of this length. One that is over goes on into the next longer one."""
        key, length = one.zone or WHOLE_PICTURE, SPANS_S[span]
        start_s = one.at_s // length * length
        before = self._open[span].get(key)
        if before is not None and before.at_s == start_s:
            self._open[span][key] = before + one
        else:
            if before is not None and span == "minute":
                outputs.rollups.append(("minute", before))
                for longer in _LONGER[1:]:
                    self._add(longer, before, outputs)
            self._open[span][key] = replace(one, at_s=start_s)
        if span != "minute":
            outputs.rollups.append((span, self._open[span][key]))

    def _heat_of(self, span: str, at_s: float, outputs: Outputs) -> Heat:
        """Return the open heatmap of a length; a minute that is over goes on into hour and day."""
        start_s = math.floor(at_s) // SPANS_S[span] * SPANS_S[span]
        before = self._heat.get(span)
        if before is not None and before.at_s >= start_s:
            return before
        if before is not None and span == "minute":
            self._close_minute(before, outputs)
        self._heat[span] = Heat(self._camera_id, span, start_s, {}, self.session)
        return self._heat[span]

    def _close_minute(self, minute: Heat, outputs: Outputs) -> None:
        outputs.heats.append(minute)
        for longer in _LONGER[1:]:
            whole = self._heat_of(longer, minute.at_s, outputs)
            for cell, held in minute.cells.items():
                whole.cells[cell] = whole.cells.get(cell, 0) + held
            outputs.heats.append(whole)

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {
            "last_frame_s": None if math.isinf(self._last_frame_s) else self._last_frame_s,
            "gaps": [[None if math.isinf(start) else start, end] for start, end in self._gaps],
            "facts": [[second, pairs, vars(counted)] for second, (pairs, counted) in self._facts.items()],
            "open": {span: [one.to_dict() for one in by.values()] for span, by in self._open.items()},
            "heat": [heat.to_dict() for heat in self._heat.values()],
            "session": self.session,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of another series."""
        self.session = state.get("session", 0)
        last_s = state["last_frame_s"]
        self._last_frame_s = -math.inf if last_s is None else last_s
        self._gaps = [(-math.inf if start is None else start, end) for start, end in state["gaps"]]
        self._facts = {second: (pairs, Counted(**counted)) for second, pairs, counted in state["facts"]}
        for span, spans in state["open"].items():
            self._open[span] = {one["zone"] or WHOLE_PICTURE: Occupancy.from_dict(one) for one in spans}
        self._heat = {one["span"]: Heat.from_dict(one) for one in state["heat"]}
