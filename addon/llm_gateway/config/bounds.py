"""The `bounds` of the `gateway` section: what one client may ask of us at most."""

from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Reader, plain, scalar
from llm_gateway.config.values import Bounds
from llm_gateway.nesting import MAX_DEPTH

_SMALLEST_HEAD = 4096
"""Smaller ones would not take what browsers and SDKs send."""

_COUNT = plain(scalars.integer_from(1))
_TIME = scalar(scalars.duration)
_SIZE = scalar(scalars.size_in_bytes)


def bounds(cursor: Cursor) -> Bounds:
    """The section's values."""
    return Bounds(**cursor.fields(_READERS))


def _head_size(text: str) -> int:
    size = scalars.size_in_bytes(text)
    if size < _SMALLEST_HEAD:
        raise ValueError(f"a size of at least {_SMALLEST_HEAD} bytes")
    return size


def _depth(text: str) -> int:
    """Levels; the writer of JSON knows no more."""
    depth = scalars.integer_from(1)(text)
    if depth > MAX_DEPTH:
        raise ValueError(f"an integer of at most {MAX_DEPTH}")
    return depth


_READERS: dict[str, Reader[Any]] = {
    "headers": _COUNT,
    "header_bytes": scalar(_head_size),
    "path_bytes": _SIZE,
    "head_time": _TIME,
    "body_time": _TIME,
    "body_rate": _SIZE,
    "idle": _TIME,
    "connections": _COUNT,
    "per_address": _COUNT,
    "streams": _COUNT,
    "concurrent": _COUNT,
    "all_bodies": _SIZE,
    "depth": plain(_depth),
    "values": _COUNT,
    "messages": _COUNT,
    "tools": _COUNT,
}
