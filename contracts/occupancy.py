"""How many people were where: for a second, a minute, an hour or a day, in a zone or in the whole picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SPANS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""The lengths of time that are kept, in seconds. They begin at whole multiples since 1970."""

HEAT_COLUMNS, HEAT_ROWS = 64, 36


@dataclass(frozen=True)
class Occupancy:
    """One span of one camera's zone, or of its whole picture, where `zone` is None.

    Attributes:
        at_s: its beginning, in seconds since 1970.
        seconds: of how many of its seconds the count is known.
        people_s: the counts of these seconds, added up.
        least, most, last: of these counts.
        expected, score: what was usual, and how far from it the mean was, in robust standard deviations; of minutes.
        pairs: the most pairs of people in one frame; of the whole picture, as the next three.
        tracks, joined, unexplained: what attendance rests on (`analytics.uses.attendance.Counted`).
        session: how often the camera's clock was set back before; what two sessions say of one time is added up.
    """

    camera_id: str
    zone: str | None
    at_s: int
    seconds: int
    people_s: int
    least: int
    most: int
    last: int
    expected: float | None = None
    score: float | None = None
    pairs: int = 0
    tracks: int = 0
    joined: int = 0
    unexplained: int = 0
    session: int = 0

    def __add__(self, later: "Occupancy") -> "Occupancy":
        """Join with a later span of the same zone."""
        unusual = self
        if later.score is not None and (self.score is None or abs(later.score) > abs(self.score)):
            unusual = later
        return Occupancy(
            camera_id=self.camera_id,
            zone=self.zone,
            at_s=self.at_s,
            seconds=self.seconds + later.seconds,
            people_s=self.people_s + later.people_s,
            least=self.least if self.least <= later.least else later.least,
            most=self.most if self.most >= later.most else later.most,
            last=later.last,
            expected=unusual.expected,
            score=unusual.score,
            pairs=self.pairs if self.pairs >= later.pairs else later.pairs,
            tracks=self.tracks + later.tracks,
            joined=self.joined + later.joined,
            unexplained=self.unexplained + later.unexplained,
            session=self.session,
        )

    @property
    def mean(self) -> float:
        """The mean count."""
        return self.people_s / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the span as JSON types."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Occupancy":
        """Build a span from what `to_dict` returned."""
        return cls(**fields)


@dataclass(frozen=True)
class Heat:
    """Person milliseconds in the cells of a grid over one camera's picture, for a span; cells without any are absent.

    A cell's number is `row * HEAT_COLUMNS + column`; `session` is that of `Occupancy`.
    """

    camera_id: str
    span: str
    at_s: int
    cells: dict[int, int]
    session: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the span as JSON types."""
        return {**vars(self), "cells": list(self.cells.items())}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Heat":
        """Build a span from what `to_dict` returned."""
        return cls(**{**fields, "cells": {int(cell): int(held) for cell, held in fields["cells"]}})


@dataclass(frozen=True)
class VenuePart:
    """What one camera's lines have counted into a venue and out of it, since counting began or began anew that day.

    `at_s` is the time of the last crossing.
    """

    venue: str
    camera_id: str
    entered: int
    left: int
    at_s: int


@dataclass(frozen=True)
class VenueTally:
    """A camera's part, and what it had been when somebody said that nobody was inside, at `reset_at_s`."""

    part: VenuePart
    base: VenuePart | None = None
    reset_at_s: int = 0
