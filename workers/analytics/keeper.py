"""The states of the cameras of all partitions that are owned, and how they are kept.

A checkpoint holds a camera's state, the offset up to which it stands, and what is to be told, in one document. What is
to be told is delivered after that is written, and once more by the next process when one was killed in between.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.cameras import Camera
from contracts.errors import ContractError
from contracts.faces import FacesRecord
from settings import Settings
from storage.checkpoints import Checkpoint, Checkpoints
from workers.analytics.camera_run import CameraRun
from workers.analytics.delivery import Delivery
from workers.analytics.outputs import Outputs

log = logging.getLogger(__name__)

_URGENT_S = 0.5
_MOST_OUTPUTS = 5000


@dataclass
class _Taken:
    """What the state holds of a source topic: everything below an offset of the log with this id, if that is known."""

    log_id: str | None
    offset: int


@dataclass
class _Held:
    """A camera on a partition.

    Attributes:
        version: of the checkpoint that was written last; 0 before the first.
        offset: in `Faces`, one past the last record that is in the state.
        taken: what the state holds of our own source topics.
        all_before: offset in `Faces` below which the state holds everything, whatever `taken` says.
        changed: whether the state differs from the checkpoint.
        saved_s: when it was last saved, on the clock that `save` is told.
        pending: the checkpoint that is being written, with its outputs; kept until both are where they belong.
    """

    run: CameraRun
    version: int = 0
    offset: int = 0
    taken: dict[str, _Taken] = field(default_factory=dict)
    all_before: int = 0
    changed: bool = False
    saved_s: float = 0.0
    pending: tuple[Checkpoint, Outputs] | None = None


class Keeper:
    """Owns the states. A method that raises `UnavailableError` can be called again, and then goes on."""

    def __init__(self, checkpoints: Checkpoints, delivery: Delivery, settings: Settings) -> None:
        self._checkpoints = checkpoints
        self._delivery = delivery
        self._settings = settings
        self._cameras: Mapping[str, Camera] = {}
        self._held: dict[int, dict[str, _Held]] = {}

    def load(self, partition: int, end: int, source_ends: Mapping[str, int], now_s: float) -> None:
        """Take a partition over, and deliver what may not have been.

        A state from beyond the end of a log belongs to a log that is no more: it goes on with the new one.

        Args:
            partition: of `Faces`.
            end: where its log ends.
            source_ends: where the logs of the source topics end, as far as known.
            now_s: the time.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        held: dict[str, _Held] = {}
        told: list[tuple[int, Outputs]] = []
        for one in self._checkpoints.of_partition(partition):
            try:
                run = CameraRun.restore(one.camera_id, one.state, self._settings)
            except ContractError as error:
                log.warning("%s begins anew, its checkpoint cannot be read: %s", one.camera_id, error)
                run = CameraRun(one.camera_id, self._cameras.get(one.camera_id), self._settings)
            changed = run.follow(self._cameras.get(one.camera_id), now_s)
            held[one.camera_id] = _resumed(one, run, end, source_ends, changed)
            told.append((one.version, Outputs.decode(one.outputs)))
        self._delivery.deliver(told, again=True)
        self._held[partition] = held

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        self._held.pop(partition, None)

    def follow(self, cameras: Mapping[str, Camera], now_s: float) -> None:
        """Go on with these settings of the cameras; those left out go on with the defaults."""
        self._cameras = cameras
        for held in self._all():
            camera_id = held.run.camera_id
            if held.run.follow(cameras.get(camera_id), now_s):
                log.info("%s: settings changed", camera_id)
                held.changed = True

    def take(self, partition: int, offset: int, record: FacesRecord, now_s: float, *, ordered: bool = False) -> bool:
        """Take a result; return False when the state holds it, or something that comes after it.

        Args:
            partition: of `Faces`.
            offset: its offset there.
            record: the result.
            now_s: the time.
            ordered: whether results come in the order of their source offsets, not in that of `Faces`.
        """
        cameras = self._held[partition]
        held = cameras.get(record.camera_id)
        if held is None:
            run = CameraRun(record.camera_id, self._cameras.get(record.camera_id), self._settings)
            held = cameras[record.camera_id] = _Held(run, saved_s=now_s)
        if ordered:
            is_new = _note(held, offset, record)
        else:
            is_new = offset >= held.offset
        if is_new:
            held.run.take(record, now_s)
            held.offset, held.changed = max(held.offset, offset + 1), True
        return is_new

    def watch(self, now_s: float, since_s: float, held_since_s: Mapping[int, float]) -> None:
        """Judge the silence of the cameras.

        Args:
            now_s: the time.
            since_s: before that nobody listened.
            held_since_s: since when results of a partition are held up: a camera's may be among them.
        """
        for partition, cameras in self._held.items():
            until_s = min(now_s, held_since_s.get(partition, now_s))
            for held in cameras.values():
                if held.run.watch(until_s, since_s):
                    held.changed = True

    def save(self, now_s: float, *, urgent: bool = True, everything: bool = False) -> set[int]:
        """Write the checkpoints that are due and deliver their outputs.

        Cameras with events are due at once when that is `urgent`. With `everything` all that changed is saved, so that
        what was taken may be committed.

        Returns:
            Partitions that another process was found to own; they are forgotten.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        again = any(held.pending is not None for held in self._all())
        if again and everything:
            lost_before = self.save(now_s)
            return lost_before | self.save(now_s, everything=True)
        if not again:
            for partition, cameras in self._held.items():
                for held in cameras.values():
                    if (everything and held.changed) or _is_due(held, now_s, urgent):
                        held.pending = _pending(partition, held)
        saving = [(partition, held) for partition, cameras in self._held.items() for held in cameras.values()]
        saving = [(partition, held) for partition, held in saving if held.pending is not None]
        if not saving:
            return set()
        pending = [held.pending for _, held in saving if held.pending is not None]
        refused = self._checkpoints.write([checkpoint for checkpoint, _ in pending])
        lost = {checkpoint.partition for checkpoint, _ in pending if checkpoint.key in refused}
        ours = [(checkpoint.version, outputs) for checkpoint, outputs in pending if checkpoint.key not in refused]
        self._delivery.deliver(ours, again=again)
        for _, held in saving:
            held.version, held.saved_s = held.version + 1, now_s
            held.changed, held.pending = False, None
        for partition in lost:
            log.warning("another process went on with partition %d", partition)
            self.drop(partition)
        return lost

    def partitions(self) -> list[int]:
        """The partitions that are held."""
        return list(self._held)

    def count(self) -> int:
        """Return how many cameras are held."""
        return sum(map(len, self._held.values()))

    def _all(self) -> list[_Held]:
        return [held for cameras in self._held.values() for held in cameras.values()]


def _resumed(one: Checkpoint, run: CameraRun, end: int, source_ends: Mapping[str, int], changed: bool) -> _Held:
    """Go on from a checkpoint, with what it holds of the logs that there still are."""
    offset = one.offset if one.offset <= end else 0
    taken = {
        topic: _Taken(log_id, stop)
        for topic, log_id, stop in one.taken or ()
        if topic not in source_ends or stop <= source_ends[topic]
    }
    changed = changed or offset != one.offset or len(taken) != len(one.taken or ())
    return _Held(run, one.version, offset, taken, offset if one.taken is None else 0, changed)


def _note(held: _Held, offset: int, record: FacesRecord) -> bool:
    """Note that a state will hold a result that came in order; return False when it does already."""
    source, log_id = record.source, record.log_id
    taken = held.taken.get(source.topic)
    if taken is None or (log_id is not None and taken.log_id not in (None, log_id)):  # the topic was made anew
        taken = held.taken[source.topic] = _Taken(log_id, 0)
    if source.offset < taken.offset:
        return False
    taken.log_id, taken.offset = log_id or taken.log_id, source.offset + 1
    held.changed = True
    return offset >= held.all_before


def _is_due(held: _Held, now_s: float, urgent: bool) -> bool:
    if not held.changed:
        return False
    age_s, outputs = now_s - held.saved_s, held.run.outputs
    return (
        age_s < 0  # the clock was set back
        or len(outputs) >= _MOST_OUTPUTS
        or (urgent and outputs.urgent and age_s >= _URGENT_S)
    )


def _pending(partition: int, held: _Held) -> tuple[Checkpoint, Outputs]:
    outputs = held.run.take_outputs()
    taken = tuple((topic, one.log_id, one.offset) for topic, one in held.taken.items())
    checkpoint = Checkpoint(
        partition, held.run.camera_id, held.version + 1, held.offset, held.run.state(), outputs.encode(), taken or None
    )
    return checkpoint, outputs
