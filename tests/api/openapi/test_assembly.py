"""The document is valid OpenAPI 3.1, has every route and no other, and says nothing of anybody."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from llm_gateway.api.openapi import document, reply
from llm_gateway.api.routes import every, is_open

ROUTES = [*every()]


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for inner in value.values() for each in references(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in references(inner)]
    return []


def test_it_is_valid() -> None:
    errors = jsonschema_rs.validator_for(OPENAPI_31).iter_errors(document())
    assert [f"{[*error.instance_path]}: {error.message}" for error in errors] == []


def test_every_schema_is_valid() -> None:
    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere() -> None:
    for reference in {*references(document())}:
        place: Any = document()
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_every_component_is_referred_to_or_is_for_what_has_no_path() -> None:
    parts = document()["components"]
    here = {
        f"#/components/{kind}/{name}"
        for kind, components in parts.items()
        if kind != "securitySchemes"
        for name in components
    }
    unused = {each for each in here if "/nowhere-" in each}
    assert here - {*references(document())} == unused


@pytest.mark.parametrize(("path", "methods"), [(path, route.methods) for path, route in ROUTES])
def test_every_route_is_there(path: str, methods: tuple[str, ...]) -> None:
    assert [*document()["paths"][path]] == [method.lower() for method in methods]


def test_what_is_asked_for_without_its_body_has_headers_alone() -> None:
    item = document()["paths"]["/openapi.json"]
    assert item["head"]["responses"]["200"]["headers"] == item["get"]["responses"]["200"]["headers"]
    assert "content" in item["get"]["responses"]["200"]
    assert "content" not in item["head"]["responses"]["200"]


def test_there_is_no_other_path() -> None:
    assert document()["paths"].keys() == {path for path, _ in ROUTES}


def test_only_what_is_open_wants_no_token() -> None:
    for path, item in document()["paths"].items():
        for operation in item.values():
            assert (operation.get("security") == []) == is_open(path)
            assert ("401" in operation["responses"]) != is_open(path)
    assert document()["security"] == [{"token": []}]


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [o["operationId"] for item in document()["paths"].values() for o in item.values()]
    assert len(names) == len({*names})
    assert {"chat", "chat_short", "models", "model_head", "picture"} <= {*names}


def test_it_is_served_as_json_that_may_be_kept_and_told_apart() -> None:
    body = reply().body
    assert isinstance(body, bytes)
    assert json.loads(body) == document()
    assert reply().content_type == "application/json"
    headers = dict(reply().headers)
    assert re.fullmatch(r'"[0-9a-f]{16}"', headers["etag"])
    assert headers["cache-control"] == "max-age=3600"
    assert reply() is reply()
