"""Tracks of faces that are small and seen seldom: who in this frame is who of the frames before."""

from analytics.tracking.leaps import Dated, LeapGuard, Passed
from analytics.tracking.parameters import TrackerParameters
from analytics.tracking.reorder import Ordered, ReorderWindow
from analytics.tracking.tracker import Detections, TrackEnd, Tracker, TrackPoint, TrackUpdate, to_find, to_finds

__all__ = [
    "Dated",
    "Detections",
    "LeapGuard",
    "Ordered",
    "Passed",
    "ReorderWindow",
    "TrackEnd",
    "TrackPoint",
    "TrackUpdate",
    "Tracker",
    "TrackerParameters",
    "to_find",
    "to_finds",
]
