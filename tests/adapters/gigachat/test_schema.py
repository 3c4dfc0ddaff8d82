"""Schemas of parameters are put in GigaChat's terms, and what does not fit is told in words."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.gigachat.schema import parameters_of
from llm_gateway.errors import RequestError
from support.calls import unchanged
from support.gigachat_rules import check_chat_request
from support.json_schemas import closed_schemas, schemas

EMPTY = {"type": "object", "properties": {}}


def property_of(schema: object, **root: Any) -> Any:
    """What becomes of a property with this schema."""
    whole = {"type": "object", "properties": {"p": schema}, **root}
    before = unchanged(whole)
    parameters, _ = parameters_of(whole, "tools[0].function.parameters", Allowance())
    assert whole == before
    return parameters["properties"]["p"]


def noted(note: str, **schema: Any) -> dict[str, Any]:
    """A schema with this note in its description."""
    return {**schema, "description": f"(JSON Schema: {note})"}


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, EMPTY, {"properties": {}}])
def test_a_function_without_parameters_has_an_empty_object(schema: dict[str, Any] | None) -> None:
    assert parameters_of(schema, "p", Allowance()) == (EMPTY, "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "description": "d"},
        {"type": "string", "enum": ["a", ""]},
        {"type": "array", "items": {"type": "number"}},
        {"type": "object", "properties": {"n": {"type": "integer"}}},
        {"type": "boolean"},
    ],
)
def test_what_gigachat_knows_stays(schema: dict[str, Any]) -> None:
    assert property_of(schema) == schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "string"}),
        (True, {"type": "string"}),
        ({"title": "P", "$comment": "c", "deprecated": True}, {"type": "string"}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"items": True}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "object"}, EMPTY),
        ({"properties": {}}, EMPTY),
        ({"type": "object", "additionalProperties": False}, EMPTY),
        ({"type": "object", "additionalProperties": True}, EMPTY),
        ({"type": "object", "additionalProperties": {}}, EMPTY),
        ({"enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"anyOf": [{"type": "integer"}]}, {"type": "integer"}),
        ({"anyOf": []}, {"type": "string"}),
        (
            {"description": "a", "anyOf": [{"type": "integer", "description": "b"}]},
            {"type": "integer", "description": "a b"},
        ),
        (
            {"allOf": [{"type": "integer"}, {"description": "d"}]},
            {"type": "integer", "description": "d"},
        ),
        ({"type": ["integer"]}, {"type": "integer"}),
    ],
)
def test_what_can_be_said_is_said(schema: object, expected: dict[str, Any]) -> None:
    assert property_of(schema) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 1}, noted('{"minimum":1}', type="integer")),
        ({"type": "string", "format": "date"}, noted('{"format":"date"}', type="string")),
        ({"type": "integer", "enum": [1]}, noted('{"enum":[1]}', type="integer")),
        ({"enum": [1, 2]}, noted('{"enum":[1,2]}', type="integer")),
        ({"enum": ["a", 1]}, noted('{"enum":["a",1]}', type="string")),
        ({"const": 7}, noted('{"enum":[7]}', type="integer")),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            noted('{"nullable":true,"enum":["a",null]}', type="string", enum=["a"]),
        ),
        ({"type": ["string", "null"]}, noted('{"nullable":true}', type="string")),
        (
            {"type": ["integer", "string"]},
            noted('{"type":["integer","string"]}', type="integer"),
        ),
        ({"type": "null"}, noted('{"type":"null"}', type="string")),
        ({"type": ["null"]}, noted('{"nullable":true}', type="string")),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            noted('{"nullable":true}', type="integer"),
        ),
        (
            {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]},
            noted('{"anyOf":[{"type":"integer","minimum":1},{"type":"string"}]}', type="integer"),
        ),
        (
            {"anyOf": [{"const": "a"}, {"enum": ["b"]}]},
            noted(
                '{"anyOf":[{"type":"string","enum":["a"]},{"enum":["b"]}]}',
                type="string",
                enum=["a", "b"],
            ),
        ),
        (
            {"anyOf": [{"const": "a"}, {"type": "string"}]},
            noted('{"anyOf":[{"type":"string","enum":["a"]},{"type":"string"}]}', type="string"),
        ),
        (
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
            noted('{"required":["a"]}', type="object", properties={"a": {"type": "string"}}),
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            noted('{"additionalProperties":{"type":"integer"}}', **EMPTY),
        ),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
            noted(
                '{"minItems":2}',
                type="array",
                items=noted('{"minimum":1}', type="integer"),
            ),
        ),
        ({"not": {}}, noted('{"not":{}}', type="string")),
    ],
)
def test_what_cannot_be_said_is_a_note(schema: object, expected: dict[str, Any]) -> None:
    assert property_of(schema) == expected


def test_a_note_comes_after_the_description() -> None:
    schema = {"type": "integer", "description": "How many.", "maximum": 3}
    assert property_of(schema)["description"] == 'How many. (JSON Schema: {"maximum":3})'


def test_references_are_put_in_their_place() -> None:
    definitions = {"n": {"type": "integer", "description": "A number"}}
    assert property_of({"$ref": "#/$defs/n"}, **{"$defs": definitions}) == definitions["n"]


def test_what_is_required_is_a_property() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}
    assert parameters_of(schema, "p", Allowance())[0]["required"] == ["a"]
    assert "required" not in parameters_of({**schema, "required": ["b"]}, "p", Allowance())[0]


def test_what_the_whole_says_is_for_the_functions_description() -> None:
    schema = {
        "type": "object",
        "title": "Query",
        "description": "A query.",
        "properties": {"a": {"type": "string"}},
        "minProperties": 1,
    }
    parameters, note = parameters_of(schema, "p", Allowance())
    assert parameters == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert note == 'A query. (JSON Schema: {"minProperties":1})'


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"type": "string"}, "p.type"),
        ({"type": "array", "items": {}}, "p.type"),
        ({"type": ["object", "string"]}, "p.type"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "p"),
    ],
)
def test_a_schema_that_makes_no_sense_is_the_clients_fault(
    schema: dict[str, Any], param: str
) -> None:
    with pytest.raises(RequestError) as caught:
        parameters_of(schema, "p", Allowance())
    assert caught.value.param == param


@given(schemas() | closed_schemas())
def test_any_schema_becomes_one_that_gigachat_takes(schema: dict[str, Any]) -> None:
    before = unchanged(schema)
    parameters, note = parameters_of(schema, "p", Allowance())
    assert schema == before
    function = {"name": "f", "description": note, "parameters": parameters}
    message = {"role": "user", "content": "Hi"}
    check_chat_request({"model": "m", "messages": [message], "functions": [function]})
    orjson.dumps(parameters)
