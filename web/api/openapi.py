"""What a view says of itself for the description of the HTTP interface, and what is read for it from the request."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from web import parameters

View = Callable[..., ResponseReturnValue]
Schema = Mapping[str, Any]

BINARY: Schema = {"type": "string", "format": "binary"}
"""Bytes, in the words of JSON Schema."""

_KEY = "description"


@dataclass(frozen=True)
class Content:
    """What a body holds: for each media type a model, or a JSON schema."""

    types: Mapping[str, type[BaseModel] | Schema]


@dataclass(frozen=True)
class Answer:
    """One status of an answer: what it means, what its body holds, and its headers, each with its meaning."""

    text: str
    content: Content | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Answers = Mapping[int, type[BaseModel] | str | Answer]
"""For each status the model of its JSON, a sentence (an error, or an answer without a body), or an `Answer`."""


@dataclass(frozen=True)
class Description:
    """What one view takes and answers. `path` holds the annotations of the arguments in its path."""

    summary: str
    text: str
    answers: Answers
    query: type[BaseModel] | None
    body: Content | None
    path: Mapping[str, Any]


def describes(answers: Answers, *, body: Content | None = None) -> Callable[[View], View]:
    """Describe a view, and read its parameters `query` and `body`, where it has them, by their annotations.

    `body` is for those that read their body by themselves. See `web.access` for an example.
    """

    def decorate(view: View) -> View:
        taken = {name: argument.annotation for name, argument in inspect.signature(view).parameters.items()}
        query_model, body_model = taken.pop("query", None), taken.pop("body", None)
        summary, _, text = inspect.cleandoc(view.__doc__ or "").partition("\n")

        @wraps(view)
        def read_and_call(**arguments: Any) -> ResponseReturnValue:
            if query_model is not None:
                arguments["query"] = parameters.read_query(query_model)
            if body_model is not None:
                arguments["body"] = parameters.read_body(body_model)
            return view(**arguments)

        vars(read_and_call)[_KEY] = Description(
            summary=summary.rstrip("."),
            text=text.strip(),
            answers=answers,
            query=query_model,
            body=Content({"application/json": body_model}) if body_model is not None else body,
            path=taken,
        )
        return read_and_call

    return decorate


def description_of(view: Callable[..., Any]) -> Description | None:
    """Return what a view says of itself, None for one that says nothing, such as a page."""
    found = vars(view).get(_KEY)
    return found if isinstance(found, Description) else None
