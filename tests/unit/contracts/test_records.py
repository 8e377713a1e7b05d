import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractError
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import Frame, FrameHeaders, Origin
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)
_COUNT = st.integers(0, 2**40)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_RECORDS = st.builds(
    FacesRecord,
    source=st.builds(SourceOffset, st.just("frames"), st.integers(0, 99), _COUNT),
    camera_id=_TEXT,
    frame_id=_COUNT,
    captured_at=st.just(AT),
    detected_at=st.just(AT),
    status=st.sampled_from(Status),
    faces=st.lists(
        st.builds(Face, _COUNT, st.builds(BoundingBox, _COUNT, _COUNT, _COUNT, _COUNT), st.floats(0, 1)), max_size=3
    ).map(tuple),
    image=st.none() | st.builds(ImageSize, _COUNT, _COUNT),
    model=st.none() | st.builds(ModelInfo, _TEXT, _TEXT, st.floats(0, 1)),
    error=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    inference_ms=st.none() | st.floats(0, 1e6),
)


def _record(**changes):
    fields = {
        "source": SourceOffset("frames", 0, 123),
        "camera_id": "gate-1",
        "frame_id": 42,
        "captured_at": AT,
        "detected_at": AT,
        "status": Status.OK,
        "faces": (Face(0, BoundingBox(10, 20, 30, 40), 0.93),),
        "image": ImageSize(1280, 720),
        "model": ModelInfo("yolov3-face-lite", "1", 0.5),
        "inference_ms": 41.7,
    }
    return FacesRecord(**fields | changes)


def test_a_result_has_the_shape_of_the_contract():
    assert _record().to_dict() == {
        "frame_id": 42,
        "total_faces": 1,
        "faces": [
            {"face_id": 0, "bounding_box": {"x": 10, "y": 20, "width": 30, "height": 40}, "confidence": 0.93},
        ],
        "camera_id": "gate-1",
        "captured_at": "2026-11-23T21:30:00.123Z",
        "detected_at": "2026-11-23T21:30:00.123Z",
        "image": {"width": 1280, "height": 720},
        "model": {"name": "yolov3-face-lite", "version": "1", "confidence_threshold": 0.5},
        "status": "ok",
        "error": None,
        "inference_ms": 41.7,
        "source": {"topic": "frames", "partition": 0, "offset": 123},
        "schema_version": 1,
    }


@given(_RECORDS)
def test_a_result_survives_the_round_trip(record):
    assert FacesRecord.decode(record.encode()) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_id": None}, "camera_id should be a string"),
        ({"camera_id": "\ud800"}, "camera_id should be a string of Unicode"),
        ({"frame_id": True}, "frame_id should be a whole number"),
        ({"frame_id": 2**63}, "frame_id should be a whole number"),
        ({"faces": {}}, "faces should be a list"),
        ({"faces": [1]}, r"faces\[0\]: expected an object"),
        ({"faces": [{"face_id": 0, "confidence": float("nan")}]}, "bounding_box: expected an object"),
        (
            {"faces": [{"face_id": 0, "bounding_box": {"x": 1e30, "y": 0, "width": 1, "height": 1}}]},
            "x should be a finite",
        ),
        ({"inference_ms": 10**30}, "inference_ms should be a finite"),
        ({"status": "fine"}, "status"),
        ({"status": "failed"}, "must say why"),
        ({"schema_version": 2}, "schema_version"),
        ({"captured_at": "soon"}, "RFC 3339"),
        ({"source": {"topic": "frames", "partition": -1, "offset": 0}}, "numbers from 0"),
    ],
)
def test_a_wrong_field_is_named(change, message):
    with pytest.raises(ContractError, match=message):
        FacesRecord.from_dict({**_record().to_dict(), **change})


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"7", b"{}", b"[" * 100_000])
def test_what_is_no_result_is_refused(value):
    with pytest.raises(ContractError):
        FacesRecord.decode(value)


