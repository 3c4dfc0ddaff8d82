"""The tool calls of one choice of a stream, as OpenAI streams them.

Each has an index in the order they begin; id, type and name come once, with its first piece; the
arguments are never empty in the end, because clients parse them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.adapters.openai.tidy import give_id, tidy_call
from llm_gateway.adapters.translating import object_in, text_in


@dataclass(slots=True)
class _Begun:
    """A call of which a piece has come.

    ``index`` is what the provider calls it by; ``whole``: its first piece had all its arguments.
    """

    index: object
    id: str
    name: str
    whole: bool
    has_arguments: bool

    def is_over(self, id: str, name: str) -> bool:
        """Whether a piece with this id and this name, under the same index, begins another call.

        Some providers number all their calls alike, or none of them, and some give no ids.
        """
        if not name or self.id == id != "":
            return False
        return bool(id) or (not self.id and (self.whole or name != self.name))


class Calls:
    """Numbers the calls that come; pieces are changed in place.

    ``ids`` are for those of a provider that gives none.
    """

    def __init__(self, ids: Iterator[str]) -> None:
        self._ids = ids
        self._begun: list[_Begun] = []
        self._by_id: dict[str, int] = {}
        self._by_index: defaultdict[str, list[int]] = defaultdict(list)
        self._latest: dict[int, int] = {}
        """Of each index that is a number, the call that came under it last."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self._begun)

    def take(self, piece: dict[str, Any]) -> bool:
        """Tidy a piece of a call; whether it was changed."""
        if self._goes_on(piece):
            return False
        changed = tidy_call(piece)
        number = self._number(piece)
        if number == len(self._begun):
            changed |= self._begin(piece)
        else:
            changed |= _leave_out_repeated(piece)
            if text_in(object_in(piece, "function"), "arguments"):
                self._begun[number].has_arguments = True
        if type(piece.get("index")) is not int or piece["index"] != number:
            piece["index"] = number
            changed = True
        return changed

    def missing(self) -> list[dict[str, Any]]:
        """The pieces that give arguments to the calls that came without any."""
        return [
            {"index": number, "function": {"arguments": "{}"}}
            for number, call in enumerate(self._begun)
            if not call.has_arguments
        ]

    def _goes_on(self, piece: dict[str, Any]) -> bool:
        """Whether it is no more than further arguments, as nearly every piece is."""
        index, function = piece.get("index"), piece.get("function")
        if not (
            len(piece) == len(_FURTHER)
            and type(index) is int
            and self._latest.get(index) == index
            and type(function) is dict
            and len(function) == 1
            and type(arguments := function.get("arguments")) is str
        ):
            return False
        if arguments:
            self._begun[index].has_arguments = True
        return True

    def _begin(self, piece: dict[str, Any]) -> bool:
        function = object_in(piece, "function")
        id, index = text_in(piece, "id"), piece.get("index")
        arguments = text_in(function, "arguments")
        if type(index) is int:
            self._latest[index] = len(self._begun)
        call = _Begun(
            index,
            id,
            text_in(function, "name"),
            whole=not id and _is_whole(arguments),
            # What a custom tool is given is no JSON, and may be empty.
            has_arguments=bool(arguments) or "custom" in piece,
        )
        number = len(self._begun)
        self._begun.append(call)
        self._by_index[repr(index)].append(number)
        if id:
            self._by_id[id] = number
        return give_id(piece, self._ids)

    def _number(self, piece: Mapping[str, Any]) -> int:
        """Which call this is a piece of; one more than there are, if it begins one."""
        id, index = text_in(piece, "id"), piece.get("index")
        name = text_in(object_in(piece, "function"), "name")
        alike = self._by_index.get(repr(index), [])[-_LOOKED_AT:]
        open_ = [number for number in alike if not self._begun[number].is_over(id, name)]
        known = max([*open_[-1:], self._by_id.get(id, -1)], default=-1)
        if known >= 0:
            return known
        nameless = index is None and not id and not name
        return len(self._begun) - (1 if nameless and self._begun else 0)


_FURTHER = ("index", "function")
_LOOKED_AT = 50
"""So many calls under one index, the latest, may still go on: there may be thousands."""


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False


def _leave_out_repeated(piece: dict[str, Any]) -> bool:
    """Clients join the pieces, and would have the id and the name twice in one."""
    repeated = [key for key in ("id", "type") if piece.get(key)]
    for key in repeated:
        del piece[key]
    function = object_in(piece, "function")
    if function.get("name"):
        del function["name"]
        return True
    return bool(repeated)
