"""The tracker: who in this frame is who of the frames before.

Boxes of 44 px that move nine of their own widths a second do not overlap from one frame to the next at 1 to 5 frames a
second, so overlap (SORT, Bewley et al. 2016; ByteTrack, Zhang et al. 2022) finds nothing to match. Here a find is
matched by its distance from the predicted position, in standard deviations of that prediction: a track of unknown speed
looks far around, one of known speed does not. All tracks of a camera are rows of one array.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analytics.tracking.association import Associator, Indices
from analytics.tracking.motion import (
    AT,
    COLUMNS,
    FIND_COLUMNS,
    HITS,
    ID,
    MISSES,
    RATIO,
    SIZE,
    VX,
    VY,
    Floats,
    X,
    Y,
    begin,
    correct,
    predict,
)
from analytics.tracking.parameters import TrackerParameters
from contracts.errors import ContractError

_CHECKPOINT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Detections:
    """The finds of one frame: boxes (n, 4) as left, top, right, bottom in pixels, and confidence (n,) from 0 to 1."""

    boxes_xyxy: Floats
    confidence: Floats

    def __post_init__(self) -> None:
        if self.boxes_xyxy.ndim != 2 or self.boxes_xyxy.shape[1] != 4:
            raise ContractError(f"expected boxes of shape (n, 4), got {self.boxes_xyxy.shape}")
        if self.confidence.shape != (len(self.boxes_xyxy),):
            raise ContractError(f"expected confidence of shape ({len(self.boxes_xyxy)},), got {self.confidence.shape}")


@dataclass(frozen=True)
class TrackPoint:
    """A track was found: centre and size in pixels at a time (seconds since 1970), and as which find of its frame."""

    track_id: int
    at_s: float
    x: float
    y: float
    width: float
    height: float
    confidence: float
    detection: int


@dataclass(frozen=True)
class TrackEnd:
    """A track will not be found again: when it was found last, where, and at which velocity (pixels a second)."""

    track_id: int
    last_s: float
    x: float
    y: float
    velocity_x: float
    velocity_y: float
    width: float
    height: float


@dataclass(frozen=True)
class TrackUpdate:
    """What a frame changed. A track's points are in the order of time; one just confirmed brings earlier ones."""

    points: Sequence[TrackPoint]
    ended: Sequence[TrackEnd]
    interval_s: float
    """The usual time between two frames, as far as known."""


