"""Texts that a stream brings in pieces, a few characters with each event.

Which strings of a provider's events belong together, no table says: those that stand at the same
place in each, and have the same ``index`` where there is one.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_SAME_EVERYWHERE = frozenset(
    {"id", "model", "object", "type", "role", "created", "system_fingerprint", "finish_reason"}
)
"""Strings that every event repeats; they are no pieces of one text."""
_LONGEST_PATH = 64
"""Whoever nests deeper than this brings no text in pieces."""


@dataclass(slots=True)
class Piece:
    """A string in an event: where it stands, and of which line. Pieces of one path are one text."""

    path: tuple[object, ...]
    holder: Any
    key: Any
    line: int

    @property
    def text(self) -> str:
        text: str = self.holder[self.key]
        return text

    @text.setter
    def text(self, text: str) -> None:
        self.holder[self.key] = text


def pieces_of(value: Any, line: int, path: tuple[object, ...] = ()) -> Iterator[Piece]:
    """The strings of an event. What is at the same place in other events goes on there."""
    if len(path) > _LONGEST_PATH:
        return
    if isinstance(value, dict):
        path = (*path, value.get("index"))
        items = [(key, each) for key, each in value.items() if key not in _SAME_EVERYWHERE]
    elif isinstance(value, list):
        items = [*enumerate(value)]
    else:
        return
    for key, each in items:
        if isinstance(each, str):
            yield Piece((*path, key), value, key, line)
        else:
            yield from pieces_of(each, line, (*path, key))


def replace_across(
    pieces: Sequence[Piece], pattern: re.Pattern[str], replacement: Callable[[str], str]
) -> set[int]:
    """Replace what the pattern matches across pieces of one text; says in which lines.

    What it matches within one piece stays.
    """
    changed: set[int] = set()
    begins = [0, *accumulate(len(piece.text) for piece in pieces)]
    matches = [*pattern.finditer("".join(piece.text for piece in pieces))]
    for match in reversed(matches):  # what comes before stays where it is
        first = bisect_right(begins, match.start()) - 1
        last = bisect_left(begins, match.end()) - 1
        if first < last:
            _cut_out(match, pieces, begins, first, last, replacement(match[0]))
            changed.update(piece.line for piece in pieces[first : last + 1])
    return changed


def _cut_out(
    match: re.Match[str],
    pieces: Sequence[Piece],
    begins: Sequence[int],
    first: int,
    last: int,
    placeholder: str,
) -> None:
    """Put the placeholder into the first of these pieces in place of the match in all of them."""
    head, tail = pieces[first], pieces[last]
    head.text = head.text[: match.start() - begins[first]] + placeholder
    for piece in pieces[first + 1 : last]:
        piece.text = ""
    tail.text = tail.text[match.end() - begins[last] :]
