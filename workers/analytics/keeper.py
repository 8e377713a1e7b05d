"""The states of the cameras of all partitions that are owned, and how they are kept.

A checkpoint holds a camera's state, the offset up to which it stands, and what is to be told, in one document. What is
to be told is delivered after that is written, and once more by the next process when one was killed in between.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

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
_SAVE_EVERY_S = 5.0
_MOST_OUTPUTS = 5000


@dataclass
class _Held:
    """A camera on a partition.

    Attributes:
        version: of the checkpoint that was written last; 0 before the first.
        offset: of the first record that is not in the state.
        dirty_from: offset of the first record that is in the state and not in the checkpoint; None for none.
        changed: whether the state differs from the checkpoint.
        saved_s: when it was last saved, on the clock that `save` is told.
        pending: the checkpoint that is being written, with its outputs; kept until both are where they belong.
    """

    run: CameraRun
    version: int = 0
    offset: int = 0
    dirty_from: int | None = None
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

    def load(self, partition: int, end: int, now_s: float) -> None:
        """Take a partition over, whose log ends at `end`, and deliver what may not have been.

        A state from beyond the end belongs to a log that is no more: it goes on with the new one.

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
            held[one.camera_id] = _Held(run, one.version, one.offset if one.offset <= end else 0, changed=changed)
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

    def take(self, partition: int, offset: int, record: FacesRecord, now_s: float) -> bool:
        """Take a result at an offset of `Faces`; return False when the state held it already."""
        cameras = self._held[partition]
        held = cameras.get(record.camera_id)
        if held is None:
            run = CameraRun(record.camera_id, self._cameras.get(record.camera_id), self._settings)
            held = cameras[record.camera_id] = _Held(run, saved_s=now_s)
        if offset < held.offset:
            return False
        held.run.take(record, now_s)
        held.offset, held.changed = offset + 1, True
        if held.dirty_from is None:
            held.dirty_from = offset
        return True

    def watch(self, now_s: float, since_s: float) -> None:
        """Judge the silence of the cameras; before `since_s` nobody listened."""
        for held in self._all():
            if held.run.watch(now_s, since_s):
                held.changed = True

    def save(self, now_s: float, *, urgent: bool = True, everything: bool = False) -> set[int]:
        """Write the checkpoints that are due and deliver their outputs.

        Cameras with events are due at once when that is `urgent`, others every few seconds.

        Returns:
            Partitions that another process was found to own; they are forgotten.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        again = any(held.pending is not None for held in self._all())
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
            held.dirty_from, held.changed, held.pending = None, False, None
        for partition in lost:
            log.warning("another process went on with partition %d", partition)
            self.drop(partition)
        return lost

    def safe_offset(self, partition: int, position: int) -> int:
        """Return the offset from which a next process has to read, when `position` is the one to be read next."""
        dirty = [held.dirty_from for held in self._held[partition].values() if held.dirty_from is not None]
        return min(dirty, default=position)

    def partitions(self) -> list[int]:
        """The partitions that are held."""
        return list(self._held)

    def count(self) -> int:
        """Return how many cameras are held."""
        return sum(map(len, self._held.values()))

    def _all(self) -> list[_Held]:
        return [held for cameras in self._held.values() for held in cameras.values()]


def _is_due(held: _Held, now_s: float, urgent: bool) -> bool:
    if not held.changed:
        return False
    age_s, outputs = now_s - held.saved_s, held.run.outputs
    return (
        age_s >= _SAVE_EVERY_S
        or age_s < 0  # the clock was set back
        or len(outputs) >= _MOST_OUTPUTS
        or (urgent and outputs.urgent and age_s >= _URGENT_S)
    )


def _pending(partition: int, held: _Held) -> tuple[Checkpoint, Outputs]:
    outputs = held.run.take_outputs()
    checkpoint = Checkpoint(
        partition, held.run.camera_id, held.version + 1, held.offset, held.run.state(), outputs.encode()
    )
    return checkpoint, outputs
