"""How near one request is to another, told by a few numbers of each."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from llm_gateway.recordings.asked import Asked, Sort, written

_WORD = re.compile(rb"\w+")
_LOOKED_AT = 4096
"""Bytes of the last message of which the words are known; a long one is known by its end."""
_MESSAGE = 2
"""How many other fields a message counts for."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is known of a request whose body is not kept: hashes of its parts.

    ``messages`` is what was said, of which ``last`` is the last, and ``words`` are its words;
    ``fields`` is everything else.
    """

    sort: Sort
    fields: Mapping[str, int]
    messages: Counter[int]
    last: int
    words: frozenset[int]

    def distance(self, other: "Sketch") -> float:
        """How many fields and messages differ.

        A last message that is nearly the same counts little: it is the one that was meant.
        """
        names = self.fields.keys() | other.fields.keys()
        fields = sum(self.fields.get(name) != other.fields.get(name) for name in names)
        missing, further = self.messages - other.messages, other.messages - self.messages
        messages = max(missing.total(), further.total()) - self._likeness(other)
        return fields + _MESSAGE * max(0.0, messages)

    def _likeness(self, other: "Sketch") -> float:
        """The share of words that two last messages have in common that differ."""
        if self.last == other.last:
            return 0.0
        return len(self.words & other.words) / (len(self.words | other.words) or 1)


def sketch(asked: Asked) -> Sketch:
    """The sketch of a request; its hashes hold in this process only."""
    messages = asked.body.get("messages")
    said = messages if isinstance(messages, list) else [asked.body.get("prompt")]
    hashes = [hash(written(each)) for each in said] or [0]
    last = said[-1] if said else None
    if isinstance(last, dict):
        last = last.get("content")
    rest = (each for each in asked.body.items() if each[0] not in ("messages", "prompt"))
    return Sketch(
        asked.sort,
        {name: hash(written(value)) for name, value in rest},
        Counter(hashes),
        hashes[-1],
        frozenset(map(hash, _WORD.findall(written(last)[-_LOOKED_AT:].lower()))),
    )
