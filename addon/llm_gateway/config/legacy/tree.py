"""Pieces of a tree that nobody has written: they have the line of what they stand for."""

from collections.abc import Iterable

from llm_gateway.config.cursor import Cursor
from llm_gateway.config.nodes import Entry, MappingNode, ScalarNode


def text(key: str, line: int, value: str) -> Entry:
    """A key with a text."""
    return Entry(key, line, ScalarNode(line, value, plain=False))


def number(key: str, line: int, value: int) -> Entry:
    """A key with a number."""
    return Entry(key, line, ScalarNode(line, str(value), plain=True))


def mapping(key: str, line: int, entries: Iterable[Entry]) -> Entry:
    """A key with a mapping."""
    return Entry(key, line, MappingNode(line, tuple(entries)))


def moved(key: str, place: Cursor) -> Entry:
    """A value that stands under another key here."""
    return Entry(key, place.line, place.node)
