"""Tool calls as Cloudflare's models give them, whole or in pieces.

Older models give ``{"name", "arguments": {…}}`` without an id, newer ones OpenAI's form, and a
stream may end with an entry that holds nothing but nulls. Some models give two calls the same id.
Source: how Cloudflare's own client reads them (github.com/cloudflare/ai).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.adapters.answers import CallMade, Chunks, tool_call_id
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.translating import object_in, objects, text_in


def as_text(value: object) -> str:
    """Text, which may have been parsed on the way (``5``, ``{"a": 1}``); null is none."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


class CallIds:
    """The ids of one answer's tool calls: the provider's where they are good, else our own."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._taken: set[str] = set()

    def take(self, given: str) -> str:
        """The id of the next call; ``given`` is what the provider says, empty if nothing."""
        good = given and given not in self._taken
        id = given if good else tool_call_id(self._call, len(self._taken))
        self._taken.add(id)
        return id


def calls_made(ids: CallIds, entries: object) -> tuple[CallMade, ...]:
    """The whole tool calls in what should be a list of them."""
    return tuple(
        CallMade(ids.take(text_in(entry, "id")), name, arguments or "{}")
        for entry, name, arguments in ((entry, *_named(entry)) for entry in objects(entries))
        if name
    )


@dataclass(slots=True)
class _Begun:
    """A call of a stream: the provider's id, our number, whether arguments have come."""

    id: str
    number: int
    filled: bool


class StreamedCalls:
    """Puts the pieces of a stream's tool calls to the calls that they belong to."""

    def __init__(self, call: Call, chunks: Chunks) -> None:
        self._chunks = chunks
        self._ids = CallIds(call)
        self._begun: dict[int, list[_Begun]] = {}
        """The calls of each choice."""
        self._places: dict[tuple[int, int], _Begun] = {}
        """The same calls by choice and the provider's number."""

    def add(self, choice: int, entries: object) -> None:
        """What an event says of a choice's calls."""
        for entry in objects(entries):
            name, arguments = _named(entry)
            id = text_in(entry, "id")
            begun = self._place(choice, entry.get("index"))
            if name and (begun is None or (id and id != begun.id)):
                self._begin(choice, entry, CallMade(id, name, arguments))
            elif begun := begun or next(reversed(self._begun.get(choice, [])), None):
                self._chunks.arguments(choice, begun.number, arguments)
                begun.filled = begun.filled or bool(arguments)

    def close(self, choice: int) -> None:
        """Nothing more comes: calls without arguments get the empty object that they mean."""
        for begun in self._begun.pop(choice, []):
            if not begun.filled:
                self._chunks.arguments(choice, begun.number, "{}")

    def _place(self, choice: int, index: object) -> _Begun | None:
        return self._places.get((choice, index)) if isinstance(index, int) else None

    def _begin(self, choice: int, entry: Mapping[str, Any], made: CallMade) -> None:
        ours = CallMade(self._ids.take(made.id), made.name, made.arguments)
        number = self._chunks.call(choice, ours)
        begun = _Begun(made.id, number, bool(made.arguments))
        self._begun.setdefault(choice, []).append(begun)
        index = entry.get("index")
        if isinstance(index, int):
            self._places[choice, index] = begun


def _named(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The name and the arguments of a call in either form, empty where there are none."""
    function = object_in(entry, "function") or entry
    return text_in(function, "name"), as_text(function.get("arguments"))
