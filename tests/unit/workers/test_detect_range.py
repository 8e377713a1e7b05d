"""A detection task ends: whatever goes wrong with a frame is its failure, and servers that are away are nobody's."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime, timezone

import pytest

from contracts.errors import NeverWrittenError, TooLargeError, UnavailableError, UnreadableError
from contracts.faces import MOST_FACES, BoundingBox, Face, FacesRecord, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from contracts.tasks import DetectRange
from messaging.reader import RangeRead
from messaging.records import LogRecord
from settings import Settings
from workers.detect_range import RangeProcessor
from workers.outcomes import OutcomePublisher, fit

NOW = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
AT_MS = int(NOW.timestamp() * 1000)


def log_record(offset, key=b"gate", headers=()):
    return LogRecord(SourceOffset("frames", 1, offset), AT_MS, key, b"picture", headers)


def result_of(frame, faces=()):
    return FacesRecord(frame.source, frame.camera_id, frame.frame_id, frame.captured_at, NOW, Status.OK, faces)


def faces(count):
    box = BoundingBox(1, 2, 3, 4)
    return tuple(Face(number, box, (number % 1000) / 1000) for number in range(count))


class Log:
    """Stands for the log: gives some records, or raises."""

    def __init__(self, records=(), error: Exception | None = None) -> None:
        self.records, self.error = records, error

    def read_parts(self, topic, partition, offsets) -> Iterator[RangeRead]:
        yield RangeRead(records=list(self.records))
        if self.error is not None:
            raise self.error

    def log_id(self, topic):
        return "aGVsbG8"


class Analyser:
    """Stands for the detector: answers every frame, or raises."""

    def __init__(self, error: Exception | None = None, found=()) -> None:
        self.error, self.found = error, found

    def analyse(self, frames, loading=None):
        given = list(frames)
        if self.error is not None:
            raise self.error
        return [result_of(frame, self.found) for frame in given]


class Broker:
    """Stands for the producer: keeps what it is given, and refuses what is too large."""

    def __init__(self, most_bytes=16_000_000, error: Exception | None = None) -> None:
        self.most_bytes, self.error, self.sent = most_bytes, error, []

    def send(self, topic, value, *, key=None, partition=None, headers=None):
        if self.error is not None:
            raise self.error
        if len(value or b"") > self.most_bytes:
            raise TooLargeError("the record is too large")
        self.sent.append((topic, value, key, partition, dict(headers)))
        done: Future[SourceOffset] = Future()
        done.set_result(SourceOffset(topic, 0, 0))
        return done

    def flush(self, timeout_s):
        pass

    def results(self):
        found = [FacesRecord.decode(value) for topic, value, *_ in self.sent if topic == "Faces" and value]
        return {result.source.offset: result for result in found}

    def dead(self):
        return [headers["source"] for topic, *_, headers in self.sent if topic == "frames.dead"]


def run(log, task, *, analyser=None, broker=None, isolate=None):
    broker = broker or Broker()
    analyser = analyser or Analyser()
    publisher = OutcomePublisher(broker, Settings())
    alone = isolate or (lambda frame: analyser.analyse([frame])[0])
    RangeProcessor(log, analyser, publisher, alone, lambda: NOW, lambda *_: None).process(task)
    return broker


def test_results_carry_the_id_of_the_log():
    broker = run(Log([log_record(4), log_record(5)]), DetectRange("frames", 1, 4, 6))
    assert {offset: result.log_id for offset, result in broker.results().items()} == {4: "aGVsbG8", 5: "aGVsbG8"}
    assert [headers["settles"] for *_, headers in broker.sent] == [b"4:5", b"5:6"]
    assert {headers["log_id"] for *_, headers in broker.sent} == {b"aGVsbG8"}


def test_a_task_that_may_have_read_either_of_two_logs_is_done_again():
    class Replaced(Log):
        ids = iter(("old", "old", "new", "new"))

        def log_id(self, topic):
            return next(self.ids)

    broker, analyser = Broker(), Analyser()
    processor = RangeProcessor(
        Replaced([log_record(4)]),
        analyser,
        OutcomePublisher(broker, Settings()),
        analyser.analyse,
        lambda: NOW,
        lambda *_: None,
    )
    task = DetectRange("frames", 1, 4, 5)
    processor.process(task)
    processor.process(task)
    with pytest.raises(UnavailableError, match="made again"):
        processor.process(task)
    assert [result.log_id for result in broker.results().values()] == ["old"]
    assert len(broker.sent) == 2
    processor.process(task)
    assert [result.log_id for result in broker.results().values()] == ["new"]


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), RecursionError("deep"), KeyError("x"), UnreadableError("bad")]
)
@pytest.mark.parametrize("where", ["log", "analyser"])
def test_whatever_goes_wrong_with_a_single_frame_is_its_failure(error, where):
    log = Log([log_record(4)] if where == "analyser" else [], error if where == "log" else None)
    analyser = Analyser(error if where == "analyser" else None)
    with pytest.raises(type(error)):
        run(log, DetectRange("frames", 1, 4, 8, 2), analyser=analyser)
    broker = run(log, DetectRange("frames", 1, 4, 5, 3), analyser=analyser)
    result = broker.results()[4]
    assert (result.status, result.camera_id, result.log_id) == (Status.FAILED, "camera-1", "aGVsbG8")
    assert type(error).__name__ in result.error or "bad" in result.error


@pytest.mark.parametrize("error", [UnavailableError("Kafka is away"), NeverWrittenError("not there yet")])
def test_a_server_that_is_away_is_no_failure_of_a_frame(error):
    broker = Broker()
    with pytest.raises(type(error)):
        run(Log(error=error), DetectRange("frames", 1, 4, 5, 12), broker=broker)
    assert not broker.sent


@pytest.mark.parametrize("attempt", [1, 5])
def test_a_key_that_is_no_camera_is_answered_under_the_partition_and_harms_no_neighbour(attempt):
    odd = [log_record(5, b"k" * 3_000_000), log_record(6, b"\x00"), log_record(7, b"a\nb")]
    broker = run(Log([log_record(4), *odd, log_record(8)]), DetectRange("frames", 1, 4, 9, attempt))
    results = broker.results()
    assert results.keys() == {4, 5, 6, 7, 8}
    assert [results[offset].status.value for offset in range(4, 9)] == ["ok", "failed", "failed", "failed", "ok"]
    assert {results[offset].camera_id for offset in (5, 6, 7)} == {"camera-1"}
    assert all("camera_id" in results[offset].error for offset in (5, 6, 7))
    assert results[5].captured_at == results[5].received_at == NOW
    assert broker.dead() == [b"frames/1/5", b"frames/1/6", b"frames/1/7"]


def test_ten_thousand_detections_are_cut_to_what_fits_and_the_record_says_so():
    whole = result_of(Frame(SourceOffset("frames", 1, 4), "gate", 4, NOW, b"", NOW), faces(30_000))
    cut = FacesRecord.decode(fit(whole, 500_000))
    assert len(fit(whole, 500_000)) <= 500_000
    assert 500 < len(cut.faces) < MOST_FACES
    assert "30000 detections are too many" in cut.error and f"the {len(cut.faces)} most confident" in cut.error
    least = min(face.confidence for face in cut.faces)
    assert sum(face.confidence > least for face in whole.faces) <= len(cut.faces), "the most confident are kept"
    assert [face.face_id for face in cut.faces] == sorted(face.face_id for face in cut.faces)
    assert len(FacesRecord.decode(fit(whole, 10**9)).faces) <= MOST_FACES
    small = result_of(Frame(SourceOffset("frames", 1, 4), "gate", 4, NOW, b"", NOW), faces(3))
    assert fit(small, 500_000) == small.encode()


def test_a_result_that_the_topic_finds_too_large_fails_in_the_end():
    broker, analyser = Broker(most_bytes=2000), Analyser(found=faces(100))
    with pytest.raises(TooLargeError):
        run(Log([log_record(4), log_record(5)]), DetectRange("frames", 1, 4, 6, 2), analyser=analyser, broker=broker)
    run(Log([log_record(4)]), DetectRange("frames", 1, 4, 5, 3), analyser=analyser, broker=broker)
    assert broker.results()[4].error == "the record is too large"


def test_an_endless_trace_header_is_left_out():
    for trace, kept in ((b"00-" + b"a" * 52, True), (b"x" * 3_000_000, False)):
        broker = run(Log([log_record(4, headers=(("traceparent", trace),))]), DetectRange("frames", 1, 4, 5))
        assert ("traceparent" in broker.sent[0][-1]) is kept
        assert json.loads(broker.sent[0][1])["status"] == "ok"
