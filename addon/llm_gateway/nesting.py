"""How deep JSON may be nested.

orjson reads 1024 levels but writes only 254, and translating a request or an answer adds some of
its own. What is deeper than ``MAX_DEPTH`` is refused where it comes in.
"""

MAX_DEPTH = 128
"""Levels of objects and arrays in one another."""


def too_deep(text: bytes, value: object) -> bool:
    """Whether a value is nested deeper than ``MAX_DEPTH``; ``text`` is the JSON it was read from.

    Nearly every text answers this by its number of brackets.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
