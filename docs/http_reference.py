"""The reference of the HTTP interface, from the application's own description. No server is needed."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry

from settings import Settings
from web import create_app
from web.api.openapi_document import build_document
from web.services import Services

Json = dict[str, Any]


def http_reference() -> str:
    """Return every operation, and every model that they take or answer, in Markdown."""
    settings = Settings()
    services = Services.build(settings, CollectorRegistry())  # nothing connects before `start`
    try:
        document = build_document(create_app(settings, services))
    finally:
        services.close()
    return "\n".join([*_operations(document), *_models(document)])


def _operations(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name']}\n\n{tag['description']}\n"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method.upper(), path, operation)


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {method} {path} {{ #{operation['operationId']} }}\n"
    yield f"{operation['summary']}.\n\n{operation['description']}\n"
    if operation["parameters"]:
        yield "| parameter | in | type | meaning |\n|---|---|---|---|"
        for one in operation["parameters"]:
            needed = ", required" if one["required"] else ""
            kind = f"{_type(one['schema'])}{needed}"
            yield f"| `{one['name']}` | {one['in']} | {kind} | {_line(one.get('description', ''))} |"
        yield ""
    if "requestBody" in operation:
        yield f"Body: {_content(operation['requestBody']['content'])}\n"
    yield "| answer | meaning | body |\n|---|---|---|"
    for status, answer in operation["responses"].items():
        yield f"| {status} | {_line(answer['description'])} | {_content(answer.get('content', {}))} |"
    yield ""


def _models(document: Json) -> Iterator[str]:
    yield "## Models\n"
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name} {{ #model-{name} }}\n\n{schema.get('description', '')}\n"
        if "enum" in schema:
            yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
        if schema.get("properties"):
            yield "| field | type | meaning |\n|---|---|---|"
            for field, inner in schema["properties"].items():
                needed = ", required" if field in schema.get("required", ()) else ""
                yield f"| `{field}` | {_type(inner)}{needed} | {_line(inner.get('description', ''))} |"
            yield ""


def _content(content: Json) -> str:
    return ", ".join(f"`{media}`: {_type(inner['schema'])}" for media, inner in content.items())


def _type(schema: Json) -> str:
    """Return a schema in some words; a model becomes a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#model-{name})"
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(_type(one) for one in schema[choice])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    kind = schema.get("format") or schema.get("type") or "anything"
    return ", ".join(kind) if isinstance(kind, list) else str(kind)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
