"""A chat completion request in the form of Workers AI's own endpoint.

Source: https://developers.cloudflare.com/workers-ai/models/, the input of text generation. Its
models are strict about content, which has to be a string, and about tools, which have to have a
description and a schema; how assistant messages look that called tools, and that reasoning comes
back as ``reasoning``, is told by Cloudflare's own client (github.com/cloudflare/ai).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway import faults
from llm_gateway.adapters.cloudflare.fields import (
    DEFAULT_MAX_TOKENS,
    FIELDS,
    MAX_SEED,
    MIN_TOP_P,
)
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Conversation,
    JSONFormat,
    Message,
    Part,
    SystemMessage,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    UserMessage,
    integer_of,
    joined,
    number_of,
    parse_conversation,
)
from llm_gateway.adapters.fields import Fate, Fields

_NUMBERS = ("frequency_penalty", "presence_penalty", "temperature")
_AUTO = ToolChoice("auto")
_TRANSLATED = frozenset(
    name for name, rule in FIELDS.items() if rule.fate is Fate.TRANSLATED and name.isidentifier()
)
_EFFORTS: Mapping[str, str | None] = {
    "none": None,
    "minimal": "low",
    "xhigh": "high",
    "max": "high",
}
"""OpenAI's efforts that the models do not know; null switches reasoning off."""

_UNSTREAMED = "@cf/openai/gpt-oss-"
"""Asked for a stream, these models answer with JSON, and at times with nothing in it."""


def chat_body(call: Call, fields: Fields) -> dict[str, Any]:
    """The body of ``POST /run/{model}``. Raises RequestError and UpstreamUnsupported."""
    sent = fields.sift(call.body)
    conversation = parse_conversation(sent, fields)
    plain = {
        name: value for name, value in sent.items() if value is not None and name not in _TRANSLATED
    }
    _check(plain)
    return {
        "messages": [_message(message) for message in conversation.messages],
        **plain,
        **_sampling(sent),
        "max_tokens": max_tokens_of(call.body),
        **_reasoning(sent),
        **_tools(conversation),
        **_format(conversation.format),
        **_stream(call, conversation),
    }


def max_tokens_of(body: Mapping[str, Any]) -> int:
    """How many tokens an answer to this request may have. Raises RequestError (400)."""
    given = integer_of(body, "max_completion_tokens", "max_tokens")
    return DEFAULT_MAX_TOKENS if given is None else given


def _check(plain: Mapping[str, Any]) -> None:
    for name in _NUMBERS:
        number_of(plain, name)
    integer_of(plain, "top_k")


def _sampling(sent: Mapping[str, Any]) -> dict[str, Any]:
    seed, top_p = integer_of(sent, "seed"), number_of(sent, "top_p")
    sampling: dict[str, Any] = {}
    if seed is not None:
        sampling["seed"] = seed if 1 <= seed <= MAX_SEED else seed % MAX_SEED + 1
    if top_p is not None:
        sampling["top_p"] = max(top_p, MIN_TOP_P)
    return sampling


def _reasoning(sent: Mapping[str, Any]) -> dict[str, Any]:
    effort = sent.get("reasoning_effort")
    if effort is None:
        return {}
    effort = faults.string(effort, "reasoning_effort")
    return {"reasoning_effort": _EFFORTS.get(effort, effort)}


def _stream(call: Call, conversation: Conversation) -> dict[str, Any]:
    # "JSON Mode currently doesn't support streaming":
    # https://developers.cloudflare.com/workers-ai/features/json-mode/
    possible = conversation.format is None and not call.model.startswith(_UNSTREAMED)
    return {"stream": True} if call.stream and possible else {}


def _message(message: Message) -> dict[str, Any]:
    match message:
        case SystemMessage():
            return {"role": "system", "content": _text(message.parts)}
        case UserMessage():
            return {"role": "user", "content": _content(message.parts)}
        case AssistantMessage():
            return _assistant(message)
        case _:
            return {
                "role": "tool",
                "name": message.name,
                "tool_call_id": message.call_id,
                "content": _text(message.parts),
            }


def _text(parts: tuple[Text, ...]) -> str:
    return joined(parts, "\n")


def _content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    """A string if it can be one: many models take nothing else."""
    texts = tuple(part for part in parts if isinstance(part, Text))
    return _text(texts) if len(texts) == len(parts) else [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    url = f"data:{part.media_type};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _assistant(message: AssistantMessage) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": _text(message.parts)}
    if message.reasoning:
        said["reasoning"] = message.reasoning
    if message.calls:
        said["tool_calls"] = [_call(call) for call in message.calls]
    return said


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()}
    return {"id": call.id, "type": "function", "function": function}


def _tools(conversation: Conversation) -> dict[str, Any]:
    """The tools, and the choice among them. Older models do not know ``tool_choice``.

    So what must not be called is not offered, either.
    """
    tools, choice = conversation.tools, conversation.tool_choice
    if not tools or (choice is not None and choice.mode == "none"):
        return {}
    if choice is None or choice == _AUTO:
        return {"tools": [_tool(tool) for tool in tools]}
    offered = [tool for tool in tools if not choice.names or tool.name in choice.names]
    chosen: object = choice.mode
    if choice.mode == "required" and len(choice.names) == 1:
        chosen = {"type": "function", "function": {"name": choice.names[0]}}
    return {"tools": [_tool(tool) for tool in offered], "tool_choice": chosen}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": {"type": "object", "properties": {}, **(tool.parameters or {})},
    }
    return {"type": "function", "function": function}


def _format(format: JSONFormat | None) -> dict[str, Any]:
    if format is None:
        return {}
    if format.schema is None:
        return {"response_format": {"type": "json_object"}}
    titles = {"title": format.name, "description": format.description}
    schema = {**{key: text for key, text in titles.items() if text}, **format.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
