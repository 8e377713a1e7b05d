"""The `Faces` record: what one frame showed, or why that is not known. JSON in Kafka and HTTP; a MongoDB document."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec

from contracts.decoding import Int64, Number, decoded
from contracts.errors import ContractError
from contracts.frames import Origin, believed
from contracts.ids import camera_id, fit_text
from contracts.offsets import SourceOffset
from contracts.times import from_rfc3339, is_believable, to_rfc3339

SCHEMA_VERSION = 1
MOST_FACES = 10_000
MOST_RESULT_BYTES = 6 * 1024 * 1024
"""Of a result's JSON. A document holds 16 MiB at most; BSON takes about as much room as JSON."""

"""Detections in one record at most."""

_MOST_REASON = 2000
_Pixel = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Side = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Label = Annotated[str, msgspec.Meta(max_length=200)]


class Status(str, Enum):
    """How a frame ended: detected, left out on purpose (too old), or failed for a reason."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class BoundingBox(msgspec.Struct, frozen=True):
    """A box in pixels of the picture as sent (after EXIF rotation): left, top, width, height."""

    x: _Pixel
    y: _Pixel
    width: _Side
    height: _Side


class Face(msgspec.Struct, frozen=True, omit_defaults=True):
    """One detection. `class_name` is set only by models with more than one class."""

    face_id: Int64
    bounding_box: BoundingBox
    confidence: _Share
    class_name: _Label | None = msgspec.field(default=None, name="class")


class ImageSize(msgspec.Struct, frozen=True):
    """Width and height in pixels, after EXIF rotation."""

    width: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    height: Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class ModelInfo(msgspec.Struct, frozen=True):
    """The model that looked, and the confidence from which it reported."""

    name: _Label
    version: _Label
    confidence_threshold: Number


@dataclass(frozen=True)
class FacesRecord:
    """One frame's result.

    `image` and `model` are None when the picture was never decoded; `error` says why exactly when `status` is `failed`
    (or why a frame was `skipped`).

    Attributes:
        captured_at: the frame's time. Where its producer's cannot be right, that is kept in `claimed_at`.
        origin: where the frame came from, if its producer says so.
        received_at: when the frame came into the log.
        log_id: Kafka's id of the source topic: a topic that is deleted and made again has another.
    """

    source: SourceOffset
    camera_id: str
    frame_id: int
    captured_at: datetime
    detected_at: datetime
    status: Status
    faces: tuple[Face, ...] = ()
    image: ImageSize | None = None
    model: ModelInfo | None = None
    error: str | None = None
    inference_ms: float | None = None
    origin: Origin | None = None
    received_at: datetime | None = None
    claimed_at: datetime | None = None
    log_id: str | None = None

    def __post_init__(self) -> None:
        if self.status is Status.FAILED and not self.error:
            raise ContractError(f"a failed result must say why: {self.source}")

    @property
    def came_at(self) -> datetime:
        """When the frame came into the log; its own time where that is not known."""
        return self.received_at or self.captured_at

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON types, with the field names and order of the contract."""
        return {
            "frame_id": self.frame_id,
            "total_faces": len(self.faces),
            "faces": msgspec.to_builtins(list(self.faces)),
            "camera_id": self.camera_id,
            "captured_at": to_rfc3339(self.captured_at),
            "detected_at": to_rfc3339(self.detected_at),
            "image": msgspec.to_builtins(self.image),
            "model": msgspec.to_builtins(self.model),
            "status": self.status.value,
            "error": self.error if self.error is None else fit_text(self.error, _MOST_REASON),
            "inference_ms": self.inference_ms,
            "source": {
                "topic": self.source.topic,
                "partition": self.source.partition,
                "offset": self.source.offset,
            },
            "origin": None if self.origin is None else self.origin.value,
            "received_at": None if self.received_at is None else to_rfc3339(self.received_at),
            "claimed_at": None if self.claimed_at is None else to_rfc3339(self.claimed_at),
            "log_id": self.log_id,
            "schema_version": SCHEMA_VERSION,
        }

    def encode(self) -> bytes:
        """Return the record's value in Kafka: compact UTF-8 JSON."""
        return msgspec.json.encode(self.to_dict())

    @classmethod
    def decode(cls, value: bytes, logged_at: datetime | None = None) -> "FacesRecord":
        """Read a record from Kafka.

        Args:
            value: JSON in UTF-8.
            logged_at: the record's own time in the log. A result whose time of capture cannot be right is dated by it.

        Raises:
            ContractError: it is no JSON object, or a field is missing or wrong; the message names it.
        """
        try:
            record = _decode_wire(value).to_record()
        except Exception:  # other detectors may deviate in ways that are read all the same; if not, this says why
            record = decoded(lambda given: _decode_loose_wire(given).to_record(), value, "Faces record")
        return record if logged_at is None else _dated(record, logged_at)

    @classmethod
    def from_dict(cls, fields: Any) -> "FacesRecord":
        """Build a record from JSON types. Fields that the contract does not name are ignored.

        Raises:
            ContractError: a field is missing or wrong; the message names it.
        """
        return decoded(lambda given: msgspec.convert(given, _LooseWire).to_record(), fields, "Faces record")


