"""A chat completion request as the formats that translate it read it: typed, checked, complete.

OpenAI's format is loose: content is a string, a list of parts or nothing, arguments are JSON inside
a string, a tool's result names its call by an id. Here that is straightened once for all formats.
What a format cannot express is decided by its table of fields (:mod:`llm_gateway.adapters.fields`)
on the way, so every demand of the client's is either in the result, noted as dropped, or refused
with its place.

The rows a table needs for this besides the top-level fields: ``CONVERSATION_FIELDS``. Everything
that a translating format needs of a request can be imported from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.json_format import JSONFormat, read_json_format
from llm_gateway.adapters.messages import (
    INVALID_ARGUMENTS,
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    read_messages,
)
from llm_gateway.adapters.parts import Media, Part, Text, joined
from llm_gateway.adapters.settings import integer_of, number_of, stops_of
from llm_gateway.adapters.tooling import Tool, ToolChoice, read_tool_choice, read_tools

__all__ = [
    "CONVERSATION_FIELDS",
    "INVALID_ARGUMENTS",
    "AssistantMessage",
    "Conversation",
    "JSONFormat",
    "Media",
    "Message",
    "Part",
    "SystemMessage",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolMessage",
    "UserMessage",
    "integer_of",
    "joined",
    "number_of",
    "parse_conversation",
    "stops_of",
]

CONVERSATION_FIELDS = (
    "messages[].name",
    "messages[].content[].image_url (data:)",
    "messages[].content[].image_url (https:)",
    "messages[].content[].image_url.detail",
    "messages[].content[].input_audio",
    "messages[].content[].file",
    "messages[].content[].cache_control",
    "messages[].reasoning_content",
    "messages[].audio",
    "messages[].*",
    "tools[].function.strict",
    "tools[].custom",
    "tools[].*",
    "tool_choice.allowed_tools",
    "response_format.json_object",
    "response_format.json_schema",
    "response_format.json_schema.strict",
)
"""What stands deeper in a request than its top level and may have a fate of its own."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The parts of a request that need straightening; the rest is read with the getters.

    With a ``tool_choice`` there are ``tools``, and every function it names is one of them.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    format: JSONFormat | None


def parse_conversation(body: Mapping[str, Any], fields: Fields) -> Conversation:
    """The conversation in a client's request, whose top level was sifted already.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    tools = read_tools(body.get("tools"), fields)
    return Conversation(
        read_messages(faults.required(body, "messages"), fields),
        tools,
        read_tool_choice(body.get("tool_choice"), tools, fields),
        read_json_format(body.get("response_format"), fields),
    )
