"""The steps of the fault server that the chaos is made of."""

import itertools
import random
from collections.abc import Iterator

HARMLESS = (
    "bytewise",
    "bytewise-crlf",
    "gzip",
    "informed",
    "json-always",
    "late-700-ok",
    "no-done",
    "noise",
    "trailers",
    "two-dones",
)
"""Strange, and still good answers."""

BEFORE_CONTENT = (
    "broken-json",
    "close-before-headers",
    "comments-forever",
    "empty-body",
    "eof-after-headers",
    "error-first-429",
    "error-first-500",
    "error-in-200-429",
    "error-in-200-502",
    "hang",
    "headers-then-close",
    "headers-then-eof",
    "headers-then-rst",
    "headers-then-silence",
    "html",
    "huge-header",
    "limited",
    "limited-1",
    "limited-ms-200",
    "limited-odd-nan",
    "many-headers",
    "no-choices",
    "no-content",
    "redirect",
    "role-then-eof",
    "role-then-rst",
    "role-then-silence",
    "rst-before-headers",
    "rst-if-reused",
    "rst-in-body",
    "short-body",
    "spent",
    "status-401",
    "status-402",
    "status-403",
    "status-408",
    "status-500",
    "status-502",
    "status-503",
    "status-504",
    "status-529",
    "stream-always",
    "unknown-model",
)
"""The client has seen nothing, so another target can answer."""

INSIDE_TEXT = (
    "content-then-close",
    "content-then-eof",
    "content-then-error-500",
    "content-then-rst",
    "content-then-silence",
)
"""A text that has begun breaks off: unless it is continued, its client has to be told."""

INSIDE_CONTENT = ("call-then-rst", *INSIDE_TEXT)
"""The same, and a tool call, which nobody can continue."""

FAULTS = (*HARMLESS, *BEFORE_CONTENT, *INSIDE_CONTENT)


def endless(lots: random.Random) -> Iterator[str]:
    """All of them in an order drawn by lot, then again in another."""
    return itertools.chain.from_iterable(
        lots.sample(FAULTS, len(FAULTS)) for _ in itertools.count()
    )
