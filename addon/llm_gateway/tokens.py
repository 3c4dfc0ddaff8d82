"""About how many tokens a request has, before anybody has counted them."""

from typing import Any

BYTES_PER_TOKEN = 4
"""Of English; other languages have fewer."""
LOOKED_AT = 1000
"""Characters: no text has a word that is so long, but pictures, sounds and files in base64 have."""


def estimate(value: Any) -> int:
    """The tokens of all text in a JSON value. What is data, and no text, has none."""
    return _size(value) // BYTES_PER_TOKEN


def _size(value: Any) -> int:
    if isinstance(value, str):
        return 0 if _is_data(value) else len(value.encode())
    if isinstance(value, dict):
        return sum(len(name) + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    return 1


def _is_data(text: str) -> bool:
    return len(text) > LOOKED_AT and text.isascii() and " " not in text[:LOOKED_AT]
