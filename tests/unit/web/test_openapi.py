import dataclasses
import re

import pytest
from flask import Flask
from pydantic import ValidationError

from contracts.faces import ImageSize, ModelInfo, Status
from web.api import openapi_document, records
from web.api.openapi import description_of


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/openapi.json").json


def test_every_route_of_the_interface_is_described(app, document):
    pages = {"static", "openapi", "overview", "pages", "sign_in"}
    for route in app.url_map.iter_rules():
        if route.rule.startswith("/api/") or route.endpoint.partition(".")[0] not in pages:
            assert description_of(app.view_functions[route.endpoint]), f"{route.rule} is not described"
    assert {"/send", "/receive", "/api/frames", "/healthz"} <= set(document["paths"])


def test_operations_say_what_they_do_who_may_and_every_error(document):
    names = []
    for path, operations in document["paths"].items():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert re.search(r"Needs the role|Anybody may", operation["description"])
            assert ("401" in operation["responses"]) == bool(operation["security"])
            assert {"400", "403", "429", "503"} <= set(operation["responses"])
            assert ("{" in path) <= ("404" in operation["responses"])
            assert ("requestBody" in operation) <= ("413" in operation["responses"])
            for parameter in operation["parameters"]:
                assert parameter["description"], (path, parameter)
                assert parameter["schema"], (path, parameter)
    assert len(names) == len(set(names))


def test_references_lead_somewhere(document):
    for found in re.findall(r"'\$ref': '([^']+)'", str(document)):
        assert found.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_arguments_of_the_path_are_parameters(document):
    (operation,) = document["paths"]["/api/frames/{topic}/{partition}/{offset}"].values()
    assert [(one["name"], one["schema"]["type"]) for one in operation["parameters"]] == [
        ("topic", "string"),
        ("partition", "integer"),
        ("offset", "integer"),
        ("log_id", "string"),
    ]


def test_a_record_is_as_its_model_says(make_record):
    detected = make_record(1, faces=2)
    for record in (detected, make_record(2)):
        records.Faces.model_validate(record.to_dict())
    whole = dataclasses.replace(
        detected, image=ImageSize(1, 2), model=ModelInfo("m", "1", 0.5), status=Status.FAILED, error="why"
    )
    records.Faces.model_validate(whole.to_dict())
    with pytest.raises(ValidationError):
        records.Faces.model_validate(whole.to_dict() | {"new": 1})


def test_swagger_ui_is_served_from_here(app):
    client = app.test_client()
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href|data-url)="([^"]+)"', page.text)
    assert "/openapi.json" in addresses
    for address in addresses:
        with client.get(address) as answer:
            assert answer.status_code == 200, address
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert client.get("/docs/../app.py").status_code == 404


def test_an_application_without_described_routes_has_an_empty_document():
    assert openapi_document.build_document(Flask("web"))["paths"] == {}
