"""`/api/dead`: records that could not be processed, and another try for them."""

import time
from typing import Annotated

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.errors import ContractError
from messaging.dead_reader import parse_place
from settings import Settings
from web.access import Role, note, principal, requires
from web.api.dead_records import DeadPage, DeadRecord, RetryPage, RetryRecord
from web.api.openapi import BINARY, Answer, Content, describes
from web.errors import RequestError
from web.parameters import Body, CameraName, Cursor, Printable, Query, described
from web.services import Services
from web.services.cursors import decode_positions, encode_positions
from web.services.dead_letters import ALREADY, REFUSED, DeadFilter, ListedLetter, RetryOutcome
from web.services.pictures import sniff_content_type

_PICTURE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}
_PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp")
_AT_ONCE = 100
_WITHIN_S = 5.0
_MAX_OFFSET = 2**63 - 1
_NONE = "There is no such dead letter, or no more."

Partition = Annotated[int, Field(description="Partition of the topic of dead letters.")]
Offset = Annotated[int, Field(description="The letter's offset there.")]


class OfCamera(Query):
    """Whose letter it is."""

    camera: CameraName | None = described(
        "The camera of the letter; a key that is for some cameras names it.", default=None
    )


class Which(OfCamera):
    """Which dead letters are meant."""

    camera: CameraName | None = described("Only this camera's.", default=None)
    topic: Annotated[Printable, Field(max_length=249)] | None = described(
        "Only records of this topic, such as `frames`.", default=None
    )
    error: Annotated[Printable, Field(max_length=200)] | None = described(
        "Only those whose error contains this text, in upper or lower case.", default=None
    )

    @property
    def filter(self) -> DeadFilter:
        """The filter that these parameters make."""
        return DeadFilter(self.camera, self.topic, self.error)


class Listed(Which):
    """Which dead letters are listed."""

    limit: int = described("How many at most.", default=50, ge=1, le=200)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)


class Retry(OfCamera):
    """How one letter is retried."""

    again: bool = described("Retry it also if it was retried before.", default=False)