class _Wire(msgspec.Struct):
    """The record exactly as `encode` writes it."""

    frame_id: Int64
    faces: Annotated[tuple[Face, ...], msgspec.Meta(max_length=MOST_FACES)]
    camera_id: str
    captured_at: str
    detected_at: str
    status: Status
    source: SourceOffset
    schema_version: Literal[1]
    image: ImageSize | None = None
    model: ModelInfo | None = None
    error: str | None = None
    inference_ms: Number | None = None
    origin: str | None = None
    received_at: str | None = None
    claimed_at: str | None = None
    log_id: Annotated[str, msgspec.Meta(max_length=100)] | None = None

    def to_record(self) -> FacesRecord:
        return FacesRecord(
            source=self.source,
            camera_id=camera_id(self.camera_id),
            frame_id=self.frame_id,
            captured_at=from_rfc3339(self.captured_at),
            detected_at=from_rfc3339(self.detected_at),
            status=self.status,
            faces=self.faces,
            image=self.image,
            model=self.model,
            error=None if self.error is None else fit_text(self.error, _MOST_REASON),
            inference_ms=self.inference_ms,
            origin=Origin.of(self.origin),
            received_at=None if self.received_at is None else from_rfc3339(self.received_at),
            claimed_at=None if self.claimed_at is None else from_rfc3339(self.claimed_at),
            log_id=self.log_id,
        )


class _LooseBox(msgspec.Struct):
    """A box whose numbers need not be whole."""

    x: Number
    y: Number
    width: Annotated[float, msgspec.Meta(ge=0, le=1e15)]
    height: Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class _LooseFace(msgspec.Struct):
    face_id: Int64
    bounding_box: _LooseBox
    confidence: _Share
    class_name: _Label | None = msgspec.field(default=None, name="class")

    def to_face(self) -> Face:
        box = self.bounding_box
        whole = BoundingBox(round(box.x), round(box.y), round(box.width), round(box.height))
        return Face(self.face_id, whole, self.confidence, self.class_name)


class _LooseWire(_Wire):
    """The record as other detectors may write it."""

    faces: Annotated[tuple[_LooseFace, ...], msgspec.Meta(max_length=MOST_FACES)]  # type: ignore[assignment]

    def to_record(self) -> FacesRecord:
        faces = tuple(face.to_face() for face in self.faces)
        return replace(super().to_record(), faces=faces)


def _dated(record: FacesRecord, logged_at: datetime) -> FacesRecord:
    """Replace those of a record's times that cannot be right, given when it was logged."""
    received_at, detected_at = record.received_at, record.detected_at
    if received_at is None or not is_believable(received_at, logged_at):
        received_at = logged_at
    if not is_believable(detected_at, logged_at):
        detected_at = logged_at
    captured_at, claimed_at = believed(record.captured_at, received_at)
    if claimed_at is None and received_at is record.received_at and detected_at is record.detected_at:
        return record
    return replace(
        record,
        captured_at=captured_at,
        claimed_at=claimed_at or record.claimed_at,
        received_at=received_at,
        detected_at=detected_at,
    )


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_loose_wire = msgspec.json.Decoder(_LooseWire).decode
