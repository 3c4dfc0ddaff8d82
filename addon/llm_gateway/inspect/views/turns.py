"""A request's messages in any provider's format, as turns of a conversation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import tokens
from llm_gateway.adapters.translating import object_in, objects
from llm_gateway.inspect.views.pieces import (
    JSONObject,
    Piece,
    as_bytes,
    call,
    in_short,
    linked,
    pieces_of,
    result,
)

SAID = frozenset(
    {"messages", "contents", "system", "systemInstruction", "system_instruction", "prompt"}
    | {"inputs", "tools", "functions"}
)
"""The fields that are shown as turns and tools; the others are settings."""

_RESULTS = ("tool", "function")
_PROMPTS = ("prompt", "inputs")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. ``bytes`` is its size as JSON, ``tokens`` a rough estimate."""

    role: str
    pieces: tuple[Piece, ...]
    bytes: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that may be called; a parameter that may be left out ends with ``?``."""

    name: str
    description: str
    parameters: tuple[str, ...]


def turns_of(body: JSONObject) -> list[Turn]:
    """The request's turns, what the system says first."""
    names = _names_of_calls(body)
    turns = [
        _turn("system", content, _system(content))
        for name in ("system", "systemInstruction", "system_instruction")
        if (content := body.get(name))
    ]
    for name in ("messages", "contents"):
        listed = body.get(name)
        for message in listed if isinstance(listed, list) else [listed] if listed else []:
            turns.append(_message(message, names))
    for name in _PROMPTS:
        if (prompt := body.get(name)) is not None:
            turns.append(_turn("prompt", prompt, pieces_of(prompt)))
    return turns


def tools_of(body: JSONObject) -> list[Tool]:
    """The functions, and whatever else the model may use."""
    found: list[Tool] = []
    for entry in (*objects(body.get("tools")), *objects(body.get("functions"))):
        declared = objects(entry.get("functionDeclarations"))
        found += [_tool(each) for each in declared] or [
            _tool(object_in(entry, "function") or entry)
        ]
    return found


def weight_of_tools(body: JSONObject) -> tuple[int, int]:
    """See :func:`weight`."""
    return weight([body[name] for name in ("tools", "functions") if name in body])


def settings_of(body: JSONObject) -> list[tuple[str, str]]:
    """The other fields by name, each in a few words; an object's own fields are named with it."""
    settings: list[tuple[str, str]] = []
    for name, value in body.items():
        if name in SAID or name in ("model", "stream") or value is None:
            continue
        if name == "generationConfig" and isinstance(value, dict):
            settings += [(key, in_short(each)) for key, each in value.items()]
        else:
            settings.append((name, _setting(name, value)))
    return settings


def _setting(name: str, value: object) -> str:
    schema = object_in(value, "json_schema") if isinstance(value, dict) else {}
    if name == "response_format" and schema:
        return f"json_schema {schema.get('name', '')}".strip()
    return in_short(value)


def _message(message: object, names: Mapping[str, str]) -> Turn:
    if not isinstance(message, dict):
        return _turn("?", message, pieces_of(message))
    role = str(message.get("role") or "?")
    name = message.get("name")
    known = {**names, "": str(name)} if name else names
    pieces = [_named(piece, names) for piece in _of_message(message, role, known)]
    title = f"{role} {name}" if name and role not in _RESULTS else role
    return _turn(title, message, iter(pieces))


def _of_message(message: JSONObject, role: str, names: Mapping[str, str]) -> Iterator[Piece]:
    for name in ("reasoning_content", "reasoning"):
        if message.get(name):
            yield Piece(str(message[name]), "thinking")
            break
    content = message.get("content", message.get("parts"))
    if role in _RESULTS:
        id = message.get("tool_call_id")
        yield from result(names.get(str(id)) or names.get(""), content, id)
    else:
        yield from pieces_of(content)
    if message.get("refusal"):
        yield Piece(str(message["refusal"]), "refusal")
    for each in objects(message.get("tool_calls")):
        function = object_in(each, "function") or object_in(each, "custom") or each
        arguments = function.get("arguments", function.get("input"))
        yield call(function.get("name"), arguments, each.get("id"))
    if asked := object_in(message, "function_call"):
        yield call(asked.get("name"), asked.get("arguments"))
    yield from _attached(message)


def _attached(message: JSONObject) -> Iterator[Piece]:
    if message.get("attachments"):
        yield Piece(in_short(message["attachments"]), "files of the provider's")
    for image in objects(message.get("images")):
        yield linked("picture", object_in(image, "image_url").get("url"))
    if message.get("audio"):
        yield Piece(in_short(message["audio"]), "sound")


def _named(piece: Piece, names: Mapping[str, str]) -> Piece:
    """Anthropic's results name a call by its id alone."""
    start, _, id = piece.tag.partition(" · ")
    if start.startswith("result of a call") and id in names:
        return Piece(piece.text, f"{start.replace('a call', names[id], 1)} · {id}")
    return piece


def _names_of_calls(body: JSONObject) -> dict[str, str]:
    """The functions that were called, by the ids of the calls."""
    names: dict[str, str] = {}
    for message in objects(body.get("messages")):
        calls = objects(message.get("tool_calls"))
        named = [(each, object_in(each, "function").get("name")) for each in calls]
        blocks = objects(message.get("content"))
        named += [(each, each.get("name")) for each in blocks if each.get("type") == "tool_use"]
        names |= {str(each.get("id")): str(name) for each, name in named if name}
    return names


def _system(content: object) -> Iterator[Piece]:
    return pieces_of(
        content["parts"] if isinstance(content, dict) and "parts" in content else content
    )


def _turn(role: str, message: Any, pieces: Iterator[Piece]) -> Turn:
    said = tuple(piece for piece in pieces if piece.text or piece.tag)
    return Turn(role, said, *weight(message))


def weight(value: object) -> tuple[int, int]:
    """How many bytes a value has as JSON, and about how many tokens."""
    return len(as_bytes(value)), tokens.estimate(value)


def _tool(entry: JSONObject) -> Tool:
    name = entry.get("name") or entry.get("type") or ", ".join(entry)
    schemas = ("parameters", "input_schema", "parametersJsonSchema")
    schema: JSONObject = next((each for key in schemas if (each := object_in(entry, key))), {})
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    needed = {each for each in listed if isinstance(each, str)}
    parameters = tuple(
        each if each in needed else f"{each}?" for each in object_in(schema, "properties")
    )
    return Tool(str(name), str(entry.get("description") or ""), parameters)
