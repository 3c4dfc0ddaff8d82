"""The messages of a chat, read and checked: typed by role, each tool result with its call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.fields import Fields, unsupported
from llm_gateway.adapters.parts import Part, Text, joined, read_parts, read_texts

INVALID_ARGUMENTS = "INVALID_JSON"
"""Arguments that are no JSON object (a model may write such) travel as text under this key."""

_PLACE = "messages[]"
_CALL_PLACE = "messages[].tool_calls[]"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model made. ``arguments`` is an object."""

    id: str
    name: str
    arguments: dict[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """Instructions, by role ``system`` or ``developer``. ``where`` names the message."""

    parts: tuple[Text, ...]
    where: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the user says; ``name`` is empty unless the table lets it pass."""

    parts: tuple[Part, ...]
    where: str
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said before; a refusal of its is text. Has text or calls, maybe neither."""

    parts: tuple[Text, ...]
    calls: tuple[ToolCall, ...]
    where: str
    reasoning: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """The result of the call ``call_id`` of the function ``name``, as text."""

    call_id: str
    name: str
    parts: tuple[Text, ...]
    where: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole result."""
        return joined(self.parts)


type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def read_messages(messages: object, fields: Fields) -> tuple[Message, ...]:
    """The messages of a request. Tool results follow the calls that they answer, one for each.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    read: list[Message] = []
    calls = _Calls()
    for index, value in enumerate(faults.array(messages, "messages")):
        where = f"messages[{index}]"
        message = faults.mapping(value, where)
        role = _role(message, f"{where}.role")
        if role == "tool":
            read.append(_tool(message, where, fields, calls))
            continue
        calls.close()
        said = _READERS[role](message, where, fields)
        read.append(said)
        if isinstance(said, AssistantMessage):
            calls.open(said)
    calls.close()
    return tuple(read)


@dataclass(slots=True)
class _Calls:
    """The calls of the last message that still wait for their results: names by id."""

    waiting: dict[str, str] = field(default_factory=dict)
    where: str = ""

    def open(self, message: AssistantMessage) -> None:
        """The message's calls wait from here on."""
        self.where = f"{message.where}.tool_calls"
        for index, call in enumerate(message.calls):
            if call.id in self.waiting:
                raise faults.invalid_value(f"{self.where}[{index}].id", "an id of its own")
            self.waiting[call.id] = call.name

    def answer(self, id: str, where: str) -> str:
        """The name of the function whose result this is."""
        if id not in self.waiting:
            raise faults.invalid_value(
                where, "the id of a tool call in the message before, not answered yet"
            )
        return self.waiting.pop(id)

    def close(self) -> None:
        """No further results come."""
        if self.waiting:
            raise faults.invalid_value(
                self.where, "a message with role 'tool' for each of these calls right after them"
            )


def _role(message: dict[str, Any], where: str) -> str:
    role = faults.string(faults.required(message, "role", where), where)
    if role == "function":
        raise unsupported(where, "use the role 'tool' in its place")
    return faults.one_of(role, (*_READERS, "tool"), where)


def _system(message: dict[str, Any], where: str, fields: Fields) -> SystemMessage:
    parts = read_texts(_content(message, where), f"{where}.content", fields)
    extra = fields.further(message, {"role", "content", "name"}, where, _PLACE)
    return SystemMessage(tuple(parts), where, extra, _name(message, where, fields))


def _user(message: dict[str, Any], where: str, fields: Fields) -> UserMessage:
    parts = read_parts(_content(message, where), f"{where}.content", fields)
    extra = fields.further(message, {"role", "content", "name"}, where, _PLACE)
    return UserMessage(tuple(parts), where, _name(message, where, fields), extra)


_OF_THE_MODEL = {
    "role", "content", "name", "refusal", "tool_calls", "function_call", "reasoning_content",
}  # fmt: skip


def _assistant(message: dict[str, Any], where: str, fields: Fields) -> AssistantMessage:
    if message.get("function_call") is not None:
        raise unsupported(f"{where}.function_call", "use 'tool_calls' in its place")
    content = message.get("content")
    place = f"{where}.content"
    parts = [] if content is None else read_texts(content, place, fields, refusals=True)
    if refusal := faults.optional_string(message, "refusal", f"{where}.refusal"):
        parts.append(Text(refusal))
    place = f"{where}.tool_calls"
    calls = message.get("tool_calls")
    listed = [] if calls is None else faults.array(calls, place)
    return AssistantMessage(
        tuple(part for part in parts if part.text),
        tuple(_call(each, f"{place}[{index}]", fields) for index, each in enumerate(listed)),
        where,
        _optional(message, "reasoning_content", where, fields),
        fields.further(message, _OF_THE_MODEL, where, _PLACE),
        _name(message, where, fields),
    )


def _call(value: object, where: str, fields: Fields) -> ToolCall:
    call = faults.mapping(value, where)
    if faults.string(call.get("type", "function"), f"{where}.type") != "function":
        raise unsupported(where, "only calls of functions are")
    id = faults.filled(faults.required(call, "id", f"{where}.id"), f"{where}.id")
    place = f"{where}.function"
    function = faults.mapping(faults.required(call, "function", place), place)
    extra = {
        # Streams number the calls, and what came in a stream may come back.
        **fields.further(call, {"id", "type", "function", "index"}, where, _CALL_PLACE),
        **fields.further(function, {"name", "arguments"}, place, f"{_CALL_PLACE}.function"),
    }
    name = faults.filled(faults.required(function, "name", f"{place}.name"), f"{place}.name")
    arguments = faults.optional_string(function, "arguments", f"{place}.arguments")
    return ToolCall(id, name, _arguments(arguments, fields.allowance), extra)


def _arguments(text: str, allowance: Allowance) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        arguments = allowance.read(text)
    except ValueError:
        return {INVALID_ARGUMENTS: text}
    return arguments if isinstance(arguments, dict) else {INVALID_ARGUMENTS: text}


def _tool(message: dict[str, Any], where: str, fields: Fields, calls: _Calls) -> ToolMessage:
    place = f"{where}.tool_call_id"
    id = faults.string(faults.required(message, "tool_call_id", place), place)
    name = calls.answer(id, place)
    # Older clients repeat the function's name; any other name would say something of its own.
    known = {"role", "content", "tool_call_id", *({"name"} if message.get("name") == name else ())}
    extra = fields.further(message, known, where, _PLACE)
    parts = read_texts(_content(message, where), f"{where}.content", fields)
    return ToolMessage(id, name, tuple(parts), where, extra)


def _content(message: dict[str, Any], where: str) -> object:
    return faults.required(message, "content", f"{where}.content")


def _name(message: dict[str, Any], where: str, fields: Fields) -> str:
    return _optional(message, "name", where, fields)


def _optional(message: dict[str, Any], name: str, where: str, fields: Fields) -> str:
    """An optional string, empty if it is not to be sent."""
    text = faults.optional_string(message, name, f"{where}.{name}")
    return text if text and fields.takes(f"{_PLACE}.{name}", f"{where}.{name}", text) else ""


_READERS: Mapping[str, Callable[[dict[str, Any], str, Fields], Message]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
}
