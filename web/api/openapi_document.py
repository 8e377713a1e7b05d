"""`/openapi.json`: the OpenAPI 3.1 document, made from the routes, their rules and their descriptions."""

import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from werkzeug.routing import Rule as Route

from web.access.rules import Rule, rule_of
from web.api.openapi import Answer, Content, Description, description_of
from web.errors import ErrorAnswer

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{model}"
_ARGUMENT = re.compile(r"<(?:(?P<converter>\w+)(?:\([^>]*\))?:)?(?P<name>\w+)>")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ALWAYS = {
    400: "The request is not as it should be; the error says what is wrong.",
    403: "Refused: the role does not suffice, or the request comes from another site's page.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "A server that this needs does not answer; try again.",
}
_WITHOUT_SIGN_IN = {401: "Nobody signed in, and no key was sent."}
_WITH_PATH = {404: "There is nothing at this address."}
_WITH_BODY = {413: "The body is larger than is accepted here.", 415: "The body is of a type that is not accepted here."}


def build_document(app: Flask) -> Json:
    """Return the document of every route of `app` that describes itself."""
    schemas = _Schemas()
    paths: Json = {}
    tags: Json = {}
    for route, method, description in described_routes(app):
        rule = rule_of(app, route.endpoint)
        assert rule is not None, route
        tag = route.endpoint.partition(".")[0]
        tags.setdefault(tag, _about(app, tag))
        paths.setdefault(_ARGUMENT.sub(r"{\g<name>}", route.rule), {})[method.lower()] = {
            "operationId": route.endpoint.replace(".", "_"),
            "tags": [tag],
            "summary": description.summary,
            "description": f"{description.text}\n\n{_who(rule)}".strip(),
            "security": [{"key": []}, {"session": []}] if rule.role else [],
            "parameters": [*_path_parameters(route, description), *_query_parameters(description, schemas)],
            **_request_body(description, schemas),
            "responses": {
                str(status): _response(status, answer, schemas)
                for status, answer in sorted(_answers(route, rule, description).items())
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Crowdwatch",
            "version": version("crowdwatch"),
            "description": "Pictures in, face counts and crowd analytics out. Every error has one shape.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.found.items())),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `cw_…`."},
                "session": {"type": "apiKey", "in": "cookie", "name": "crowdwatch_session"},
            },
        },
    }


def described_routes(app: Flask) -> Iterator[tuple[Route, str, Description]]:
    """Yield every route that describes itself, once for each method, by path."""
    for route in sorted(app.url_map.iter_rules(), key=lambda route: route.rule):
        description = description_of(app.view_functions[route.endpoint])
        for method in _METHODS:
            if description is not None and method in (route.methods or ()):
                yield route, method, description


class _Schemas:
    """Collects the schemas of models, each under its name."""

    def __init__(self) -> None:
        self.found: Json = {}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        """Return a model's schema; what it refers to is collected."""
        schema = model.model_json_schema(ref_template=_REFERENCE, mode=mode)
        self.found |= schema.pop("$defs", {})
        return schema

    def reference(self, content: type[BaseModel] | Mapping[str, Any], mode: JsonSchemaMode) -> Json:
        """Return a reference to a model that is collected, or the schema that was given."""
        if isinstance(content, Mapping):
            return dict(content)
        schema = self.of(content, mode)
        other = self.found.setdefault(content.__name__, schema)
        assert other == schema, f"two models are named {content.__name__}"
        return {"$ref": _REFERENCE.format(model=content.__name__)}

    def content(self, content: Content, mode: JsonSchemaMode) -> Json:
        """Return the media types of a body."""
        return {name: {"schema": self.reference(model, mode)} for name, model in content.types.items()}


def _about(app: Flask, tag: str) -> str:
    """Return what the module of a blueprint says it is."""
    module = sys.modules[app.blueprints[tag].import_name]
    return (module.__doc__ or "").partition("\n")[0]


def _who(rule: Rule) -> str:
    if rule.role is None:
        return "Anybody may call this."
    limited = f" A key for some cameras may call it with one of them as `{rule.camera}`." if rule.camera else ""
    return f"Needs the role {rule.role.value}.{limited}"


def _path_parameters(route: Route, description: Description) -> Iterator[Json]:
    for found in _ARGUMENT.finditer(route.rule):
        schema = TypeAdapter(description.path.get(found["name"], str)).json_schema(ref_template=_REFERENCE)
        schema |= {"minimum": 0} if found["converter"] == "int" else {}
        text = schema.pop("description", None)
        yield {"name": found["name"], "in": "path", "required": True, "schema": schema} | _text(text)


def _query_parameters(description: Description, schemas: _Schemas) -> Iterator[Json]:
    if description.query is None:
        return
    model = schemas.of(description.query, "validation")
    for name, schema in model.get("properties", {}).items():
        text = schema.pop("description", None)
        schema.pop("title", None)
        required = name in model.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": _without_null(schema)} | _text(text)


def _without_null(schema: Json) -> Json:
    """A parameter of a query is there or not; it is never null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        schema = {name: value for name, value in schema.items() if name != "anyOf"} | choices[0]
    return {name: value for name, value in schema.items() if not (name == "default" and value is None)}


def _request_body(description: Description, schemas: _Schemas) -> Json:
    if description.body is None:
        return {}
    return {"requestBody": {"required": True, "content": schemas.content(description.body, "validation")}}


def _answers(route: Route, rule: Rule, description: Description) -> dict[int, type[BaseModel] | str | Answer]:
    answers: dict[int, type[BaseModel] | str | Answer] = dict(_ALWAYS)
    if rule.role is not None:
        answers |= _WITHOUT_SIGN_IN
    if route.arguments:
        answers |= _WITH_PATH
    if description.body is not None:
        answers |= _WITH_BODY
    return answers | dict(description.answers)


def _response(status: int, answer: type[BaseModel] | str | Answer, schemas: _Schemas) -> Json:
    if isinstance(answer, str):
        answer = Answer(answer, Content({"application/json": ErrorAnswer}) if status >= 400 else None)
    elif not isinstance(answer, Answer):
        text = (answer.__doc__ or HTTPStatus(status).phrase).partition("\n")[0]
        answer = Answer(text, Content({"application/json": answer}))
    response: Json = {"description": answer.text}
    if answer.content is not None:
        response["content"] = schemas.content(answer.content, "serialization")
    if answer.headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return response


def _text(text: str | None) -> Json:
    return {"description": text} if text else {}
