"""What each use of the analytics says of a stretch of time: pure, from occupancy and events."""

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

from analytics.uses.attendance import Counted
from contracts.occupancy import Occupancy
from storage.events import Happening

Fields = dict[str, Any]


def occupancy(spans: Collection[Occupancy]) -> Fields:
    """How many people were there."""
    if not spans:
        return {"mean": None, "min": None, "max": None}
    whole = reduce(add, spans)
    return {"mean": _round(whole.mean), "min": whole.least, "max": whole.most}


def flow(crossed: Collection[Happening]) -> Fields:
    """How many crossed, each way."""
    went_in = sum(one.direction == "in" for one in crossed)
    return {"in": went_in, "out": len(crossed) - went_in}


def dwell(visits: Collection[Happening]) -> Fields:
    """How long the visits were that ended."""
    seconds = sorted(_seconds(visits))
    if not seconds:
        return {"visits": 0, "mean_s": None, "median_s": None, "p90_s": None}
    return {
        "visits": len(seconds),
        "mean_s": _round(statistics.fmean(seconds)),
        "median_s": _round(statistics.median(seconds)),
        "p90_s": _round(seconds[math.ceil(0.9 * len(seconds)) - 1]),
    }


def queue(lengths: Iterable[Occupancy], joined: Collection[Happening], served: Collection[Happening]) -> Fields:
    """How long the queue was, and how long those waited who were served: the mean with its 95 % interval.

    `little_s` is the wait by Little's law (Little 1961): what all stood there together, for each who joined.
    """
    spans, waits = list(lengths), _seconds(served)
    mean = statistics.fmean(waits) if waits else None
    half = 1.96 * statistics.stdev(waits) / math.sqrt(len(waits)) if len(waits) > 1 else None
    return {
        "length": _round(sum(one.mean for one in spans)) if spans else None,
        "arrivals": len(joined),
        "served": len(served),
        "wait_s": _round(mean),
        "wait_low_s": None if mean is None or half is None else _round(max(mean - half, 0.0)),
        "wait_high_s": None if mean is None or half is None else _round(mean + half),
        "little_s": _round(sum(one.people_s for one in spans) / len(joined)) if spans and joined else None,
    }


def engagement(looks: Collection[Happening]) -> Fields:
    """How many looked at the display, and how long."""
    seconds = _seconds(looks)
    return {"viewers": len(seconds), "mean_s": _round(statistics.fmean(seconds)) if seconds else None}


def attendance(spans: Iterable[Occupancy]) -> Fields:
    """How many different people came into the picture, with the least and the most that it may have been."""
    counted = _counted(spans)
    low, high = counted.interval()
    return {"unique": max(counted.unique, 0), "low": low, "high": high}


def attendance_of_zone(entered: Iterable[Happening], picture: Iterable[Occupancy]) -> Fields:
    """How many different people came into a zone: its tracks, by the share of tracks that are somebody new."""
    tracks, whole = len({one.track_id for one in entered}), _counted(picture)
    part = tracks / whole.tracks if whole.tracks else 0.0
    low, high = whole.interval()
    unique = min(round(part * whole.unique), tracks)
    return {"unique": unique, "low": min(math.floor(part * low), unique), "high": max(math.ceil(part * high), unique)}


def evacuation(exits: Sequence[str], passed: Collection[Happening], seconds: float, inside: Occupancy | None) -> Fields:
    """How many a minute left by each exit, and how many are still there."""
    per_minute = {name: _round(60 * sum(one.zone == name for one in passed) / seconds) for name in exits}
    return {"per_minute": per_minute, "remaining": None if inside is None else inside.last}


def cleared_at(spans: Sequence[Occupancy]) -> int | None:
    """Return from when on nobody was there, in seconds since 1970; None when somebody still is, or nobody ever was."""
    occupied = [one for one in spans if one.most > 0]
    later = [one.at_s for one in spans if occupied and one.at_s > occupied[-1].at_s]
    return min(later, default=None)


def anomalies(spans: Sequence[Occupancy]) -> Fields:
    """How unusual the count was for the hour and weekday, where it was most unusual."""
    judged = [one for one in spans if one.score is not None]
    if not judged:
        observed = _round(reduce(add, spans).mean) if spans else None
        return {"score": None, "expected": None, "observed": observed}
    most = max(judged, key=lambda one: abs(one.score or 0.0))
    return {"score": _round(most.score), "expected": _round(most.expected), "observed": _round(most.mean)}


def _counted(spans: Iterable[Occupancy]) -> Counted:
    return reduce(add, (Counted(one.tracks, one.joined, one.unexplained) for one in spans), Counted())


def _seconds(found: Iterable[Happening]) -> list[float]:
    return [one.seconds for one in found if one.seconds is not None]


def _round(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
