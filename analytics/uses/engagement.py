"""Engagement: who looks at a display, and how long.

The detector finds faces that are turned to the camera, so a camera at the display sees those who look at it, more or
less: a frontal face in the display's zone is taken for a look. It is a proxy, and no gaze.
"""

from analytics.presence import ZoneVisit


def looked_s(visit: ZoneVisit, minimum_stay_s: float) -> float | None:
    """Return how long a visit that is over looked at the display, in seconds; None for less than a look."""
    assert visit.left_s is not None
    seconds = visit.left_s - visit.entered_s
    return seconds if seconds >= minimum_stay_s else None
