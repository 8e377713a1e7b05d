import json
import unicodedata
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractError
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import Frame, FrameHeaders, Origin
from contracts.ids import camera_id_of_key
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)
_COUNT = st.integers(0, 2**40)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_ID = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=60).map(
    lambda text: unicodedata.normalize("NFC", text)
)
_ID = _ID.filter(str.strip)
_TIMES = st.none() | st.just(AT)
_SIDE = st.integers(1, 2**31)
_RECORDS = st.builds(
    FacesRecord,
    source=st.builds(SourceOffset, st.just("frames"), st.integers(0, 99), _COUNT),
    camera_id=_ID,
    frame_id=_COUNT,
    captured_at=st.just(AT),
    detected_at=st.just(AT),
    status=st.sampled_from(Status),
    faces=st.lists(
        st.builds(Face, _COUNT, st.builds(BoundingBox, _COUNT, _COUNT, _COUNT, _COUNT), st.floats(0, 1)), max_size=3
    ).map(tuple),
    image=st.none() | st.builds(ImageSize, _SIDE, _SIDE),
    model=st.none() | st.builds(ModelInfo, _TEXT, _TEXT, st.floats(0, 1)),
    error=_ID,
    inference_ms=st.none() | st.floats(0, 1e6),
    origin=st.none() | st.sampled_from(Origin),
    received_at=_TIMES,
    claimed_at=_TIMES,
    log_id=st.none() | st.just("Ag7fbc"),
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
        "origin": None,
        "received_at": None,
        "claimed_at": None,
        "log_id": None,
        "schema_version": 1,
    }


def _face(**box):
    return {"face_id": 0, "bounding_box": {"x": 1, "y": 2, "width": 3, "height": 4, **box}, "confidence": 0.5}


@given(_RECORDS)
def test_a_result_survives_the_round_trip(record):
    assert FacesRecord.decode(record.encode()) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_id": None}, "camera_id: expected `str`"),
        ({"camera_id": "\ud800"}, "camera_id should have no control characters"),
        ({"camera_id": "a\0b"}, "camera_id should have no control characters"),
        ({"camera_id": "x" * 201}, "camera_id should be 1 to 200 characters"),
        ({"camera_id": "x" * 300_000}, "camera_id should be 1 to 200 characters"),
        ({"camera_id": "  "}, "camera_id should be 1 to 200 characters"),
        ({"frame_id": True}, "frame_id: expected `int`"),
        ({"frame_id": 2**63}, "frame_id: expected `int` <= "),
        ({"frame_id": -(2**63)}, "frame_id: expected `int` >= "),
        ({"frame_id": 10**400}, "frame_id: expected `int` <= "),
        ({"faces": {}}, "faces: expected `array`"),
        ({"faces": [1]}, r"faces\[0\]: expected `object`|faces\[\.\.\.\]: expected `object`"),
        ({"faces": [{"face_id": 0, "confidence": 0.5}]}, "missing required field `bounding_box`"),
        ({"faces": [_face(x=1e30)]}, "x: expected `float` <= "),
        ({"faces": [_face(x=float("nan"))]}, "x: expected `float`"),
        ({"faces": [_face(width=-1)]}, "width: expected `float` >= 0"),
        ({"faces": [_face()] * 10_001}, "faces: expected `array` of length <= 10000"),
        ({"faces": [{**_face(), "confidence": 1.5}]}, "confidence: expected `float` <= 1"),
        ({"image": {"width": 0, "height": 720}}, "width: expected `int` >= 1"),
        ({"inference_ms": 10**30}, "inference_ms: expected `float` <= "),
        ({"inference_ms": float("inf")}, "inference_ms: expected `float` <= "),
        ({"status": "fine"}, "status: invalid enum value"),
        ({"status": "failed"}, "must say why"),
        ({"schema_version": 2}, "schema_version"),
        ({"captured_at": "soon"}, "RFC 3339"),
        ({"source": {"topic": "frames", "partition": -1, "offset": 0}}, "source.partition: expected `int` >= 0"),
    ],
)
def test_a_wrong_field_is_named(change, message):
    with pytest.raises(ContractError, match=message):
        FacesRecord.from_dict({**_record().to_dict(), **change})


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b"[" * 100_000,
        b'{"frame_id": 1, "vendor": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"frame_id": ' + b"9" * 5000 + b"}",
        b'{"frame_id": NaN}',
        b"\x80" * 17_000_000,
    ],
    ids=range(10),
)
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
    frame = Frame.from_record(SourceOffset("frames", 0, 5), key=b"gate", value=None, headers=headers, timestamp_ms=-1)
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
    at_ms = int(AT.timestamp() * 1000)
    frame = Frame.from_record(source, key=b"a", value=b"", headers=headers, timestamp_ms=at_ms)
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


