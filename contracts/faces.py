"""The `Faces` record: what one frame showed, or why that is not known. JSON in Kafka and HTTP; a MongoDB document."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from contracts.errors import ContractError
from contracts.offsets import SourceOffset
from contracts.times import from_rfc3339, to_rfc3339

SCHEMA_VERSION = 1
_INT64 = 2**63
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]


class Status(str, Enum):
    """How a frame ended: detected, left out on purpose (too old), or failed for a reason."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class BoundingBox(msgspec.Struct, frozen=True):
    """A box in pixels of the picture as sent (after EXIF rotation): left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


class Face(msgspec.Struct, frozen=True, omit_defaults=True):
    """One detection. `class_name` is set only by models with more than one class."""

    face_id: int
    bounding_box: BoundingBox
    confidence: float
    class_name: str | None = msgspec.field(default=None, name="class")


class ImageSize(msgspec.Struct, frozen=True):
    """Width and height in pixels, after EXIF rotation."""

    width: int
    height: int


class ModelInfo(msgspec.Struct, frozen=True):
    """The model that looked, and the confidence from which it reported."""

    name: str
    version: str
    confidence_threshold: float


@dataclass(frozen=True)
class FacesRecord:
    """One frame's result.

    `image` and `model` are None when the picture was never decoded; `error` says why exactly when `status` is `failed`
    (or why a frame was `skipped`).
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

    def __post_init__(self) -> None:
        if self.status is Status.FAILED and not self.error:
            raise ContractError(f"a failed result must say why: {self.source}")

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
            "error": self.error,
            "inference_ms": self.inference_ms,
            "source": {
                "topic": self.source.topic,
                "partition": self.source.partition,
                "offset": self.source.offset,
            },
            "schema_version": SCHEMA_VERSION,
        }

    def encode(self) -> bytes:
        """Return the record's value in Kafka: compact UTF-8 JSON."""
        try:
            return msgspec.json.encode(self.to_dict())
        except UnicodeEncodeError:  # halves of surrogate pairs
            return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @classmethod
    def decode(cls, value: bytes) -> "FacesRecord":
        """Read a record from Kafka.

        Raises:
            ContractError: it is no JSON object, or a field is missing or of the wrong type; the message names it.
        """
        try:
            return _decode_wire(value).to_record()
        except (msgspec.MsgspecError, ContractError, UnicodeDecodeError):
            pass  # what others write may deviate in ways that are read all the same; if not, the reason is found below
        try:
            fields = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"expected a Faces record in JSON, got {value[:60]!r}") from error
        return cls.from_dict(fields)

    @classmethod
    def from_dict(cls, fields: Any) -> "FacesRecord":
        """Build a record from JSON types. Fields that the contract does not name are ignored.

        Raises:
            ContractError: a field is missing or of the wrong type; the message names it.
        """
        reader = _Fields(fields, "Faces record")
        source, image, model = reader.object("source"), reader.optional("image"), reader.optional("model")
        version = reader.integer("schema_version")
        if version != SCHEMA_VERSION:
            raise ContractError(f"Faces record: expected schema_version {SCHEMA_VERSION}, got {version}")
        status = reader.text("status")
        if status not in {known.value for known in Status}:
            raise ContractError(f"Faces record: expected status ok, skipped or failed, got {status!r}")
        return cls(
            source=SourceOffset(source.text("topic"), source.integer("partition"), source.integer("offset")),
            camera_id=reader.text("camera_id"),
            frame_id=reader.integer("frame_id"),
            captured_at=from_rfc3339(reader.text("captured_at")),
            detected_at=from_rfc3339(reader.text("detected_at")),
            status=Status(status),
            faces=tuple(_face_from_fields(face) for face in reader.objects("faces")),
            image=None if image is None else ImageSize(image.integer("width"), image.integer("height")),
            model=None
            if model is None
            else ModelInfo(model.text("name"), model.text("version"), model.number("confidence_threshold")),
            error=reader.optional_text("error"),
            inference_ms=reader.optional_number("inference_ms"),
        )


class _WireSource(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Wire(msgspec.Struct):
    """The record exactly as `encode` writes it: msgspec checks and builds it ten times as fast as `from_dict` does."""

    frame_id: _Int64
    faces: tuple[Face, ...]
    camera_id: str
    captured_at: str
    detected_at: str
    image: ImageSize | None
    model: ModelInfo | None
    status: Status
    error: str | None
    inference_ms: float | None
    source: _WireSource
    schema_version: Literal[1]

    def to_record(self) -> FacesRecord:
        return FacesRecord(
            source=SourceOffset(self.source.topic, self.source.partition, self.source.offset),
            camera_id=self.camera_id,
            frame_id=self.frame_id,
            captured_at=from_rfc3339(self.captured_at),
            detected_at=from_rfc3339(self.detected_at),
            status=self.status,
            faces=self.faces,
            image=self.image,
            model=self.model,
            error=self.error,
            inference_ms=self.inference_ms,
        )


_decode_wire = msgspec.json.Decoder(_Wire).decode


def _face_from_fields(face: "_Fields") -> Face:
    box = face.object("bounding_box")
    return Face(
        face_id=face.integer("face_id"),
        bounding_box=BoundingBox(*(round(box.number(name)) for name in ("x", "y", "width", "height"))),
        confidence=face.number("confidence"),
        class_name=face.optional_text("class"),
    )


class _Fields:
    """Reads typed fields of one JSON object, with errors that name the field, what was expected and what came."""

    def __init__(self, fields: Any, what: str) -> None:
        if not isinstance(fields, Mapping):
            raise ContractError(f"{what}: expected an object, got {_brief(fields)}")
        self._fields = fields
        self._what = what

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, str) and _is_utf8(value):
            return value
        self._wrong(name, "a string of Unicode text", value)

    def integer(self, name: str) -> int:
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT64:
            return value
        self._wrong(name, "a whole number of 64 bits", value)

    def number(self, name: str) -> float:
        value = self._fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _INT64:
            return value
        self._wrong(name, "a finite number of 64 bits", value)

    def object(self, name: str) -> "_Fields":
        return _Fields(self._fields.get(name), f"{self._what}: {name}")

    def objects(self, name: str) -> list["_Fields"]:
        values = self._fields.get(name)
        if not isinstance(values, list):
            self._wrong(name, "a list", values)
        return [_Fields(value, f"{self._what}: {name}[{index}]") for index, value in enumerate(values)]

    def optional(self, name: str) -> "_Fields | None":
        return None if self._fields.get(name) is None else self.object(name)

    def optional_text(self, name: str) -> str | None:
        return None if self._fields.get(name) is None else self.text(name)

    def optional_number(self, name: str) -> float | None:
        return None if self._fields.get(name) is None else self.number(name)

    def _wrong(self, name: str, expected: str, value: Any) -> NoReturn:
        raise ContractError(f"{self._what}: {name} should be {expected}, is {_brief(value)}")


def _brief(value: Any) -> str:
    return "absent or null" if value is None else f"{value!r:.60}"


def _is_utf8(text: str) -> bool:
    """Whether `text` can be written down: JSON lets halves of surrogate pairs through, UTF-8 and BSON do not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