class RetryMany(Body):
    """Which letters are retried: those with these ids, or `all` that match the query."""

    ids: list[Annotated[str, Field(max_length=300)]] | None = described(
        "Ids of letters, such as `0/17`.", default=None, min_length=1, max_length=_AT_ONCE
    )
    all: bool = described(f"Every letter that matches, the oldest first, {_AT_ONCE} at a time.", default=False)
    again: bool = described("Retry also those that were retried before.", default=False)
    cursor: Cursor | None = described("With `all`: the `next` of the answer before.", default=None)


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of dead letters."""
    routes = Blueprint("dead", __name__, url_prefix="/api/dead")
    box = services.dead_letters

    @routes.get("")
    @requires(Role.OPERATOR, camera="camera")
    @describes({200: DeadPage})
    def newest(query: Listed) -> Response:
        """Dead letters, newest first.

        When few letters match, a page may hold fewer than `limit` and still have a `next`.
        """
        before = None if query.cursor is None else decode_positions(query.cursor, 1)[0]
        page = box.page(query.filter, query.limit, before)
        following = None if page.after is None else encode_positions(page.after)
        return jsonify({"items": [one.to_dict() for one in page.items], "next": following, "count": page.count})

    @routes.get("/<int:partition>/<int:offset>")
    @requires(Role.OPERATOR, camera="camera")
    @describes({200: DeadRecord, 404: _NONE})
    def one(partition: Partition, offset: Offset, query: OfCamera) -> ResponseReturnValue:
        """A dead letter with its record's key, headers, and value where that is text."""
        return find(partition, offset, query.camera).to_whole_dict()

    @routes.get("/<int:partition>/<int:offset>/picture")
    @requires(Role.OPERATOR, camera="camera")
    @describes(
        {
            200: Answer("The picture as it was sent.", Content(dict.fromkeys(_PICTURE_TYPES, BINARY))),
            404: f"{_NONE[:-1]}; or its camera blurs faces, and where they are is not known.",
            415: "The record is no picture.",
        }
    )
    def picture(partition: Partition, offset: Offset, query: OfCamera) -> Response:
        """The picture in a dead letter."""
        found = find(partition, offset, query.camera)
        services.previews.refuse_private(found.letter.camera_id, principal().role)
        content_type = sniff_content_type(found.letter.value or b"")
        if content_type is None:
            raise RequestError(415, f"{found.letter.place} holds no JPEG, PNG, WebP or BMP picture")
        return Response(found.letter.value, content_type=content_type, headers=_PICTURE_HEADERS)

    @routes.post("/<int:partition>/<int:offset>/retry")
    @requires(Role.OPERATOR, camera="camera")
    @describes(
        {200: RetryRecord, 404: _NONE, 409: "It was retried before, or cannot be retried; the message says why."}
    )
    def retry_one(partition: Partition, offset: Offset, query: Retry) -> ResponseReturnValue:
        """Send a dead letter's record to its topic again.

        It gets a new offset, and so a result of its own. Its time of capture stays; a maximum age is left out.
        """
        found = find(partition, offset, query.camera)
        outcome = box.retry(found.letter, principal().name, again=query.again)
        note(to=outcome.to)
        if outcome.outcome == REFUSED:
            raise RequestError(409, f"cannot be retried: {outcome.reason}", code="not_retried")
        if outcome.outcome == ALREADY:
            where = "is being retried now" if outcome.to is None else f"was retried before, as {outcome.to}"
            raise RequestError(
                409, f"{found.letter.place} {where}; `again` retries it once more", code="retried_before"
            )
        return outcome.to_dict()

    @routes.post("/retry")
    @requires(Role.OPERATOR, camera="camera")
    @describes({200: RetryPage, 404: _NONE})
    def retry_many(query: Which, body: RetryMany) -> ResponseReturnValue:
        """Retry several dead letters.

        Those that were retried before are left out, unless you ask for them `again`. Repeat the request with the
        `next` of the answer until that is null.
        """
        if (body.ids is None) == (not body.all):
            raise RequestError(400, "give either ids, or all: true")
        outcomes: list[RetryOutcome] = []
        following = None
        if body.ids is not None:
            outcomes = [retried(one, query, again=body.again) for one in body.ids]
        else:
            since, until = box.bounds() if body.cursor is None else decode_positions(body.cursor, 2)
            at, deadline = dict(since), time.monotonic() + _WITHIN_S
            for letter, outcome in box.retry_all(
                query.filter, since, until, principal().name, again=body.again, stop=services.stopping
            ):
                at[letter.place.partition] = letter.place.offset + 1
                outcomes += [] if outcome is None else [outcome]
                if len(outcomes) == _AT_ONCE or time.monotonic() > deadline:
                    following = encode_positions(at, until)
                    break
        counts = {kind: sum(one.outcome == kind for one in outcomes) for kind in ("retried", "already", "refused")}
        note(**counts)
        return {**counts, "items": [one.to_dict() for one in outcomes], "next": following}

    def find(partition: int, offset: int, camera_id: str | None) -> ListedLetter:
        found = None if max(partition, offset) > _MAX_OFFSET else box.get(partition, offset)
        if found is None or camera_id not in (None, found.letter.camera_id):
            raise RequestError(404, "there is no such dead letter, or no more")
        return found

    def retried(given: str, query: Which, *, again: bool) -> RetryOutcome:
        try:
            place = parse_place(given, settings.topic_dead)
        except ContractError as error:
            raise RequestError(400, f"ids: {error}") from error
        found = find(place.partition, place.offset, query.camera)
        if not query.filter.wants(found.letter):
            raise RequestError(404, f"{place} does not match the query")
        return box.retry(found.letter, principal().name, again=again)

    return routes
