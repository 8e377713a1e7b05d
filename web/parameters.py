"""Types of a request's parameters, and how they are read: models of pydantic, with errors that name the parameter."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, WithJsonSchema

from contracts.ids import MOST_CHARACTERS
from contracts.ids import name as checked_name
from web.errors import RequestError

_SHOWN = 60

Model = TypeVar("Model", bound=BaseModel)


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("should be printable characters")
    return text


def described(text: str, **limits: Any) -> Any:
    """Return a field with what it means, and pydantic's limits and default."""
    return Field(description=text, **limits)


Printable = Annotated[str, AfterValidator(_printable)]
"""Text that can be printed, not only of spaces. Give it a length."""
CameraName = Annotated[
    str,
    AfterValidator(lambda text: checked_name(text, "the text")),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}),
]
"""A camera's id, or the name of a zone, line or venue, in NFC: the rule of `contracts.ids`."""
Cursor = Annotated[str, Field(max_length=1000)]
"""The `next` of an earlier page."""


UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
Password = Annotated[SecretStr, Field(min_length=10, max_length=200)]


class Query(BaseModel):
    """Parameters of a query. Those that a route does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Body(BaseModel):
    """A JSON body. Fields that are not known are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_query(model: type[Model]) -> Model:
    """Read the query of this request; of a name that is given twice, the first counts.

    Raises:
        RequestError: 400, a parameter is not as the model wants it.
    """
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _refused(error, f", is {error.errors()[0]['input']!r:.{_SHOWN}}") from error


def read_body(model: type[Model]) -> Model:
    """Read this request's JSON body, whatever type it says it has. What was given is not repeated: it may be secret.

    Raises:
        RequestError: 400, it is no JSON, or not as the model wants it.
    """
    try:
        fields = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body should be JSON: {error}", code="bad_json") from error
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refused(error, "") from error


def known_names(text: str | None, name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names listed in the parameter `name`, separated by commas; all that are `known` without it.

    Raises:
        RequestError: 400, a name is unknown or none is given; the detail lists the known ones.
    """
    if text is None:
        return tuple(known)
    wanted = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [part for part in wanted if part not in known]
    if unknown or not wanted:
        what = f"unknown: {', '.join(unknown):.80}" if unknown else "no name is given"
        raise RequestError(
            400, f"{name} should be of {', '.join(known)}; {what}", code="unknown_name", detail={"known": list(known)}
        )
    return wanted


def _refused(error: ValidationError, given: str) -> RequestError:
    """Say the first thing that is wrong in words, and all of them for programs."""
    detail = [
        {"field": ".".join(map(str, found["loc"])), "message": found["msg"].removeprefix("Value error, ")}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    field, message = detail[0]["field"] or "the body", detail[0]["message"]
    return RequestError(400, f"{field}: {message[:1].lower()}{message[1:]}{given}", detail=detail)