def test_fields_that_another_detector_adds_are_ignored():
    fields = json.loads(_record().encode()) | {"vendor": {"x": 1}}
    assert FacesRecord.from_dict(fields) == _record()


def test_headers_survive_the_round_trip():
    headers = FrameHeaders(frame_id=7, captured_at=AT, content_type="image/png", origin=Origin.LIVE, max_age_ms=500)
    assert FrameHeaders.decode(headers.encode()) == headers
    assert FrameHeaders().encode() == []


def test_a_frame_without_headers_gets_the_defaults():
    source = SourceOffset("frames", 3, 17)
    frame = Frame.from_record(source, key=None, value=b"x", headers=[], timestamp_ms=1_700_000_000_001)
    assert (frame.camera_id, frame.frame_id, frame.max_age_ms) == ("camera-3", 17, None)
    assert frame.captured_at == datetime(2023, 11, 14, 22, 13, 20, 1000, timezone.utc)


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30))
def test_headers_of_any_bytes_are_readable(frame_id, captured_at, max_age_ms):
    headers = [("frame_id", frame_id), ("captured_at", captured_at), ("max_age_ms", max_age_ms), ("source", frame_id)]
    frame = Frame.from_record(SourceOffset("frames", 0, 5), key=frame_id, value=None, headers=headers, timestamp_ms=-1)
    result = FacesRecord(frame.source, frame.camera_id, frame.frame_id, frame.captured_at, AT, Status.OK)
    assert FacesRecord.decode(result.encode()) == result


@pytest.mark.parametrize("timestamp_ms", [-1, 2**62])
def test_a_time_stamp_outside_the_calendar_is_brought_into_it(timestamp_ms):
    frame = Frame.from_record(SourceOffset("frames", 0, 5), key=None, value=b"", headers=[], timestamp_ms=timestamp_ms)
    result = FacesRecord(frame.source, "a", 5, frame.captured_at, AT, Status.OK)
    assert FacesRecord.decode(result.encode()) == result


@pytest.mark.parametrize("value", [b"", b"1:2", b"1:2:x", b"2:1:1", b"1:2:0"])
def test_a_task_header_of_another_form_is_refused(value):
    with pytest.raises(ContractError):
        DetectRange.decode("frames", 0, value)


def test_a_task_header_survives_the_round_trip():
    task = DetectRange("frames", 3, 5, 8, attempt=2)
    assert DetectRange.decode("frames", 3, task.encode()) == task


def test_a_frame_is_too_old_only_when_its_source_says_so():
    source = SourceOffset("frames", 0, 0)
    headers = FrameHeaders(captured_at=AT, max_age_ms=1000).encode()
    frame = Frame.from_record(source, key=b"a", value=b"", headers=headers, timestamp_ms=0)
    assert not frame.is_too_old(AT.replace(second=1))
    assert frame.is_too_old(AT.replace(second=2))
    endless = Frame.from_record(source, key=b"a", value=b"", headers=[], timestamp_ms=0)
    assert not endless.is_too_old(AT)


@pytest.mark.parametrize("value", [b"", b"3", b"3:", b":4", b"4:3", b"3:3", b"-1:3", b"3:4:5", b" 3:4", "٣:٤".encode()])
def test_a_settles_header_of_another_form_is_refused(value):
    with pytest.raises(ContractError):
        OffsetRange.decode(value)


def test_a_settles_header_survives_the_round_trip():
    assert OffsetRange.decode(OffsetRange(3, 17).encode()) == OffsetRange(3, 17)


@pytest.mark.parametrize(
    "arguments", [("", 0, 0, 1), ("frames", -1, 0, 1), ("frames", 0, 1, 1), ("frames", 0, 0, 1, 0)]
)
def test_a_task_of_wrong_arguments_cannot_be_made(arguments):
    with pytest.raises(ContractError):
        DetectRange(*arguments)
