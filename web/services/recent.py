"""The results of the last moments, for those who wait for one: pure, shared by threads."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from contracts.faces import FacesRecord
from contracts.offsets import SourceOffset

_Key = tuple[SourceOffset, str | None]
"""A frame's place, and the id of the log that it is a place in."""


@dataclass
class _Waiter:
    """One thread that waits for one result."""

    came: threading.Event = field(default_factory=threading.Event)
    record: FacesRecord | None = None


class RecentResults:
    """Remembers the newest results, the first of each frame, and wakes whoever waits for one.

    A result that comes after a picture was acknowledged and before somebody waits for it is remembered, so that it is
    not missed. `capacity_faces` bounds what is kept: each result counts as one more than its faces.
    """

    def __init__(self, capacity_faces: int = 100_000) -> None:
        self._capacity = capacity_faces
        self._size = 0
        self._lock = threading.Lock()
        self._records: OrderedDict[_Key, FacesRecord] = OrderedDict()
        self._waiters: dict[_Key, list[_Waiter]] = {}

    def add(self, record: FacesRecord) -> bool:
        """Take in a result; False when this frame already has one, which stays."""
        key = (record.source, record.log_id)
        with self._lock:
            if key in self._records:
                return False
            self._records[key] = record
            self._size += 1 + len(record.faces)
            while self._size > self._capacity and len(self._records) > 1:
                _, oldest = self._records.popitem(last=False)
                self._size -= 1 + len(oldest.faces)
            waiters = self._waiters.pop(key, [])
        for waiter in waiters:
            waiter.record = record
            waiter.came.set()
        return True

    def wait_for(self, source: SourceOffset, log_id: str | None, timeout_s: float) -> FacesRecord | None:
        """Return the first result of the frame at this place of this log as soon as it is there.

        None when `timeout_s` passed without it.
        """
        key = (source, log_id)
        with self._lock:
            record = self._records.get(key)
            if record is not None or timeout_s <= 0:
                return record
            waiter = _Waiter()
            self._waiters.setdefault(key, []).append(waiter)
        waiter.came.wait(timeout_s)
        with self._lock:
            waiting = self._waiters.get(key, [])
            if waiter in waiting:
                waiting.remove(waiter)
                if not waiting:
                    del self._waiters[key]
        return waiter.record

    def waiting(self) -> int:
        """How many threads wait now."""
        with self._lock:
            return sum(len(waiters) for waiters in self._waiters.values())
