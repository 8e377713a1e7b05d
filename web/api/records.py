"""The records of the log as the HTTP interface describes them. They are made by `contracts`; a test holds the two
against each other."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = str
"""RFC 3339, in UTC."""


class Record(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Source(Record):
    """A place in the log."""

    topic: str
    partition: int
    offset: int


class Box(Record):
    """Pixels of the picture as sent, after EXIF rotation: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


class FoundFace(Record):
    """One detection. `class` is there with models of more than one class."""

    face_id: int
    bounding_box: Box
    confidence: float
    class_name: str | None = Field(None, alias="class")


class PictureSize(Record):
    """Pixels, after EXIF rotation."""

    width: int
    height: int


class Model(Record):
    """The model that looked, and the confidence from which it reported."""

    name: str
    version: str
    confidence_threshold: float


class Faces(Record):
    """The result of one frame."""

    frame_id: int
    total_faces: int
    faces: list[FoundFace]
    camera_id: str
    captured_at: Time
    detected_at: Time
    image: PictureSize | None
    model: Model | None
    status: Literal["ok", "skipped", "failed"]
    error: str | None = Field(description="Why, where the status is failed or skipped.")
    inference_ms: float | None
    source: Source
    origin: Literal["live", "file", "upload", "api"] | None = Field(description="Where the frame came from.")
    received_at: Time | None = Field(description="When the frame came into the log.")
    claimed_at: Time | None = Field(description="The time that its producer claims, only where it cannot be right.")
    log_id: str | None = Field(description="Kafka's id of the source topic.")
    schema_version: int


class FacesPage(Record):
    """Results, newest first, and the cursor of the next page."""

    items: list[Faces]
    next: str | None


class Accepted(Record):
    """A picture is in the log; its result will be at `url`."""

    id: str
    url: str


class Pending(Record):
    """The frame is in the log; its result is on its way."""

    status: Literal["pending"]
    id: str
    url: str


class Message(Record):
    """A record of the log; its value is an object where it is one in JSON, else text."""

    topic: str
    partition: int
    offset: int
    at: Time
    value: dict[str, Any] | str


class Messages(Record):
    """What this client has not had yet."""

    messages: list[Message]
