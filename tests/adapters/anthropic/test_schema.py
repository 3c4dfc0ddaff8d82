"""Schemas come out in the subset of structured outputs, or are refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.anthropic.schema import closed
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.anthropic_rules import check_schema
from support.json_schemas import closed_schemas, schemas

JSONObject = dict[str, Any]
WHERE = "response_format.json_schema.schema"
INTEGER = {"type": "integer"}


def an_object(**properties: object) -> JSONObject:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (INTEGER, INTEGER),
        (an_object(a=INTEGER), an_object(a=INTEGER)),
        ({"type": "object", "properties": {}}, an_object()),
        ({"properties": {"a": INTEGER}}, an_object(a=INTEGER)),
        ({"type": "object", "additionalProperties": False},
         {"type": "object", "additionalProperties": False}),
        ({**an_object(a=INTEGER), "additionalProperties": True, "$schema": "x", "$id": "y"},
         an_object(a=INTEGER)),
        ({"type": ["object", "null"], "properties": {"a": INTEGER}},
         {"type": ["object", "null"], "properties": {"a": INTEGER},
          "additionalProperties": False}),
        ({"type": "integer", "minimum": 1, "maximum": 9},
         {"type": "integer", "description": '{"minimum":1,"maximum":9}'}),
        ({"type": "string", "description": "D", "pattern": "^a"},
         {"type": "string", "description": 'D\n\n{"pattern":"^a"}'}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "color"},
         {"type": "string", "description": '{"format":"color"}'}),
        ({"type": "string", "format": ["date"]},
         {"type": "string", "description": '{"format":["date"]}'}),
        ({"type": "array", "items": INTEGER, "minItems": 1},
         {"type": "array", "items": INTEGER, "minItems": 1}),
        ({"type": "array", "items": INTEGER, "minItems": 2},
         {"type": "array", "items": INTEGER, "description": '{"minItems":2}'}),
        ({"oneOf": [INTEGER, {"type": "null"}]}, {"anyOf": [INTEGER, {"type": "null"}]}),
        ({"allOf": [{"type": "object", "properties": {"a": INTEGER}},
                    {"properties": {"b": INTEGER}}]}, an_object(a=INTEGER, b=INTEGER)),
        ({"$ref": "#/$defs/n", "$defs": {"n": INTEGER}}, INTEGER),
        ({"type": "object", "properties": {"a": INTEGER}, "required": ["a", "b"]},
         {**an_object(a=INTEGER), "required": ["a"]}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1]}),
        ({"const": "a"}, {"const": "a"}),
    ],
)  # fmt: skip
def test_a_schema_is_closed_and_in_the_subset(schema: JSONObject, made: JSONObject) -> None:
    assert closed(schema, WHERE, Allowance()) == made
    check_schema(made, WHERE)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"title": "Anything"},
        {"type": "object"},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": INTEGER},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "array", "items": True},
        {"type": "array", "items": {}},
        {"anyOf": [INTEGER, True]},
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
    ],
)
def test_free_keys_free_values_and_endless_schemas_are_refused(schema: JSONObject) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        closed(schema, WHERE, Allowance())
    assert caught.value.param == WHERE


def test_a_reference_to_nothing_is_the_clients_fault() -> None:
    with pytest.raises(RequestError) as caught:
        closed({"$ref": "#/$defs/none"}, WHERE, Allowance())
    assert caught.value.param == WHERE


@given(schemas() | closed_schemas())
def test_any_schema_is_closed_or_refused(schema: JSONObject) -> None:
    with suppress(UpstreamUnsupported):
        check_schema(closed(schema, WHERE, Allowance()), WHERE)


@given(closed_schemas())
def test_what_openai_takes_with_strict_is_never_refused(schema: JSONObject) -> None:
    check_schema(closed(schema, WHERE, Allowance()), WHERE)
