"""`POST /send` and `GET /receive`."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed

from contracts.errors import ContractError
from settings import Settings
from web import parameters
from web.clients import COOKIE, name_client
from web.errors import RequestError
from web.services import Services
from web.services.messages import ChatMessage, to_json

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000
_MAX_WAIT_S = 30


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of messages."""
    routes = Blueprint("messages", __name__)
    send_topics = tuple(dict.fromkeys((settings.topic_chat, *settings.send_topics)))
    cookie_s = int(settings.faces_retention_hours * 3600)

    @routes.post("/send")
    def send() -> ResponseReturnValue:
        topic = request.args.get("topic", settings.topic_chat)
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
    def receive() -> Response:
        if request.method == "HEAD":  # which Flask adds: what it moves past would be lost
            raise MethodNotAllowed(["GET"])
        client = name_client(request.args, request.cookies)
        topics = parameters.names_of(request.args, "topics", services.messages.topics)
        limit = parameters.whole_number(request.args, "limit", default=_DEFAULT_LIMIT, maximum=_MAX_LIMIT)
        wait_s = parameters.seconds(request.args, "wait", maximum=_MAX_WAIT_S)
        records = services.messages.receive(client.id, topics, limit, wait_s)
        response = jsonify({"messages": [to_json(record) for record in records]})
        if client.new_cookie is not None:
            response.set_cookie(
                COOKIE, client.new_cookie, max_age=cookie_s, httponly=True, samesite="Lax", secure=request.is_secure
            )
        return response

    return routes
