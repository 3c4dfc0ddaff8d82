"""Tools and the choice among them, as Anthropic wants them."""

from typing import Any

import pytest

from llm_gateway.adapters.anthropic.families import family_of
from llm_gateway.adapters.anthropic.tools import tools_and_choice
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Conversation,
    Message,
    Tool,
    ToolCall,
    ToolChoice,
)
from llm_gateway.errors import RequestError, UpstreamUnsupported

JSONObject = dict[str, Any]
EMPTY = {"type": "object", "properties": {}}
ALONE = {"disable_parallel_tool_use": True}
NAMES = ("f", "g", "h")


def tool(name: str, parameters: JSONObject | None = None, **more: Any) -> Tool:
    return Tool(name, "", parameters, "tools[0].function", **more)


def sent(
    *tools: Tool,
    choice: ToolChoice | None = None,
    parallel: object = None,
    model: str = "claude-haiku-4-5",
    messages: tuple[Message, ...] = (),
) -> JSONObject:
    conversation = Conversation(messages, tools, choice, None)
    return tools_and_choice(conversation, parallel, family_of(model))


def test_without_tools_and_calls_there_is_nothing_to_say() -> None:
    assert sent(parallel=False) == {}


def test_tools_that_were_called_and_are_offered_no_more_are_declared_and_forbidden() -> None:
    calls = (ToolCall("1", "a b", {}), ToolCall("2", "f", {}), ToolCall("3", "f", {}))
    said = sent(messages=(AssistantMessage((), calls, "m"),), parallel=False)
    names = [each["name"] for each in said["tools"]]
    assert (len(names), names[1], said["tool_choice"]) == (2, "f", {"type": "none"})
    assert all(each["input_schema"] == EMPTY for each in said["tools"])


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, EMPTY),
        ({}, EMPTY),
        ({"type": "object"}, EMPTY),
        ({"properties": {"a": {}}, "x": 1}, {"type": "object", "properties": {"a": {}}, "x": 1}),
    ],
)
def test_parameters_are_the_schema_of_an_object(
    parameters: JSONObject | None, schema: JSONObject
) -> None:
    assert sent(tool("f", parameters))["tools"] == [{"name": "f", "input_schema": schema}]


def test_a_strict_tool_has_a_closed_schema_and_a_marked_one_its_mark() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    parameters = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    [made] = sent(tool("f", parameters, strict=True, extra=mark))["tools"]
    limited = {"type": "integer", "description": '{"minimum":1}'}
    schema = {"type": "object", "properties": {"a": limited}, "additionalProperties": False}
    assert made == {"name": "f", "strict": True, "input_schema": schema, **mark}


@pytest.mark.parametrize(
    ("parameters", "param"),
    [({"type": "array"}, "parameters.type"), ({"properties": []}, "parameters.properties")],
)
def test_parameters_that_are_no_object_are_the_clients_fault(
    parameters: JSONObject, param: str
) -> None:
    with pytest.raises(RequestError) as caught:
        sent(tool("f", parameters))
    assert caught.value.param == f"tools[0].function.{param}"


def test_all_of_a_schema_is_said_in_one() -> None:
    named = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    parameters = {
        "allOf": [{"$ref": "#/$defs/named"}, {"properties": {"b": {"type": "integer"}}}],
        "$defs": {"named": named},
    }
    [made] = sent(tool("f", parameters))["tools"]
    properties = {"a": {"type": "string"}, "b": {"type": "integer"}}
    assert made["input_schema"] == {
        "type": "object", "properties": properties, "required": ["a"]
    }  # fmt: skip


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_alternatives_to_all_parameters_are_refused(word: str, strict: bool | None) -> None:
    parameters = {"type": "object", word: [{"properties": {"a": {"type": "string"}}}]}
    with pytest.raises(UpstreamUnsupported) as caught:
        sent(tool("f", parameters, strict=strict))
    assert caught.value.param == f"tools[0].function.parameters.{word}"


@pytest.mark.parametrize("key", ["é", "a b", "", "$ref", "x" * 65])
def test_names_of_parameters_that_anthropic_does_not_take_are_refused(key: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        sent(tool("f", {"properties": {key: {}}}))
    assert caught.value.param == "tools[0].function.parameters.properties"


@pytest.mark.parametrize(
    ("choice", "parallel", "expected", "offered"),
    [
        (None, None, None, NAMES),
        (None, True, None, NAMES),
        (None, False, {"type": "auto", **ALONE}, NAMES),
        (ToolChoice("none"), False, {"type": "none"}, NAMES),
        (ToolChoice("auto"), None, {"type": "auto"}, NAMES),
        (ToolChoice("required"), False, {"type": "any", **ALONE}, NAMES),
        (ToolChoice("required", ("g",)), None, {"type": "tool", "name": "g"}, NAMES),
        (ToolChoice("required", ("g",)), False, {"type": "tool", "name": "g", **ALONE}, NAMES),
        (ToolChoice("required", ("h", "g")), None, {"type": "any"}, ("g", "h")),
        (ToolChoice("auto", ("g",)), None, {"type": "auto"}, ("g",)),
    ],
)
def test_the_choice_and_what_is_offered(
    choice: ToolChoice | None, parallel: object, expected: object, offered: tuple[str, ...]
) -> None:
    said = sent(*(tool(name) for name in NAMES), choice=choice, parallel=parallel)
    assert said.get("tool_choice") == expected
    assert tuple(each["name"] for each in said["tools"]) == offered


def test_a_model_that_cannot_be_made_to_call_a_tool_refuses_it() -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        sent(tool("f"), choice=ToolChoice("required"), model="claude-opus-5-5")
    assert caught.value.param == "tool_choice"
    assert sent(tool("f"), choice=ToolChoice("auto"), model="claude-opus-5-5")


def test_parallel_tool_calls_is_a_boolean() -> None:
    with pytest.raises(RequestError) as caught:
        sent(tool("f"), parallel="no")
    assert caught.value.param == "parallel_tool_calls"
