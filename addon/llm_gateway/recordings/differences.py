"""In what two requests differ, in words that are short whatever stands in them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from llm_gateway.recordings.asked import written

SHOWN = 4
"""Differences that are told; of the others only that there are more."""
_EXCERPT = 60
_LEAD = 16
"""Characters shown before the first one that differs."""
_NAMES = 3
_LONGEST_PLACE = 120
_ABSENT = object()


def differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """``messages[1].content: recorded "What is…", asked "Who is…"; temperature: …``."""
    found = [*islice(_walk("", recorded, asked), SHOWN + 1)]
    return "; ".join(found if len(found) <= SHOWN else [*found[:SHOWN], "and more"])


def _walk(path: str, recorded: object, asked: object) -> Iterator[str]:
    match recorded, asked:
        case dict(), dict():
            for name in dict.fromkeys((*recorded, *asked)):
                place = f"{path}.{_name(name)}" if path else _name(name)
                yield from _walk(place, recorded.get(name, _ABSENT), asked.get(name, _ABSENT))
        case list(), list():
            if len(recorded) != len(asked):
                items = "1 item" if len(recorded) == 1 else f"{len(recorded)} items"
                yield f"{_place(path)}: recorded {items}, asked {len(asked)}"
            for index, (one, other) in enumerate(zip(recorded, asked, strict=False)):
                yield from _walk(f"{path}[{index}]", one, other)
        case _ if _differ(recorded, asked):
            yield f"{_place(path)}: {_both(recorded, asked)}"


def _differ(recorded: object, asked: object) -> bool:
    if recorded is _ABSENT or asked is _ABSENT:
        return True
    # As JSON: to Python, True and 1 are the same.
    return written(recorded) != written(asked)


def _both(recorded: object, asked: object) -> str:
    if asked is _ABSENT:
        return f"recorded {_shown(recorded)}, not asked"
    if recorded is _ABSENT:
        return f"not recorded, asked {_shown(asked)}"
    if isinstance(recorded, str) and isinstance(asked, str):
        start = _shortly_before(recorded, _alike(recorded, asked))
        return f"recorded {_excerpt(recorded, start)}, asked {_excerpt(asked, start)}"
    return f"recorded {_shown(recorded)}, asked {_shown(asked)}"


def _shown(value: object) -> str:
    match value:
        case str():
            return _excerpt(value, 0)
        case dict():
            return f"an object with {_listed([*value])}" if value else "an empty object"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case _:
            return written(value).decode()


def _excerpt(text: str, start: int) -> str:
    end = start + _EXCERPT
    before, after = "…" if start else "", "…" if len(text) > end else ""
    return f'"{before}{_printable(text[start:end])}{after}"'


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)


def _shortly_before(text: str, place: int) -> int:
    """Where an excerpt begins that shows a few words before this place."""
    if place <= _LEAD:
        return 0
    return text.find(" ", place - _LEAD, place) + 1 or place - _LEAD


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names[:_NAMES])) + ("…" if len(names) > _NAMES else "")


def _place(path: str) -> str:
    return path if len(path) <= _LONGEST_PLACE else f"…{path[-_LONGEST_PLACE:]}"


def _name(name: str) -> str:
    return _printable(name[:_EXCERPT])


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
