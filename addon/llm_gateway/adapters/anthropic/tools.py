"""Tools on offer, and which of them the model may or has to call."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.anthropic.families import Family
from llm_gateway.adapters.anthropic.names import tool_name
from llm_gateway.adapters.anthropic.schema import closed
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Conversation,
    Message,
    Tool,
    ToolChoice,
)
from llm_gateway.adapters.fields import unsupported
from llm_gateway.adapters.schemas import Schema, inlined, merged_all_of

type JSONObject = dict[str, Any]

FORCED = {"any", "tool"}
"""The types of tool_choice under which a tool has to be called."""

_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}
_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ALTERNATIVES = ("anyOf", "oneOf")
_CHOICES = {"auto": "auto", "required": "any"}


def tools_and_choice(conversation: Conversation, parallel: object, family: Family) -> JSONObject:
    """``tools`` and ``tool_choice`` of the request, as far as there are any.

    ``parallel`` is the client's ``parallel_tool_calls``. Where the conversation has calls and the
    client offers no tools any more, the tools called are declared, because Anthropic wants to know
    them, and calling them is forbidden. Raises RequestError for what is malformed,
    UpstreamUnsupported for what the model does not take.
    """
    if parallel is not None:
        faults.boolean(parallel, "parallel_tool_calls")
    if not conversation.tools:
        called = [_declared(name) for name in _called(conversation.messages)]
        return {"tools": called, "tool_choice": {"type": "none"}} if called else {}
    choice = conversation.tool_choice
    sent = _choice(choice, alone=parallel is False)
    if sent.get("type") in FORCED and not family.forces:
        raise unsupported("tool_choice", "this model decides itself whether to call a tool")
    offered = _offered(conversation.tools, choice)
    return {"tools": [_tool(tool) for tool in offered], **({"tool_choice": sent} if sent else {})}


def _called(messages: Iterable[Message]) -> list[str]:
    calls = (call for each in messages if isinstance(each, AssistantMessage) for call in each.calls)
    return list(dict.fromkeys(call.name for call in calls))


def _declared(name: str) -> JSONObject:
    return {"name": tool_name(name), "input_schema": dict(_NO_ARGUMENTS)}


def _tool(tool: Tool) -> JSONObject:
    described = {"description": tool.description} if tool.description else {}
    strict = {"strict": True} if tool.strict else {}
    return {
        "name": tool_name(tool.name),
        **described,
        "input_schema": _input_schema(tool),
        **strict,
        **tool.extra,
    }


def _input_schema(tool: Tool) -> JSONObject:
    where = f"{tool.where}.parameters"
    schema = {**_NO_ARGUMENTS, **_in_one(tool, where)}
    if schema["type"] != "object":
        raise faults.invalid_value(f"{where}.type", "'object'")
    place = f"{where}.properties"
    if not all(_KEY.fullmatch(key) for key in faults.mapping(schema["properties"], place)):
        raise unsupported(place, "names have up to 64 letters, digits, '_', '.' and '-'")
    return closed(schema, where, tool.allowance) if tool.strict else schema


def _in_one(tool: Tool, where: str) -> Schema:
    """Its schema as one: there are no alternatives to all the parameters, nor parts of them."""
    schema = tool.parameters or {}
    if "allOf" in schema:
        schema = merged_all_of(inlined(schema, where, tool.allowance))
    for word in _ALTERNATIVES:
        if word in schema:
            raise unsupported(f"{where}.{word}", "parameters are one object")
    return schema


def _offered(tools: Sequence[Tool], choice: ToolChoice | None) -> Sequence[Tool]:
    if choice is None or not choice.names or _is_one(choice):
        return tools
    names = frozenset(choice.names)
    return [tool for tool in tools if tool.name in names]


def _choice(choice: ToolChoice | None, *, alone: bool) -> JSONObject:
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if alone else {}
    if choice.mode == "none":
        return {"type": "none"}
    sent: JSONObject = {"type": _CHOICES[choice.mode]}
    if _is_one(choice):
        sent = {"type": "tool", "name": tool_name(choice.names[0])}
    return {**sent, "disable_parallel_tool_use": True} if alone else sent


def _is_one(choice: ToolChoice) -> bool:
    return choice.mode == "required" and len(choice.names) == 1
