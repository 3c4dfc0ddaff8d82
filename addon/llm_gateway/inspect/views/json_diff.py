"""Two JSON values as a unified diff that people can read: bounded, long strings cut."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any

from llm_gateway.inspect.views.pieces import as_json
from llm_gateway.inspect.views.text import ELLIPSIS, counted, size

LONGEST_STRING = 100
"""Characters of a string; a longer one is cut, and known by its size and a part of its hash."""
MAX_LINES = 1500
"""Of each value, after what both begin and end with."""
MAX_OUTLINE = 20_000
"""Lines of a value that are written at all."""
_CONTEXT = 3
_INDENT = "  "


def diff(before: object, after: object, names: tuple[str, str]) -> list[str]:
    """The lines of the diff, none where the two say the same. Keys are in the order of ``before``,
    those with lists and objects last, so that what is alike stands side by side.
    """
    first = [*islice(_outline(before, before), MAX_OUTLINE)]
    second = [*islice(_outline(after, before), MAX_OUTLINE)]
    same = _common(first, second)
    start = max(same - _CONTEXT, 0)
    tail = _common(first[same:][::-1], second[same:][::-1])
    keep = max(tail - _CONTEXT, 0)
    first, second = first[start : len(first) - keep], second[start : len(second) - keep]
    cut = max(len(first), len(second)) - MAX_LINES
    lines = [
        *difflib.unified_diff(
            first[:MAX_LINES], second[:MAX_LINES], *names, lineterm="", n=_CONTEXT
        )
    ]
    # The numbers would be those of lines that are nowhere.
    told = [ELLIPSIS if line.startswith("@@") else line for line in lines]
    return [*told, f"{ELLIPSIS} {counted(cut, 'more line')}"] if cut > 0 else told


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _outline(
    value: object, like: object, indent: str = "", key: str = "", comma: str = ""
) -> Iterator[str]:
    """A value's lines; the keys of objects in the order that ``like`` has."""
    lead = f"{indent}{as_json(_cut(key))}: " if key else indent
    if isinstance(value, dict) and value:
        yield f"{lead}{{"
        names = _in_order(value, like)
        for name in names:
            end = "" if name == names[-1] else ","
            inner = like.get(name) if isinstance(like, dict) else None
            yield from _outline(value[name], inner, indent + _INDENT, name, end)
        yield f"{indent}}}{comma}"
    elif isinstance(value, list) and value:
        yield f"{lead}["
        for index, each in enumerate(value):
            end = "" if index == len(value) - 1 else ","
            inner = like[index] if isinstance(like, list) and index < len(like) else None
            yield from _outline(each, inner, indent + _INDENT, "", end)
        yield f"{indent}]{comma}"
    else:
        yield f"{lead}{as_json(_cut(value))}{comma}"


def _in_order(value: Mapping[str, Any], like: object) -> list[str]:
    """A value's keys: those of lists and objects last, and otherwise in the order of ``like``."""
    known = {name: place for place, name in enumerate(like)} if isinstance(like, dict) else {}
    last = len(known)
    return sorted(
        value,
        key=lambda name: (isinstance(value[name], list | dict), known.get(name, last)),
    )


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= LONGEST_STRING:
        return value
    data = value.encode()
    mark = hashlib.blake2b(data, digest_size=3).hexdigest()
    return f"{value[:LONGEST_STRING]}{ELLIPSIS} ({size(len(data))}, {mark})"
