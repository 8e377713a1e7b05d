"""Events, alerts and answers of the analytics as the HTTP interface describes them."""

from typing import Any

from pydantic import Field

from web.api.records import Record, Source, Time


class EventRecord(Record):
    """Something that happened before a camera. Its `value` depends on its kind."""

    event_id: str
    kind: str
    camera_id: str
    zone: str | None
    line: str | None
    track_id: int | None
    direction: str | None
    at: Time
    value: dict[str, Any]
    source: Source
    schema_version: int


class EventPage(Record):
    """Events, newest first, and the cursor of the next page."""

    items: list[EventRecord]
    next: str | None


class SentAlert(Record):
    """An alert was sent over a channel, or could not be."""

    channel: str
    at: Time
    ok: bool


class AlertRecord(Record):
    """Somebody should look."""

    alert_id: str
    rule: str
    severity: str
    camera_id: str
    zone: str | None
    message: str
    event_id: str
    raised_at: Time
    cleared_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None
    sent: list[SentAlert]


class AlertPage(Record):
    """Alerts, the last raised first, and the cursor of the next page."""

    items: list[AlertRecord]
    next: str | None


class AnalyticsAnswer(Record):
    """An answer. Each point, and the total, has the fields of the use; a bucket in which nothing is known is absent."""

    use: str
    camera_id: str | None
    zone: str | None = None
    line: str | None = None
    venue: str | None = None
    start: Time = Field(alias="from")
    to: Time
    bucket_s: int
    series: list[dict[str, Any]] | None = Field(None, description="Points in time; of all but the heatmap.")
    total: dict[str, Any]
    columns: int | None = Field(None, description="Of the heatmap.")
    rows: int | None = Field(None, description="Of the heatmap.")
    cells: list[list[float]] | None = Field(None, description="Person seconds in each row and column of the heatmap.")
