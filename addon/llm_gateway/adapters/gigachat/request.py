"""A chat completion request in GigaChat's format.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import (
    Conversation,
    JSONFormat,
    Tool,
    ToolChoice,
    integer_of,
    number_of,
    parse_conversation,
)
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.gigachat.fields import EFFORTS, FIELDS
from llm_gateway.adapters.gigachat.messages import messages_of
from llm_gateway.adapters.gigachat.names import function_name
from llm_gateway.adapters.gigachat.pictures import Key
from llm_gateway.adapters.gigachat.schema import parameters_of


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A client's request, read and checked. ``dropped`` names what is not sent of it."""

    call: Call
    conversation: Conversation
    settings: Mapping[str, Any]
    dropped: tuple[str, ...]

    def body(self, files: Mapping[Key, str]) -> dict[str, Any]:
        """What is sent; ``files`` are the ids of the uploaded pictures."""
        return {
            "model": self.call.model,
            "messages": messages_of(self.call, self.conversation, files),
            **self.settings,
        }


def read_request(call: Call) -> ChatRequest:
    """Raises RequestError for what is malformed, UpstreamUnsupported for what cannot be said."""
    fields = Fields(FIELDS)
    fields.sift(call.body)
    conversation = parse_conversation(call.body, fields)
    choice = _function_call(conversation)
    settings = {
        **_sampling(call.body),
        **({"stream": True} if call.stream else {}),
        **_functions(conversation),
        **({"function_call": choice} if choice else {}),
        **_response_format(conversation.format),
    }
    weakened = choice == "auto" and _is_required(conversation.tool_choice)
    dropped = (*fields.dropped, *(("tool_choice",) if weakened else ()))
    return ChatRequest(call, conversation, settings, dropped)


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    temperature = number_of(body, "temperature")
    top_p = number_of(body, "top_p")
    settings = {
        # It has to be greater than 0. A top_p of 0 means the same: only the likeliest token.
        "temperature": temperature or None,
        "top_p": 0 if temperature == 0 else top_p,
        "max_tokens": integer_of(body, "max_completion_tokens", "max_tokens"),
        "reasoning_effort": _effort(body.get("reasoning_effort")),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _effort(effort: object) -> str | None:
    if effort is None:
        return None
    return EFFORTS[faults.one_of(effort, EFFORTS, "reasoning_effort")]


def _functions(conversation: Conversation) -> dict[str, Any]:
    choice = conversation.tool_choice
    # A named one is named, see below; of several that are allowed, the others are not mentioned.
    allowed = choice.names if choice is not None and not _is_named(choice) else ()
    names = frozenset(allowed)
    tools = [tool for tool in conversation.tools if not names or tool.name in names]
    return {"functions": [_function(tool) for tool in tools]} if tools else {}


def _function(tool: Tool) -> dict[str, Any]:
    where = f"{tool.where}.parameters"
    parameters, note = parameters_of(tool.parameters, where, tool.allowance)
    description = " ".join(filter(None, (tool.description, note)))
    return {
        "name": function_name(tool.name),
        **({"description": description} if description else {}),
        "parameters": parameters,
    }


def _function_call(conversation: Conversation) -> str | dict[str, str] | None:
    """``auto`` has to be said, or else no function is called."""
    tools, choice = conversation.tools, conversation.tool_choice
    if not tools:
        return None
    if choice is None or choice.mode == "auto":
        return "auto"
    if choice.mode == "none":
        return "none"
    names = choice.names or tuple(tool.name for tool in tools)
    return {"name": function_name(names[0])} if len(set(names)) == 1 else "auto"


def _is_required(choice: ToolChoice | None) -> bool:
    return choice is not None and choice.mode == "required"


def _is_named(choice: ToolChoice) -> bool:
    return choice.mode == "required" and len(set(choice.names)) == 1


def _response_format(wanted: JSONFormat | None) -> dict[str, Any]:
    if wanted is None or wanted.schema is None:
        return {}
    about = {"title": wanted.name, "description": wanted.description}
    schema = {name: text for name, text in about.items() if text} | wanted.schema
    strict = {} if wanted.strict is None else {"strict": wanted.strict}
    return {"response_format": {"type": "json_schema", "schema": schema, **strict}}