@pytest.mark.parametrize(
    ("key", "camera_id"),
    [
        (None, "camera-3"),
        (b"", "camera-3"),
        (b"gate 1/2", "gate 1/2"),
        ("Zoë".encode(), "Zo\u00eb"),
        ("Zoe\u0308".encode(), "Zo\u00eb"),
        (b"gate \xff", "gate \ufffd"),
        (("ü" * 200).encode(), "ü" * 200),
    ],
)
def test_a_key_names_the_camera(key, camera_id):
    assert camera_id_of_key(key, 3) == camera_id


@pytest.mark.parametrize(
    "key", [b"x" * 201, b"x" * 300_000, b"a\0b", b"a\nb", b"   ", "a\u2028b".encode()], ids=range(6)
)
def test_a_key_that_is_no_camera_id_is_refused(key):
    with pytest.raises(ContractError, match="camera_id"):
        Frame.from_record(SourceOffset("frames", 3, 17), key=key, value=b"x", headers=[], timestamp_ms=0)


@pytest.mark.parametrize(
    ("claimed", "is_believed"),
    [
        (AT, True),
        (AT - timedelta(hours=5), True),
        (AT + timedelta(minutes=4), True),
        (AT + timedelta(minutes=6), False),
        (AT + timedelta(hours=1), False),
        (datetime(9999, 12, 31, tzinfo=timezone.utc), False),
        (datetime(1999, 12, 31, tzinfo=timezone.utc), False),
        (datetime(1, 1, 1, tzinfo=timezone.utc), False),
    ],
)
def test_a_time_that_cannot_be_right_is_replaced_by_that_of_the_log(claimed, is_believed):
    headers = FrameHeaders(captured_at=claimed).encode()
    at_ms = int(AT.timestamp() * 1000)
    frame = Frame.from_record(SourceOffset("frames", 0, 1), key=None, value=b"", headers=headers, timestamp_ms=at_ms)
    assert frame.received_at == AT
    assert (frame.captured_at, frame.claimed_at) == ((claimed, None) if is_believed else (AT, claimed))
    result = FacesRecord.decode(_record(captured_at=claimed, detected_at=claimed).encode(), logged_at=AT)
    assert (result.captured_at, result.claimed_at) == ((claimed, None) if is_believed else (AT, claimed))
    assert (result.received_at, result.detected_at) == (AT, claimed if is_believed else AT)
    assert FacesRecord.decode(result.encode(), logged_at=AT + timedelta(seconds=9)) == result


@pytest.mark.parametrize(
    "change",
    [
        {"start": "5"},
        {"start": 2**63, "stop": 2**63 + 1},
        {"attempt": None},
        {"topic": 7},
        {"start": [[]]},
        {"start": 9},
    ],
)
def test_arguments_of_a_task_are_checked(change):
    fields = DetectRange("frames", 3, 5, 8, attempt=2).to_kwargs()
    assert DetectRange.from_kwargs(fields) == DetectRange("frames", 3, 5, 8, attempt=2)
    with pytest.raises(ContractError, match=r"task|expected"):
        DetectRange.from_kwargs(fields | change)
