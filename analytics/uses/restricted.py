"""Restricted zones: somebody is where, and when, nobody should be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from analytics.presence import ZoneVisit
from analytics.state import Stateful
from contracts.cameras import Schedule


@dataclass(frozen=True)
class Intrusion:
    """A track has stayed in a restricted zone for its minimum stay."""

    track_id: int
    entered_s: float
    at_s: float


class Restricted(Stateful):
    """One restricted zone: at the times of its schedule (always, without one), in the camera's time zone."""

    STATE = ("_reported",)

    def __init__(self, schedule: Sequence[Schedule], minimum_stay_s: float, time_zone: str) -> None:
        self._schedule = tuple(schedule)
        self._minimum_stay_s = minimum_stay_s
        self._zone = ZoneInfo(time_zone)
        self._reported: list[int] = []
        self._judged: tuple[int, bool] | None = None  # of the minute judged last whether it is forbidden

    def forbidden(self, at_s: float) -> bool:
        """Whether nobody should be here at a time."""
        if not self._schedule:
            return True
        minute_of_all = int(at_s // 60)
        if self._judged is None or self._judged[0] != minute_of_all:
            self._judged = (minute_of_all, self._covers(at_s))
        return self._judged[1]

    def _covers(self, at_s: float) -> bool:
        local = datetime.fromtimestamp(at_s, timezone.utc).astimezone(self._zone)
        minute = 60 * local.hour + local.minute
        return any(one.covers(local.weekday(), minute) for one in self._schedule)

    def update(self, visits: Iterable[ZoneVisit], at_s: float) -> list[Intrusion]:
        """Take the visits that are not over; return those that have now lasted too long. Each is reported once.

        A track that is not found at the moment has not stayed: two false finds side by side are nobody.
        """
        visits = list(visits)
        if not visits:
            self._reported = []
            return []
        here = {visit.track_id for visit in visits}
        self._reported = [track_id for track_id in self._reported if track_id in here]
        if not self.forbidden(at_s):
            return []
        found = [
            Intrusion(visit.track_id, visit.entered_s, at_s)
            for visit in visits
            if visit.track_id not in self._reported
            and visit.seen_s is not None
            and visit.seen_s - visit.entered_s >= self._minimum_stay_s
        ]
        self._reported += [intrusion.track_id for intrusion in found]
        return found
