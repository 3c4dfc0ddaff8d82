"""The messages of a chat as ``systemInstruction`` and ``contents``.

Sources: https://ai.google.dev/api/caching#Content and
https://ai.google.dev/gemini-api/docs/function-calling
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Media,
    Message,
    Part,
    SystemMessage,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from llm_gateway.adapters.fields import Fields, unsupported
from llm_gateway.adapters.gemini.names import sent_name
from llm_gateway.adapters.gemini.signatures import UNKNOWN, signature_of

type Parts = list[dict[str, Any]]

_FETCHED_BY_GOOGLE = re.compile(
    r"https://generativelanguage\.googleapis\.com/\w+/files/[\w-]+"
    r"|https://(?:(?:www\.|m\.)?youtube\.com/(?:watch\?|shorts/|live/|embed/)|youtu\.be/)\S+",
    re.ASCII,
)
_PICTURES = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/webp": "image/webp",
    "image/heic": "image/heic",
    "image/heif": "image/heif",
}
"""The pictures that Gemini looks at; one of them goes by a wrong name, too."""

_EXACT = 2**53
"""Above this not every integer is a double, which is what Google reads numbers as."""

_NOTHING_SAID = {"text": " "}
"""A part must not be empty."""


def system_instruction(messages: Iterable[Message]) -> Parts:
    """The parts of all system messages, wherever they stand."""
    systems = (message for message in messages if isinstance(message, SystemMessage))
    return [part for message in systems for part in _texts(message.parts)]


def contents(
    messages: Sequence[Message], call: Call, fields: Fields, *, signed: bool
) -> list[dict[str, Any]]:
    """The turns. With ``signed``, the first tool call of each has a signature, known or not.

    Raises UpstreamUnsupported for pictures that would have to be fetched, RequestError (400) for
    signatures that are none.
    """
    turns = _Turns()
    calls: Sequence[ToolCall] = ()
    results: dict[str, ToolMessage] = {}
    for message in messages:
        if isinstance(message, ToolMessage):
            results[message.call_id] = message
            if len(results) == len(calls):
                answers = (results[made.id] for made in calls)
                turns.add_results([_function_response(each, fields.allowance) for each in answers])
            continue
        if isinstance(message, UserMessage):
            turns.add("user", list(_user_parts(message, fields)))
        elif isinstance(message, AssistantMessage):
            calls, results = message.calls, {}
            turns.add("model", _texts(message.parts))
            turns.add("model", list(_calls(message, call, fields, signed=signed)))
    if messages and isinstance(messages[-1], UserMessage):
        turns.end_with_the_user()
    return turns.finish()


class _Turns:
    """Keeps the order that Gemini demands.

    The user begins, turns are not empty, and what one side says in a row is one turn; except that
    the results of tool calls are a turn of their own, whose parts are counted against the calls.
    """

    def __init__(self) -> None:
        self._turns: list[dict[str, Any]] = []
        self._said_by = ""

    def add(self, role: str, parts: Parts) -> None:
        if not parts:
            return
        if self._said_by == role:
            self._turns[-1]["parts"] += parts
        else:
            self._turns.append({"role": role, "parts": parts})
        self._said_by = role

    def add_results(self, parts: Parts) -> None:
        self._turns.append({"role": "user", "parts": parts})
        self._said_by = ""

    def end_with_the_user(self) -> None:
        """The user had the last word, even with nothing in it: no answer is to be gone on with."""
        if self._said_by == "model":
            self.add("user", [_NOTHING_SAID])

    def finish(self) -> list[dict[str, Any]]:
        if self._turns and self._turns[0]["role"] == "user":
            return self._turns
        return [{"role": "user", "parts": [_NOTHING_SAID]}, *self._turns]


def _texts(parts: Iterable[Text]) -> Parts:
    return [{"text": part.text} for part in parts if part.text]


def _user_parts(message: UserMessage, fields: Fields) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(message.parts):
        where = f"{message.where}.content[{index}]"
        if isinstance(part, Media) and part.name:
            fields.takes("messages[].content[].file.filename", f"{where}.file.filename", part.name)
        yield from _user_part(part, where)


def _user_part(part: Part, where: str) -> Parts:
    if isinstance(part, Text):
        return _texts([part])
    if part.data:
        return [{"inlineData": {"mimeType": _media_type(part, where), "data": part.data}}]
    if not _FETCHED_BY_GOOGLE.fullmatch(part.url):
        raise unsupported(
            f"{where}.image_url.url", "a picture comes along as a data: URL, or not at all"
        )
    return [{"fileData": {"fileUri": part.url}}]


def _media_type(part: Media, where: str) -> str:
    if not part.media_type.startswith("image/"):
        return part.media_type
    if part.media_type not in _PICTURES:
        raise unsupported(where, "pictures are PNG, JPEG, WebP, HEIC or HEIF")
    return _PICTURES[part.media_type]


def _calls(
    message: AssistantMessage, call: Call, fields: Fields, *, signed: bool
) -> Iterator[dict[str, Any]]:
    for index, made in enumerate(message.calls):
        function = {"id": made.id, "name": sent_name(made.name), "args": made.arguments}
        signature = signature_of(call, made, f"{message.where}.tool_calls[{index}]", fields)
        if signed and not index:
            signature = signature or UNKNOWN
        part: dict[str, Any] = {"functionCall": function}
        yield {**part, "thoughtSignature": signature} if signature else part


def _function_response(message: ToolMessage, allowance: Allowance) -> dict[str, Any]:
    response = {
        "id": message.call_id,
        "name": sent_name(message.name),
        "response": _result(message.text, allowance),
    }
    return {"functionResponse": response}


def _result(text: str, allowance: Allowance) -> Mapping[str, Any]:
    """A tool's result, which has to be an object: the one it is in JSON, if nothing is lost."""
    try:
        value = allowance.read(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and _is_exact(value):
        return value
    return {"result": text}


def _is_exact(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= _EXACT
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_is_exact, inner))
