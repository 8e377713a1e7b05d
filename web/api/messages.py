"""`POST /send` and `GET /receive`."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field
from werkzeug.exceptions import MethodNotAllowed

from contracts.errors import ContractError
from settings import Settings
from web.access import Role, principal, requires
from web.api.openapi import Answer, Content, describes
from web.api.records import Messages, Source
from web.clients import COOKIE, name_client
from web.errors import RequestError
from web.parameters import Body, Printable, Query, described, known_names
from web.services import Services
from web.services.messages import MAX_CONTENT, MAX_SENDER, ChatMessage, to_json

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000
_MAX_WAIT_S = 30


class NewMessage(Body):
    """What somebody says, and who says it."""

    content: str = Field(min_length=1, max_length=MAX_CONTENT)
    sender: str = Field(min_length=1, max_length=MAX_SENDER)


class SentMessage(Query):
    """Where a message is published."""

    topic: str | None = described("A topic of the setting CROWDWATCH_SEND_TOPICS. Default: `chat`.", default=None)


class Receiving(Query):
    """Who receives, and what."""

    client: Annotated[Printable, Field(min_length=1, max_length=100)] | None = described(
        "Who receives: each client gets each message once. Default: the key, else a cookie.", default=None
    )
    topics: str | None = described("Of which topics, separated by commas. Default: all.", default=None)
    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)
    wait: float = described("Seconds to wait for a first one.", default=0, ge=0, le=_MAX_WAIT_S)


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of messages."""
    routes = Blueprint("messages", __name__)
    send_topics = tuple(dict.fromkeys((settings.topic_chat, *settings.send_topics)))
    cookie_s = int(settings.faces_retention_hours * 3600)

    @routes.post("/send")
    @requires(Role.OPERATOR, audited=False)
    @describes(
        {202: Answer("The message is in the log.", Content({"application/json": Source}))},
        body=Content({"application/json": NewMessage}),
    )
    def send(query: SentMessage) -> ResponseReturnValue:
        """Publish a message. The type that the body says it has does not matter."""
        topic = settings.topic_chat if query.topic is None else query.topic
        if topic not in send_topics:
            raise RequestError(
                400,
                f"topic should be one of {', '.join(send_topics)}, is {topic!r:.60}",
                code="unknown_name",
                detail={"known": list(send_topics)},
            )
        try:
            message = ChatMessage.from_json(request.get_data())
        except ContractError as error:
            raise RequestError(400, str(error), code="bad_message") from error
        place = services.messages.send(topic, message)
        return {"topic": place.topic, "partition": place.partition, "offset": place.offset}, 202

    @routes.get("/receive")
    @requires(Role.VIEWER)
    @describes({200: Messages})
    def receive(query: Receiving) -> Response:
        """Messages and results since this client's last call, each of them once."""
        if request.method == "HEAD":  # which Flask adds: what it moves past would be lost
            raise MethodNotAllowed(["GET"])
        client = name_client(query.client, principal().key, request.cookies)
        topics = known_names(query.topics, "topics", services.messages.topics)
        records = services.messages.receive(client.id, topics, query.limit, query.wait)
        response = jsonify({"messages": [to_json(record) for record in records]})
        if client.new_cookie is not None:
            response.set_cookie(
                COOKIE, client.new_cookie, max_age=cookie_s, httponly=True, samesite="Lax", secure=request.is_secure
            )
        return response

    return routes
