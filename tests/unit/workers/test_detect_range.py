"""What a task answers for records that are no frames: each is failed and put aside, and its neighbours are detected."""

from datetime import datetime, timezone

import pytest

from contracts.faces import FacesRecord, Status
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange
from messaging.reader import RangeRead
from messaging.records import LogRecord
from workers.detect_range import RangeProcessor

AT = datetime(2026, 11, 23, tzinfo=timezone.utc)
AT_MS = round(AT.timestamp() * 1000)


class OnePart:
    """A log of one part."""

    def __init__(self, records):
        self.records = records

    def read_parts(self, topic, partition, offsets):
        yield RangeRead(self.records)


class NoFaces:
    """Finds nothing on any frame."""

    def analyse(self, frames, *_):
        return [
            FacesRecord(frame.source, frame.camera_id, frame.frame_id, frame.captured_at, AT, Status.OK)
            for frame in frames
        ]


class Published:
    """Keeps what is published."""

    def __init__(self):
        self.outcomes = []

    def publish(self, task, outcomes, service_ms):
        self.outcomes += outcomes

    def say_alive(self, task):
        pass


@pytest.mark.parametrize("key", [b"x" * 300_000, b"x" * 201, b"a\x00b", b" "])
@pytest.mark.parametrize("attempt", [1, 5])
def test_a_key_that_names_no_camera_is_a_failure_of_its_own_record(key, attempt):
    keys = [b"gate", key, b"gate"]
    records = [
        LogRecord(SourceOffset("frames", 2, 7 + number), AT_MS, key, b"picture") for number, key in enumerate(keys)
    ]
    published = Published()
    processor = RangeProcessor(
        OnePart(records),
        NoFaces(),
        published,
        lambda frame: NoFaces().analyse([frame])[0],
        lambda: AT,
        lambda *measured: None,
    )

    processor.process(DetectRange("frames", 2, 7, 10, attempt))

    results = {outcome.offsets: outcome for outcome in published.outcomes}
    assert {offsets.start: one.result.status for offsets, one in results.items()} == {
        7: Status.OK,
        8: Status.FAILED,
        9: Status.OK,
    }
    refused = results[OffsetRange(8, 9)]
    assert refused.result.camera_id == "camera-2"
    assert refused.result.captured_at == AT
    assert "camera_id" in refused.result.error
    assert refused.dead == records[1]
