"""How deep JSON may be nested.

orjson reads 1024 levels but writes only 254, and translating a request or an answer adds some of
its own. What is deeper than ``MAX_DEPTH`` is refused where it comes in.
"""

from typing import Any

MAX_DEPTH = 128
"""Levels of objects and arrays in one another."""

_CONTAINERS = frozenset({dict, list})
_SHORT = 32 * 1024
"""Bytes: in longer texts it takes longer to count the brackets than to look at what was read."""


def too_deep(text: bytes, value: object, most: int = MAX_DEPTH) -> bool:
    """Whether a value has more than ``most`` levels; ``text`` is the JSON it was read from.

    Nearly every short text answers this by its number of brackets.
    """
    if not isinstance(value, dict | list):
        return False
    if len(text) <= _SHORT and text.count(b"[") + text.count(b"{") <= most:
        return False
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return False
    return True
