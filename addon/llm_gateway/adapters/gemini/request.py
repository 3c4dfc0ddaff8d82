"""A chat request as Gemini wants it.

Source: https://ai.google.dev/api/generate-content
"""

from collections.abc import Mapping
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.contract import Call, in_path
from llm_gateway.adapters.conversation import (
    Conversation,
    JSONFormat,
    integer_of,
    number_of,
    parse_conversation,
    stops_of,
)
from llm_gateway.adapters.fields import Fields, unsupported
from llm_gateway.adapters.gemini.families import Family, bare_name, effort_of, family_of
from llm_gateway.adapters.gemini.tools import declarations, json_schema, tool_config
from llm_gateway.adapters.gemini.turns import contents, system_instruction

_SEEDS = 2**31


def chat_path(call: Call) -> str:
    """Where the request goes."""
    method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
    return f"/models/{in_path(bare_name(call.model))}:{method}"


def chat_body(call: Call, fields: Fields) -> dict[str, Any]:
    """The body of the request.

    Raises RequestError (400) for what is malformed, UpstreamUnsupported for what Gemini cannot do.
    """
    body = fields.sift(call.body)
    conversation = parse_conversation(body, fields)
    family = family_of(call.model)
    said = contents(conversation.messages, call, fields, signed=family.since_3)
    request: dict[str, Any] = {"contents": said}
    if system := system_instruction(conversation.messages):
        request["systemInstruction"] = {"parts": system}
    offered = _is_offered(conversation, family)
    if offered:
        request |= _tools(conversation)
    elif conversation.tools:
        fields.drop("tools")
    config = {
        **_sampling(body, fields),
        **_format(conversation.format, family, called=offered),
        **_thinking(body, family, fields),
    }
    return {**request, "generationConfig": config} if config else request


def _is_offered(conversation: Conversation, family: Family) -> bool:
    """Whether there are functions to declare: to a model that cannot have them beside JSON, only
    if they may be called.
    """
    choice = conversation.tool_choice
    forbidden = choice is not None and choice.mode == "none"
    beside = family.since_3 or conversation.format is None
    return bool(conversation.tools) and (beside or not forbidden)


def _tools(conversation: Conversation) -> dict[str, Any]:
    choice = conversation.tool_choice
    tools = {"tools": [{"functionDeclarations": declarations(conversation.tools, choice)}]}
    return tools if choice is None else {**tools, "toolConfig": tool_config(choice)}


def _sampling(body: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    config = {
        "temperature": number_of(body, "temperature"),
        "topP": number_of(body, "top_p"),
        "topK": integer_of(body, "top_k"),
        "maxOutputTokens": _max_tokens(body),
        "stopSequences": _stops(body, fields) or None,
        "seed": _seed(integer_of(body, "seed")),
        "candidateCount": _unless(1, integer_of(body, "n")),
        # Some models refuse these whatever their value.
        "presencePenalty": _unless(0, number_of(body, "presence_penalty")),
        "frequencyPenalty": _unless(0, number_of(body, "frequency_penalty")),
        **_logprobs(body),
    }
    return {name: value for name, value in config.items() if value is not None}


def _stops(body: Mapping[str, Any], fields: Fields) -> list[str]:
    stops = stops_of(body)
    for index, stop in enumerate(stops):
        if not stop:
            fields.drop(f"stop[{index}]" if isinstance(body["stop"], list) else "stop")
    return [stop for stop in stops if stop]


def _logprobs(body: Mapping[str, Any]) -> dict[str, Any]:
    if body.get("logprobs") is None or not faults.boolean(body["logprobs"], "logprobs"):
        if integer_of(body, "top_logprobs"):
            raise faults.invalid_value("top_logprobs", "'logprobs' to be true")
        return {}
    return {"responseLogprobs": True, "logprobs": integer_of(body, "top_logprobs") or None}


def _unless[T](usual: T, value: T | None) -> T | None:
    return None if value == usual else value


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    new, old = integer_of(body, "max_completion_tokens"), integer_of(body, "max_tokens")
    if None not in (new, old) and new != old:
        raise faults.invalid_value("max_tokens", "it or 'max_completion_tokens', not both")
    return old if new is None else new


def _seed(seed: int | None) -> int | None:
    """Google's seeds are of 32 bits with a sign; the same seed stays the same."""
    return None if seed is None else seed % _SEEDS


def _format(json: JSONFormat | None, family: Family, *, called: bool) -> dict[str, Any]:
    if json is None:
        return {}
    if called and not family.since_3:
        raise unsupported("response_format", "this model calls functions or answers in JSON")
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if json.schema is not None:
        config["responseJsonSchema"] = _described(json)
    return config


def _described(json: JSONFormat) -> dict[str, Any]:
    where = "response_format.json_schema.schema"
    schema = json_schema(json.schema or {}, where, json.allowance)
    if not json.description:
        return schema
    own = schema.get("description")
    said = f"{json.description}\n{own}" if isinstance(own, str) and own else json.description
    return {**schema, "description": said}


def _thinking(body: Mapping[str, Any], family: Family, fields: Fields) -> dict[str, Any]:
    effort = effort_of(body)
    if effort is None:
        return {}
    config = family.thinking_config(effort)
    if config is not None:
        return {"thinkingConfig": config}
    if effort != "none":
        # To this model it is a field like any that it does not know.
        fields.takes("*", "reasoning_effort", effort)
    return {}
