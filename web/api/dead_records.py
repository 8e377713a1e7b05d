"""Dead letters as the HTTP interface describes them."""

from typing import Literal

from pydantic import Field

from web.api.records import Record, Time


class DeadRetryRecord(Record):
    """When a letter was retried, by whom, and where its record stands now."""

    at: Time
    by: str
    to: str | None = Field(description="Its new place, `topic/partition/offset`; null while it is being sent.")


class DeadEntry(Record):
    """A record that could not be processed."""

    id: str = Field(description="`partition/offset` in the topic of dead letters.")
    at: Time = Field(description="When it was put aside.")
    camera_id: str | None
    source: str | None = Field(description="Where the record stood, `topic/partition/offset`.")
    error: str
    attempts: int | None
    size_bytes: int
    retry: DeadRetryRecord | None
    why_not: str | None = Field(description="Why it cannot be retried.")


class DeadHeader(Record):
    """A header of the record, as text."""

    name: str
    value: str


class DeadRecord(DeadEntry):
    """A record that could not be processed, with what it holds."""

    key: str | None
    headers: list[DeadHeader]
    content: Literal["picture", "json", "text", "binary", "nothing"]
    text: str | None = Field(description="The beginning of a value that is text.")


class DeadPage(Record):
    """Dead letters, newest first, the cursor of the next page, and how many the topic holds."""

    items: list[DeadEntry]
    next: str | None
    count: int


class RetryRecord(Record):
    """What became of the retry of a letter."""

    id: str
    outcome: Literal["retried", "already", "refused"]
    to: str | None
    reason: str | None


class RetryPage(Record):
    """How many letters were retried, had been before, and cannot be; `next` is for the next request."""

    retried: int
    already: int
    refused: int
    items: list[RetryRecord]
    next: str | None
