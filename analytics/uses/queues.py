"""Queues: who waited, and how long."""

from analytics.presence import ZoneVisit


def waited_s(visit: ZoneVisit, minimum_stay_s: float) -> float | None:
    """Return how long a visit that is over was a wait, in seconds; None for somebody who only passed by."""
    assert visit.left_s is not None
    seconds = visit.left_s - visit.entered_s
    return seconds if seconds >= minimum_stay_s else None
