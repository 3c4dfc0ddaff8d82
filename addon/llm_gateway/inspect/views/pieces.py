"""What messages consist of, in any provider's format: text, thinking, calls, results, media.

Sources: https://platform.openai.com/docs/api-reference/chat, https://docs.claude.com/en/api/messages,
https://ai.google.dev/api/generate-content, https://developers.sber.ru/docs/ru/gigachat/api. What is
none of these is shown as JSON in one line; nothing here raises, whatever is in a body.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.adapters.translating import object_in
from llm_gateway.inspect.views.text import one_line, size

type JSONObject = Mapping[str, Any]

SHORT = 300
"""Characters of what is shown in one line."""
_BASE64 = 4 / 3
_ARGUMENTS = 160
"""Characters of a call's arguments that still go in one line."""
_LONG = 1000
"""Characters: no text has a word that is so long."""
_DEPTH = 4
_ENTRIES = 20
"""What is looked at of a value that is shown in one line."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message. ``tag`` says what it is, empty for what is simply said."""

    text: str
    tag: str = ""


def pieces_of(content: object) -> Iterator[Piece]:
    """The pieces of a message's content: a string, a part, or a list of such."""
    match content:
        case str():
            yield Piece(content)
        case list():
            for part in content:
                yield from pieces_of(part)
        case dict():
            yield from _part(content)
        case None:
            pass
        case _:
            yield Piece(in_short(content), "?")


def call(name: object, arguments: object, id: object = None) -> Piece:
    """A call of a function; ``arguments`` are an object, or JSON in a string."""
    said = _arguments(arguments)
    one = said if len(said) <= _ARGUMENTS else ""
    tail = f"\n{said}" if said and not one else ""
    return Piece(f"{name}({one or ('…' if tail else '')}){_id(id)}{tail}", "call")


def result(of: object, content: object, id: object = None) -> Iterator[Piece]:
    """What came of a call: of which function, if that is known, and its pieces."""
    pieces = [*pieces_of(content)]
    said = "\n".join(piece.text for piece in pieces if not piece.tag)
    others = [piece for piece in pieces if piece.tag]
    tag = (f"result of {of}" if of else "result") + _id(id)
    yield Piece(said or ("" if others else "(nothing)"), tag)
    yield from others


def media(what: str, kind: object, data: str, name: object = None) -> Piece:
    """A picture, a sound or a file in base64."""
    facts = [str(each) for each in (name, kind) if each]
    return Piece(", ".join([*facts, size(int(len(data) / _BASE64))]), what)


def linked(what: str, address: object, name: object = None) -> Piece:
    """A picture or a file by its address, or in a ``data:`` URL."""
    if not isinstance(address, str):
        return Piece(in_short(address), what)
    if address[:5].lower() != "data:":
        return Piece(one_line(address, SHORT), what)
    head, _, data = address.partition(",")
    return media(what, head[5:].partition(";")[0], data, name)


def is_data(text: str) -> bool:
    """Whether a string is base64, or the like, and too long to be looked at."""
    return len(text) > _LONG and text.isascii() and " " not in text[:_LONG]


def in_short(value: object) -> str:
    """A value as JSON in one line. Long strings in it are cut before they are written."""
    return one_line(as_json(_shortened(value)), SHORT)


def as_json(value: object) -> str:
    """A value as JSON without needless white space."""
    return as_bytes(value).decode()


def as_bytes(value: object) -> bytes:
    """The same, encoded."""
    return orjson.dumps(value)


def _part(part: JSONObject) -> Iterator[Piece]:
    kind = part.get("type")
    known = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    reader = known or next((each for name, each in _BY_KEY.items() if name in part), None)
    if reader is None:
        rest = {name: value for name, value in part.items() if name != "type"}
        yield Piece(in_short(rest), str(kind) if kind else "?")
    else:
        yield from reader(part)
    if part.get("cache_control"):
        yield Piece("the provider may keep the prompt up to here", "cache")


def _text(part: JSONObject) -> Iterator[Piece]:
    # Gemini marks its thoughts so.
    yield Piece(_string(part.get("text")), "thinking" if part.get("thought") is True else "")


def _refusal(part: JSONObject) -> Iterator[Piece]:
    yield Piece(_string(part.get("refusal")), "refusal")


def _image_url(part: JSONObject) -> Iterator[Piece]:
    image = part.get("image_url")
    detail = image.get("detail") if isinstance(image, dict) else None
    piece = linked("picture", image.get("url") if isinstance(image, dict) else image)
    yield Piece(f"{piece.text}, detail {detail}", piece.tag) if detail else piece


