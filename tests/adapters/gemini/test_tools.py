"""Functions are declared so that Gemini takes them, and nothing of their schemas is lost."""

from typing import Any

import pytest

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.conversation import Tool, ToolChoice
from llm_gateway.adapters.gemini.tools import declarations, json_schema, tool_config
from llm_gateway.errors import RequestError
from support.openai_shapes import JSONObject


def declared(parameters: JSONObject | None) -> JSONObject:
    tool = Tool("f", "", parameters, "tools[0].function")
    [declaration] = declarations([tool], None)
    return declaration


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": "F"},
        {"$ref": "#/$defs/Nothing", "$defs": {"Nothing": {"type": "object", "properties": {}}}},
    ],
)
def test_a_function_without_arguments_has_no_parameters(parameters: JSONObject | None) -> None:
    assert declared(parameters) == {"name": "f"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": {}},
        {"type": "object", "minProperties": 1},
    ],
)
def test_a_function_with_arguments_of_any_name_keeps_them(parameters: JSONObject) -> None:
    assert declared(parameters) == {"name": "f", "parametersJsonSchema": parameters}


def test_keywords_that_gemini_passes_over_stay() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": ["integer", "null"], "exclusiveMinimum": 0, "multipleOf": 2},
            "s": {"type": "string", "pattern": "^a", "format": "uri", "default": "a"},
            "const": {"oneOf": [{"type": "string"}, {"type": "array", "uniqueItems": True}]},
        },
        "required": ["n"],
        "additionalProperties": False,
    }
    assert json_schema(schema, "x", Allowance()) == schema


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        (
            {"$defs": {"A": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/A"}]},
            {"anyOf": [{"type": "string"}]},
        ),
        ({"allOf": [{"minimum": 1}, {"minimum": 3}]}, {"minimum": 3}),
        ({"type": "object", "properties": {}, "$schema": "x"}, {"type": "object"}),
    ],
)
def test_what_can_be_said_more_plainly_is(schema: JSONObject, plain: JSONObject) -> None:
    assert json_schema(schema, "x", Allowance()) == plain


def test_a_reference_that_leads_nowhere_is_named_by_its_place() -> None:
    with pytest.raises(RequestError) as caught:
        declared({"properties": {"a": {"$ref": "#/$defs/A"}}})
    assert caught.value.param == "tools[0].function.parameters"


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("auto", ("a",)), {"mode": "AUTO"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (
            ToolChoice("required", ("a", "9", "a")),
            {"mode": "ANY", "allowedFunctionNames": ["a", "_9_19581e27"]},
        ),
    ],
)
def test_each_choice_has_its_mode(choice: ToolChoice, config: Any) -> None:
    assert tool_config(choice) == {"functionCallingConfig": config}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, ["a", "b"]),
        (ToolChoice("auto"), ["a", "b"]),
        (ToolChoice("auto", ("b",)), ["b"]),
        (ToolChoice("required", ("b",)), ["a", "b"]),
    ],
)
def test_only_functions_that_may_be_called_are_declared(
    choice: ToolChoice | None, names: list[str]
) -> None:
    tools = [Tool(name, "What it does", None, "tools[0].function") for name in ("a", "b")]
    assert declarations(tools, choice) == [
        {"name": name, "description": "What it does"} for name in names
    ]
