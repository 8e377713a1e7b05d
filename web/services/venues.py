"""How many people are in a venue, and its count begun anew."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from analytics.uses.resets import DailyResets, inside_venue
from contracts.times import to_rfc3339
from settings import Settings
from storage.venues import Venues


def now() -> datetime:
    """Return the time."""
    return datetime.now(timezone.utc)


class VenueCounts:
    """What all cameras of a venue have counted."""

    def __init__(self, venues: Venues, settings: Settings, clock: Callable[[], datetime] = now) -> None:
        self._venues = venues
        self._resets = DailyResets(settings.venue_resets)
        self._clock = clock

    def inside(self, venue: str) -> int:
        """Return how many are inside.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return inside_venue(venue, self._venues.tallies(venue), self._resets, self._clock().timestamp())

    def reset(self, venue: str) -> dict[str, Any] | None:
        """Begin anew at nobody; return what is told of that, None when no camera has counted into the venue.

        Raises:
            UnavailableError: MongoDB does not answer; to reset again is safe.
        """
        before, at = self.inside(venue), self._clock()
        if not self._venues.reset(venue, at):
            return None
        return {"venue": venue, "inside_before": before, "at": to_rfc3339(at)}
