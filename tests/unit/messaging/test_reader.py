"""A read of the log that brings nothing."""

import pytest
from kafka import TopicPartition

from contracts.errors import UnavailableError
from contracts.offsets import OffsetRange
from messaging.reader import _read_parts


class _Silent:
    """A consumer whose broker answers, and gives no record."""

    def seek(self, place, offset):
        self._at = offset

    def poll(self, **_):
        return {}

    def position(self, place, **_):
        return self._at

    def end_offsets(self, places, **_):
        return dict.fromkeys(places, 100)


def test_a_read_that_brings_nothing_ends():
    with pytest.raises(UnavailableError, match="did not give"):
        list(_read_parts(_Silent(), TopicPartition("frames", 0), OffsetRange(3, 9), timeout_s=0.05, damage=[]))