def _audio(part: JSONObject) -> Iterator[Piece]:
    audio = object_in(part, "input_audio")
    yield media("sound", audio.get("format"), _string(audio.get("data")))


def _file(part: JSONObject) -> Iterator[Piece]:
    file = object_in(part, "file")
    if "file_data" in file:
        yield linked("file", file["file_data"], file.get("filename"))
    else:
        yield Piece(in_short(file), "file")


def _source(part: JSONObject) -> Iterator[Piece]:
    source = object_in(part, "source")
    what = "picture" if part.get("type") == "image" else "file"
    match source.get("type"):
        case "base64":
            data = _string(source.get("data"))
            yield media(what, source.get("media_type"), data, part.get("title"))
        case "url":
            yield linked(what, source.get("url"))
        case "text":
            yield Piece(_string(source.get("data")), f"{what}, text")
        case _:
            yield Piece(in_short(source), what)


def _inline(part: JSONObject) -> Iterator[Piece]:
    data = object_in(part, "inlineData") or object_in(part, "inline_data")
    kind = str(data.get("mimeType") or data.get("mime_type") or "")
    what = {"image": "picture", "audio": "sound"}.get(kind.partition("/")[0], "file")
    yield media(what, kind, _string(data.get("data")))


def _file_of_google(part: JSONObject) -> Iterator[Piece]:
    file = object_in(part, "fileData")
    yield linked("file", file.get("fileUri"))


def _tool_use(part: JSONObject) -> Iterator[Piece]:
    yield call(part.get("name"), part.get("input"), part.get("id"))


def _tool_result(part: JSONObject) -> Iterator[Piece]:
    failed = " that failed" if part.get("is_error") else ""
    yield from result(f"a call{failed}", part.get("content"), part.get("tool_use_id"))


def _thinking(part: JSONObject) -> Iterator[Piece]:
    yield Piece(_string(part.get("thinking")), "thinking")


def _redacted(part: JSONObject) -> Iterator[Piece]:
    yield Piece(f"encrypted, {size(len(_string(part.get('data'))))}", "thinking")


def _function_call(part: JSONObject) -> Iterator[Piece]:
    asked = object_in(part, "functionCall")
    yield call(asked.get("name"), asked.get("args"), asked.get("id"))


def _function_response(part: JSONObject) -> Iterator[Piece]:
    told = object_in(part, "functionResponse")
    yield from result(told.get("name"), as_text(told.get("response")), told.get("id"))


def _code(part: JSONObject) -> Iterator[Piece]:
    code = object_in(part, "executableCode")
    yield Piece(_string(code.get("code")), f"code · {_string(code.get('language')).lower()}")


def _code_result(part: JSONObject) -> Iterator[Piece]:
    done = object_in(part, "codeExecutionResult")
    yield Piece(_string(done.get("output")), f"result of code · {done.get('outcome')}")


_Reader = Callable[[JSONObject], Iterator[Piece]]
_BY_TYPE: Mapping[str, _Reader] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image_url,
    "input_image": _image_url,
    "input_audio": _audio,
    "file": _file,
    "image": _source,
    "document": _source,
    "tool_use": _tool_use,
    "server_tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}
_BY_KEY: Mapping[str, _Reader] = {
    "text": _text,
    "inlineData": _inline,
    "inline_data": _inline,
    "fileData": _file_of_google,
    "functionCall": _function_call,
    "functionResponse": _function_response,
    "executableCode": _code,
    "codeExecutionResult": _code_result,
}
"""Gemini's parts have no type."""


def as_text(value: object) -> str:
    """A string itself, anything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def _arguments(arguments: object) -> str:
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments) if arguments else {}
        except orjson.JSONDecodeError:
            return f"{arguments}  ← no JSON"
    if not isinstance(arguments, dict):
        return "" if arguments is None else as_json(arguments)
    said = [f"{name}: {as_json(value)}" for name, value in arguments.items()]
    line = ", ".join(said)
    return line if len(line) <= _ARGUMENTS else "\n".join(said)


def _id(id: object) -> str:
    return f" · {one_line(str(id), 60)}" if id else ""


def _string(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else as_json(value)


def _shortened(value: object, depth: int = _DEPTH) -> object:
    """The value with nothing in it that could not be seen in one line anyway."""
    match value:
        case str():
            return f"({size(len(value))} of data)" if is_data(value) else value[:SHORT]
        case dict() | list() if depth == 0:
            return "…"
        case list():
            return [_shortened(each, depth - 1) for each in value[:_ENTRIES]]
        case dict():
            entries = [*value.items()][:_ENTRIES]
            return {name[:SHORT]: _shortened(each, depth - 1) for name, each in entries}
        case _:
            return value
