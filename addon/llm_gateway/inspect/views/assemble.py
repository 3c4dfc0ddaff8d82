"""A stream's chunks put together: one whole chat completion, as if no stream had been asked for.

What providers add is put together, too: entries of a list go where their ``index`` says, and of
anything that is not known to come in pieces the last word counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.adapters.translating import object_in, objects

type JSONObject = dict[str, Any]

_GROWING = frozenset(
    {
        "arguments",
        "content",
        "data",
        "input",
        "name",
        "reasoning",
        "reasoning_content",
        "refusal",
        "summary",
        "text",
        "thinking",
        "transcript",
    }
)
"""The texts that come in pieces; any other is said whole, and perhaps again."""
_OF_STREAMS = frozenset({"choices", "object", "obfuscation"})
"""What a chunk has and a completion has not, or has otherwise."""


def completion(chunks: Iterable[Mapping[str, Any]]) -> JSONObject:
    """The ``chat.completion`` that these ``chat.completion.chunk`` objects amount to.

    Of a stream that broke off, the choices that had not ended have null for ``finish_reason``, and
    there is no ``usage`` unless it was told. Takes whatever is in the chunks: what is no choice, no
    delta, is left out. Linear in the size of the chunks.
    """
    envelope: JSONObject = {"id": "", "object": "chat.completion", "created": 0, "model": ""}
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if name not in _OF_STREAMS and (value or not envelope.get(name)):
                envelope[name] = value
        for choice in objects(chunk.get("choices")):
            index = choice.get("index")
            key = index if type(index) is int else 0
            choices.setdefault(key, _Choice(key)).take(choice)
    usage = envelope.pop("usage", None)
    envelope["choices"] = [choices[index].whole() for index in sorted(choices)]
    if isinstance(usage, dict):
        envelope["usage"] = usage
    return envelope


def _unnumbered(entry: JSONObject) -> JSONObject:
    """An entry of a list; its number is for streams."""
    return {name: value for name, value in entry.items() if name != "index"}


class _Object:
    """A JSON object that comes in pieces."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def take(self, piece: Mapping[str, Any]) -> None:
        for name, value in piece.items():
            self._fields[name] = _joined(name, self._fields.get(name), value)

    def whole(self) -> JSONObject:
        return {name: _whole(value) for name, value in self._fields.items()}


class _Text:
    """A text that comes in pieces. Joined once: adding one to the other takes the square of it."""

    def __init__(self, piece: str) -> None:
        self._pieces = [piece]

    def take(self, piece: str) -> None:
        self._pieces.append(piece)

    def whole(self) -> str:
        return "".join(self._pieces)


class _List:
    """A list that comes in pieces: entries with an ``index`` go there, others to its end."""

    def __init__(self) -> None:
        self._entries: list[Any] = []
        self._numbered: dict[int, _Object] = {}

    def take(self, piece: list[Any]) -> None:
        for entry in piece:
            index = entry.get("index") if isinstance(entry, dict) else None
            if type(index) is not int:
                self._entries.append(entry)
                continue
            if index not in self._numbered:
                self._numbered[index] = _Object()
            self._numbered[index].take(entry)

    def whole(self) -> list[Any]:
        numbered = [self._numbered[index].whole() for index in sorted(self._numbered)]
        return [*numbered, *self._entries]


@dataclass(slots=True)
class _Choice:
    """One of the answers, as it grows."""

    index: int
    said: _Object = field(default_factory=_Object)
    rest: _Object = field(default_factory=_Object)

    def take(self, choice: Mapping[str, Any]) -> None:
        """The next piece."""
        self.said.take(object_in(choice, "delta"))
        self.rest.take({name: value for name, value in choice.items() if name != "delta"})

    def whole(self) -> JSONObject:
        """OpenAI's choice."""
        message = {"role": "assistant", "content": None, "refusal": None, **self.said.whole()}
        for name in ("tool_calls", "images"):
            entries = [_unnumbered(each) for each in objects(message.pop(name, None))]
            if entries:
                message[name] = entries
        choice = {"logprobs": None, "finish_reason": None, **self.rest.whole()}
        return {**choice, "index": self.index, "message": message}


def _joined(name: str, known: Any, value: Any) -> Any:
    """What is known under a name, and a further piece of it."""
    if value is None:
        return known
    if isinstance(value, str):
        return _text(name, known, value)
    if isinstance(value, dict):
        grown = known if isinstance(known, _Object) else _Object()
        grown.take(value)
        return grown
    if isinstance(value, list):
        longer = known if isinstance(known, _List) else _List()
        longer.take(value)
        return longer
    return value


def _text(name: str, known: Any, piece: str) -> Any:
    if name not in _GROWING:
        return piece or known
    if not isinstance(known, _Text):
        return _Text(piece)
    known.take(piece)
    return known


def _whole(value: Any) -> Any:
    return value.whole() if isinstance(value, _Object | _Text | _List) else value