class Tracker:
    """Follows the faces of one camera. Frames come in the order of time (see `ReorderWindow`).

    Ids begin at `first_id`, rise, and are never given twice; they are part of the checkpoint. Where frames are rare
    (`look_ahead_s`), a frame is held until the next one has come, and what `update` returns is of the frame before.
    """

    def __init__(
        self, image_size: tuple[int, int], parameters: TrackerParameters | None = None, first_id: int = 1
    ) -> None:
        self.parameters = parameters or TrackerParameters()
        self._image_size = image_size
        self._associator = Associator(image_size, self.parameters)
        self._next_id = first_id
        self._at_s: float | None = None  # of the newest frame
        self._interval_s = 0.0
        self._held: tuple[Floats, float] | None = None
        self._tracks = np.empty((0, COLUMNS))
        self._pending: list[list[TrackPoint]] = []  # of each track the points that wait for its confirmation

    @property
    def next_id(self) -> int:
        """The id that the next confirmed track will have."""
        return self._next_id

    def update(self, detections: Detections, at_s: float) -> TrackUpdate:
        """Match the finds of one frame, taken at `at_s` (seconds since 1970), to the tracks; begin and end tracks."""
        if self._at_s is not None:
            at_s = max(at_s, self._at_s + 1e-3)
            elapsed_s = min(at_s - self._at_s, self.parameters.lost_s)
            self._interval_s = elapsed_s if not self._interval_s else 0.8 * self._interval_s + 0.2 * elapsed_s
        self._at_s = at_s
        finds = _to_finds(detections)
        points: list[TrackPoint] = []
        ended: list[TrackEnd] = []
        if self._held is not None:
            self._decide(*self._held, (finds, at_s), points, ended)
            self._held = None
        if self._interval_s > self.parameters.look_ahead_s:
            self._held = (finds, at_s)
        else:
            self._decide(finds, at_s, None, points, ended)
        return TrackUpdate(points, ended, self._interval_s)

    def flush(self) -> TrackUpdate:
        """Decide the frame that is held, if any: no other will come, or not for long."""
        points: list[TrackPoint] = []
        ended: list[TrackEnd] = []
        if self._held is not None:
            self._decide(*self._held, None, points, ended)
            self._held = None
        return TrackUpdate(points, ended, self._interval_s)

    def _decide(
        self,
        finds: Floats,
        at_s: float,
        after: tuple[Floats, float] | None,
        points: list[TrackPoint],
        ended: list[TrackEnd],
    ) -> None:
        expected = predict(self._tracks, at_s, self.parameters)
        rows, columns = self._associator.match(self._tracks, expected, finds, at_s, self._interval_s, after)
        self._tracks[:, MISSES] += 1
        if len(rows):
            tracks = self._tracks[rows]
            correct(tracks, expected.of(rows), finds[columns], at_s, self.parameters.measurement)
            self._tracks[rows] = tracks
            self._report(rows, columns, finds, at_s, points)
        self._end(at_s, ended)
        self._begin(columns, finds, at_s)

    def _report(self, rows: Indices, columns: Indices, finds: Floats, at_s: float, points: list[TrackPoint]) -> None:
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            track_id = int(self._tracks[row, ID])
            if not track_id and self._tracks[row, HITS] >= self.parameters.confirm_hits:
                track_id = self._next_id
                self._next_id += 1
                self._tracks[row, ID] = track_id
                points += [replace(point, track_id=track_id) for point in self._pending[row]]
                self._pending[row] = []
            point = _point(track_id, finds[column].tolist(), column, at_s)
            (points if track_id else self._pending[row]).append(point)

    def _begin(self, matched: Indices, finds: Floats, at_s: float) -> None:
        """Begin a tentative track with each sure find that continues none."""
        fresh = finds[:, 4] >= self.parameters.second_pass_confidence
        fresh[matched] = False
        columns = np.flatnonzero(fresh)
        if len(columns):
            new = begin(finds[columns], at_s, self._image_size, self._interval_s, self.parameters)
            self._tracks = np.concatenate([self._tracks, new])
            self._pending += [[_point(0, finds[column].tolist(), column, at_s)] for column in columns.tolist()]

    def _end(self, at_s: float, ended: list[TrackEnd]) -> None:
        """Drop tracks that were not found for too long; the confirmed ones among them are reported."""
        tracks = self._tracks
        if not (tracks[:, MISSES] > 1).any():
            return
        confirmed = tracks[:, ID] > 0
        limit = np.where(confirmed, self.parameters.lost_s, self.parameters.tentative_s)
        over = (at_s - tracks[:, AT] > limit) & (tracks[:, MISSES] > np.where(confirmed, 2, 1))
        if over.any():
            ended += [_end_of(row) for row in tracks[over & confirmed].tolist()]
            self._tracks = tracks[~over]
            self._pending = [points for points, gone in zip(self._pending, over.tolist(), strict=True) if not gone]

    def checkpoint(self) -> bytes:
        """Return the whole state as compact JSON; `restore` makes the very same tracker of it."""
        state = {
            "version": _CHECKPOINT_VERSION,
            "image_size": self._image_size,
            "next_id": self._next_id,
            "at_s": self._at_s,
            "interval_s": self._interval_s,
            "held": None if self._held is None else [self._held[0].tolist(), self._held[1]],
            "tracks": self._tracks.tolist(),
            "pending": [
                [[p.at_s, p.x, p.y, p.width, p.height, p.confidence, p.detection] for p in points]
                for points in self._pending
            ],
        }
        return json.dumps(state, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, checkpoint: bytes, parameters: TrackerParameters | None = None) -> "Tracker":
        """Make a tracker of a checkpoint.

        Raises:
            ContractError: it is no checkpoint of this version.
        """
        try:
            state: dict[str, Any] = json.loads(checkpoint)
        except ValueError as error:
            raise ContractError(f"expected a tracker's checkpoint, got {checkpoint[:40]!r}") from error
        if state.get("version") != _CHECKPOINT_VERSION:
            raise ContractError(f"expected a checkpoint of version {_CHECKPOINT_VERSION}, got {state.get('version')}")
        width, height = state["image_size"]
        tracker = cls((width, height), parameters, state["next_id"])
        tracker._at_s, tracker._interval_s = state["at_s"], state["interval_s"]
        if state["held"] is not None:
            finds, at_s = state["held"]
            tracker._held = np.array(finds, np.float64).reshape(-1, FIND_COLUMNS), at_s
        tracker._tracks = np.array(state["tracks"], np.float64).reshape(-1, COLUMNS)
        tracker._pending = [[TrackPoint(0, *fields) for fields in points] for points in state["pending"]]
        return tracker


def _to_finds(detections: Detections) -> Floats:
    boxes = detections.boxes_xyxy
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    finds = np.empty((len(boxes), FIND_COLUMNS))
    finds[:, :2] = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    finds[:, 2] = np.log(sides[:, 0])
    finds[:, 3] = sides[:, 1] / sides[:, 0]
    finds[:, 4] = detections.confidence
    return finds


def _point(track_id: int, find: list[float], column: int, at_s: float) -> TrackPoint:
    x, y, size, ratio, confidence = find
    width = math.exp(size)
    return TrackPoint(track_id, at_s, x, y, width, ratio * width, confidence, column)


def _end_of(track: list[float]) -> TrackEnd:
    width = math.exp(track[SIZE])
    return TrackEnd(int(track[ID]), track[AT], track[X], track[Y], track[VX], track[VY], width, width * track[RATIO])
