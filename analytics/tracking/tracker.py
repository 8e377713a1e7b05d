"""The tracker: who in this frame is who of the frames before.

Boxes of 44 px that move nine of their own widths a second do not overlap from one frame to the next at 1 to 5 frames a
second, so overlap (SORT, Bewley et al. 2016; ByteTrack, Zhang et al. 2022) finds nothing to match. Here a find is
matched by its distance from the predicted position, in standard deviations of that prediction: a track of unknown speed
looks far around, one of known speed does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import msgspec.structs
import numpy as np
from numpy.typing import NDArray

from analytics.tracking.association import Associator, Frame, Future
from analytics.tracking.motion import Find, Motion, Track
from analytics.tracking.parameters import TrackerParameters
from contracts.errors import ContractError

Floats = NDArray[np.float64]

_CHECKPOINT_VERSION = 4


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


class TrackPoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A track was found: centre and size in pixels at a time (seconds since 1970), and as which find of its frame."""

    track_id: int
    at_s: float
    x: float
    y: float
    width: float
    height: float
    confidence: float
    detection: int


class TrackEnd(msgspec.Struct, frozen=True, gc=False):
    """A track will not be found again: when it was found last, where, and at which velocity (pixels a second)."""

    track_id: int
    last_s: float
    x: float
    y: float
    velocity_x: float
    velocity_y: float
    width: float
    height: float


class TrackUpdate(msgspec.Struct, frozen=True):
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
        self._motion = Motion(image_size, self.parameters)
        self._associator = Associator(image_size, self._motion, self.parameters)
        self._next_id = first_id
        self._at_s: float | None = None  # of the newest frame
        self._interval_s = 0.0
        self._held: Frame | None = None
        self._tracks: list[Future] = []
        self._pending: list[list[TrackPoint]] = []  # of each track the points that wait for its confirmation

    @property
    def next_id(self) -> int:
        """The id that the next confirmed track will have."""
        return self._next_id

    def update(self, detections: Detections, at_s: float) -> TrackUpdate:
        """Match the finds of one frame, taken at `at_s` (seconds since 1970), to the tracks; begin and end tracks."""
        boxes = detections.boxes_xyxy.tolist()
        return self.follow(to_finds(boxes, detections.confidence.tolist()), at_s)

    def follow(self, finds: Sequence[Find], at_s: float) -> TrackUpdate:
        """Do what `update` does, with finds that are at hand."""
        if self._at_s is not None:
            at_s = max(at_s, self._at_s + 1e-3)
            elapsed_s = min(at_s - self._at_s, self.parameters.lost_s)
            self._interval_s = elapsed_s if not self._interval_s else 0.8 * self._interval_s + 0.2 * elapsed_s
        self._at_s = at_s
        frame = Frame(finds, at_s, self._interval_s, self._motion)
        points: list[TrackPoint] = []
        ended: list[TrackEnd] = []
        if self._held is not None:
            self._decide(self._held, frame, points, ended)
            self._held = None
        if self._interval_s > self.parameters.look_ahead_s:
            self._held = frame
        else:
            self._decide(frame, None, points, ended)
        return TrackUpdate(points, ended, self._interval_s)

    def flush(self) -> TrackUpdate:
        """Decide the frame that is held, if any: no other will come, or not for long."""
        points: list[TrackPoint] = []
        ended: list[TrackEnd] = []
        if self._held is not None:
            self._decide(self._held, None, points, ended)
            self._held = None
        return TrackUpdate(points, ended, self._interval_s)

    def finish(self) -> TrackUpdate:
        """Decide the frame that is held and end all tracks: what comes next has nothing to do with them."""
        update = self.flush()
        ended = [*update.ended, *(_end_of(one.track) for one in self._tracks if one.track.track_id)]
        self._tracks, self._pending = [], []
        return TrackUpdate(update.points, ended, self._interval_s)

    def _decide(self, frame: Frame, after: Frame | None, points: list[TrackPoint], ended: list[TrackEnd]) -> None:
        decision = self._associator.match(self._tracks, frame, after)
        futures, self._tracks = self._tracks, []
        pending, self._pending = self._pending, []
        for row, future in enumerate(futures):
            match = decision.matches.get(row)
            if match is not None:
                find, future = match
                point = _point(future.track.track_id, frame.finds[find], frame.at_s)
                future = self._report(future, pending[row], point, points)
            else:
                future = decision.missed.get(row) or Future(future.track.missed())
                if self._is_over(future.track, frame.at_s):
                    if future.track.track_id:
                        ended.append(_end_of(future.track))
                    continue
            self._tracks.append(future)
            self._pending.append(pending[row])
        self._begin({find for find, _ in decision.matches.values()}, decision.fresh, frame)

    def _report(self, future: Future, pending: list[TrackPoint], point: TrackPoint, points: list[TrackPoint]) -> Future:
        """Report a point of a track, or keep it until the track is confirmed; returns the track."""
        track_id = future.track.track_id
        if not track_id and future.track.hits >= self.parameters.confirm_hits:
            track_id, self._next_id = self._next_id, self._next_id + 1
            future = Future(future.track.named(track_id), future.continuations)
            points += [msgspec.structs.replace(one, track_id=track_id) for one in pending]
            pending.clear()
            point = msgspec.structs.replace(point, track_id=track_id)
        (points if track_id else pending).append(point)
        return future

    def _begin(self, matched: set[int], fresh: dict[int, Future], frame: Frame) -> None:
        """Begin a tentative track with each sure find that continues none."""
        for column, find in enumerate(frame.finds):
            if column not in matched and find.confidence >= self.parameters.second_pass_confidence:
                begun = fresh.get(column) or Future(self._motion.begin(find, frame.entries[column], frame.at_s))
                self._tracks.append(begun)
                self._pending.append([_point(0, find, frame.at_s)])

    def _is_over(self, track: Track, at_s: float) -> bool:
        """Whether a track that was not found was not for too long, or has left the picture."""
        if track.track_id:
            lost = track.misses > 2 and at_s - track.at_s > self.parameters.lost_s
            return lost or self._motion.has_left(track, at_s)
        return track.misses > 1 and at_s - track.at_s > self.parameters.tentative_s

    def checkpoint(self) -> bytes:
        """Return the whole state as compact JSON; `restore` makes the very same tracker of it."""
        held = self._held
        state = _State(
            version=_CHECKPOINT_VERSION,
            image_size=self._image_size,
            next_id=self._next_id,
            at_s=self._at_s,
            interval_s=self._interval_s,
            held=None if held is None else (held.finds, held.at_s, held.interval_s),
            tracks=[future.track for future in self._tracks],
            pending=self._pending,
        )
        return msgspec.json.encode(state)

    @classmethod
    def restore(cls, checkpoint: bytes, parameters: TrackerParameters | None = None) -> "Tracker":
        """Make a tracker of a checkpoint.

        Raises:
            ContractError: it is no checkpoint of this version.
        """
        try:
            state = msgspec.json.decode(checkpoint, type=_State)
        except msgspec.DecodeError as error:
            raise ContractError(f"expected a tracker's checkpoint, got {checkpoint[:40]!r}: {error}") from error
        if state.version != _CHECKPOINT_VERSION:
            raise ContractError(
                f"expected a tracker's checkpoint of version {_CHECKPOINT_VERSION}, got {state.version}"
            )
        tracker = cls(state.image_size, parameters, state.next_id)
        tracker._at_s, tracker._interval_s = state.at_s, state.interval_s
        if state.held is not None:
            finds, at_s, interval_s = state.held
            tracker._held = Frame(finds, at_s, interval_s, tracker._motion)
        tracker._tracks, tracker._pending = [Future(track) for track in state.tracks], state.pending
        return tracker


