"""Functions, and which of them to call.

Source: https://ai.google.dev/api/caching#Tool
"""

from collections.abc import Sequence
from typing import Any

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.conversation import Tool, ToolChoice
from llm_gateway.adapters.gemini.names import sent_name
from llm_gateway.adapters.schemas import (
    Schema,
    const_as_enum,
    inlined,
    merged_all_of,
    rewritten,
    without,
)

_NO_ARGUMENTS = {"additionalProperties", "description", "required", "title", "type"}


def declarations(tools: Sequence[Tool], choice: ToolChoice | None) -> list[dict[str, Any]]:
    """The functions to be declared. Raises RequestError (400) for references that lead nowhere."""
    if choice is not None and choice.mode == "auto" and choice.names:
        # Names may only be listed where one of them has to be called.
        names = frozenset(choice.names)
        tools = [tool for tool in tools if tool.name in names]
    return [_declaration(tool) for tool in tools]


def tool_config(choice: ToolChoice) -> dict[str, Any]:
    """``toolConfig`` for what the client chose."""
    if choice.mode != "required":
        return {"functionCallingConfig": {"mode": choice.mode.upper()}}
    config: dict[str, Any] = {"mode": "ANY"}
    if choice.names:
        config["allowedFunctionNames"] = [sent_name(name) for name in dict.fromkeys(choice.names)]
    return {"functionCallingConfig": config}


def json_schema(schema: Schema, where: str, allowance: Allowance) -> Schema:
    """A client's schema as Gemini reads JSON Schema.

    It is sent in the fields that take JSON Schema, ``parametersJsonSchema`` and
    ``responseJsonSchema``, and not in the older ``parameters`` and ``responseSchema``: those refuse
    the whole request for the first keyword they do not know (``exclusiveMinimum`` will do), these
    pass over it, so nothing needs to be taken out. What is not on their list of keywords and can be
    said in other words is: ``$ref`` (nothing may stand beside one, and one that is recursive is
    refused), ``allOf`` and ``const``.

    Raises RequestError (400) that names ``where`` for references that lead nowhere.
    """
    rules = (merged_all_of, const_as_enum, without("$schema"), _without_empty_properties)
    return rewritten(inlined(schema, where, allowance), *rules)


def _declaration(tool: Tool) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": sent_name(tool.name)}
    if tool.description:
        declaration["description"] = tool.description
    if tool.parameters:
        schema = json_schema(tool.parameters, f"{tool.where}.parameters", tool.allowance)
        if not _takes_nothing(schema):
            declaration["parametersJsonSchema"] = schema
    return declaration


def _without_empty_properties(schema: Schema) -> Schema:
    """They say nothing, and for objects Google refused them for long."""
    if schema.get("properties") != {}:
        return schema
    return {key: value for key, value in schema.items() if key != "properties"}


def _takes_nothing(schema: Schema) -> bool:
    """A function without arguments has no parameters, rather than an object without properties."""
    closed = schema.get("additionalProperties") in (None, False)
    return closed and _NO_ARGUMENTS.issuperset(schema)
