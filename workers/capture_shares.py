"""Which cameras this process captures, where several share them: by leases, each process about as many."""

import math
from collections.abc import Collection

from storage.leases import Leases


class CaptureShare:
    """This process's part of the cameras. A process that dies loses its part to the others when its leases run out."""

    def __init__(self, cameras: Leases, members: Leases, owner: str) -> None:
        """Take the leases of cameras and of the processes that capture, both in the name of `owner`."""
        self._cameras = cameras
        self._members = members
        self._owner = owner
        self._mine: set[str] = set()

    def claim(self, camera_ids: Collection[str]) -> frozenset[str]:
        """Return which of these cameras are this process's for now; call it well within the time of a lease.

        Raises:
            UnavailableError: MongoDB does not answer; what was claimed before is best kept.
        """
        self._members.acquire(self._owner)
        kept = self._cameras.renew(self._mine & set(camera_ids)) if self._mine else set()
        share = math.ceil(len(camera_ids) / max(1, len(self._members.held())))
        too_many = sorted(kept)[share:]
        unwanted = {*too_many, *(self._mine - set(camera_ids))}
        self._mine = kept - unwanted
        if unwanted:
            self._cameras.release(unwanted)
        if len(self._mine) < share:
            taken = self._cameras.held()
            for camera_id in sorted(set(camera_ids) - taken.keys() - unwanted):
                if len(self._mine) >= share:
                    break
                if self._cameras.acquire(camera_id):
                    self._mine.add(camera_id)
        return frozenset(self._mine)

    def leave(self) -> None:
        """Give all back.

        Raises:
            UnavailableError: MongoDB does not answer; the leases run out by themselves.
        """
        self._cameras.release(self._mine)
        self._members.release([self._owner])
        self._mine.clear()