class _State(msgspec.Struct, frozen=True):
    """A tracker's checkpoint."""

    version: int
    image_size: tuple[int, int]
    next_id: int
    at_s: float | None
    interval_s: float
    held: tuple[list[Find], float, float] | None
    tracks: list[Track]
    pending: list[list[TrackPoint]]


def to_finds(boxes_xyxy: Sequence[Sequence[float]], confidence: Sequence[float]) -> list[Find]:
    """Return the finds of boxes (left, top, right, bottom in pixels); none is less than a pixel wide or high."""
    return [
        to_find(left, top, right - left, bottom - top, score, number)
        for number, ((left, top, right, bottom), score) in enumerate(zip(boxes_xyxy, confidence, strict=True))
    ]


def to_find(left: float, top: float, width: float, height: float, confidence: float, number: int) -> Find:
    """Return the find of a box in pixels, at least one wide and high; `number` is its place in the frame."""
    x, y = left + width * 0.5, top + height * 0.5
    width, height = float(width) if width > 1 else 1.0, height if height > 1 else 1
    return Find(x, y, width, math.log(width), math.log(height), float(confidence), number)


def _point(track_id: int, find: Find, at_s: float) -> TrackPoint:
    height = math.exp(find.log_height)
    return TrackPoint(track_id, at_s, find.x, find.y, find.width, height, find.confidence, find.detection)


def _end_of(track: Track) -> TrackEnd:
    _, x, y, x_speed, y_speed, *_ = track.ways[0]
    width, height = math.exp(track.log_width), math.exp(track.log_height)
    return TrackEnd(track.track_id, track.at_s, x, y, x_speed, y_speed, width, height)
