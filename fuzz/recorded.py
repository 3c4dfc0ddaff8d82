"""Inputs made of the exchanges that the tests have recorded: ``tests/data``."""

from collections.abc import Iterator

from support.wire_files import Case, cases

LONGEST = 16384
"""Larger ones, with pictures in them, would only slow things down."""


def requests() -> Iterator[tuple[str, bytes]]:
    """Clients' requests, each with the format that it was translated to."""
    for case in cases():
        if case.has("request.json"):
            yield from _small(case, "request.json")


def replies(name: str) -> Iterator[tuple[str, bytes]]:
    """The contents of the files of this name, each with the format that it is in."""
    for case in cases():
        if case.has(name):
            yield from _small(case, name)


def _small(case: Case, name: str) -> Iterator[tuple[str, bytes]]:
    content = case.bytes(name)
    if len(content) <= LONGEST:
        yield case.kind, content
