"""Laying out plain text for people: sizes, cuts, wrapped and indented lines. All of it bounded."""

import textwrap
from collections.abc import Iterable, Iterator

WIDTH = 84
"""Characters in a line: what mitmweb has room for beside its list, in a window of 1400 pixels."""
BLANK = " "
"""A line without text: mitmweb shows an empty one not at all."""
RULE = 80
"""Characters of a headline with its rule."""
MAX_LINES = 4000
"""Of a whole view."""
ELLIPSIS = "…"

_KILO = 1000
_UNITS = ("B", "KB", "MB", "GB")
_PLAIN_BELOW = 10
"""Of a unit other than bytes, a digit follows the point below this."""


def size(count: int) -> str:
    """Bytes for people: ``412 B``, ``3.4 KB``, ``34 KB``. A KB is 1000 bytes, as mitmweb has it."""
    value, unit = float(count), 0
    while round(value) >= _KILO and unit < len(_UNITS) - 1:
        value, unit = value / _KILO, unit + 1
    digits = 1 if unit and value < _PLAIN_BELOW else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


def counted(count: int, noun: str) -> str:
    """``1 message``, ``1 234 messages``."""
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"


def grouped(count: int) -> str:
    """A number in groups of three digits."""
    return f"{count:,}".replace(",", " ")


def one_line(text: str, limit: int) -> str:
    """The text in one line of at most ``limit`` characters, every white space a single blank."""
    # Nothing beyond this can be seen, unless there is nothing but white space.
    line = " ".join(text[: 4 * limit].split())
    whole = len(text) <= 4 * limit
    return line if whole and len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters of a text, from its beginning and its end, and how much is left
    out between them.
    """
    if len(text) <= limit:
        return text
    tail = limit // 4
    left_out = len(text) - limit
    return (
        f"{text[: limit - tail].rstrip()}\n"
        f"[{ELLIPSIS} {counted(left_out, 'more character')} {ELLIPSIS}]\n"
        f"{text[len(text) - tail :].lstrip()}"
    )


def wrapped(text: str, indent: str = "", first: str | None = None) -> Iterator[str]:
    """The lines of a text, each below ``WIDTH`` characters and indented; long ones are wrapped.

    The first begins with ``first``. White space inside a line stays, so that code can be read.
    """
    lead = indent if first is None else first
    for line in text.splitlines() or [""]:
        plain = line.expandtabs(4).rstrip()
        if len(lead) + len(plain) <= WIDTH:
            yield (lead + plain).rstrip()
        else:
            yield from _folded(plain, lead, indent)
        lead = indent


def titled(title: str, width: int = RULE) -> str:
    """A headline with a rule to its right."""
    return f"{title} {'─' * max(width - len(title) - 1, 3)}"


def bounded(lines: Iterable[str]) -> str:
    """The lines of a view as one text, within its bound."""
    return "\n".join(line or BLANK for line in limited(lines, MAX_LINES))


def limited(lines: Iterable[str], limit: int) -> Iterator[str]:
    """The lines; beyond ``limit`` a last one says that there are more."""
    for number, line in enumerate(lines):
        if number == limit:
            yield f"{ELLIPSIS} cut here, after {counted(limit, 'line')}"
            return
        yield line


def table(rows: Iterable[tuple[str, ...]], gap: str = "  ") -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell; the last is not padded."""
    listed = [*rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in listed
    ]


def _folded(line: str, lead: str, indent: str) -> Iterator[str]:
    # What is indented stays so on the lines that it is folded into, at the cost of their length.
    own = line[: len(line) - len(line.lstrip())][: WIDTH // 2]
    yield from textwrap.wrap(
        line.strip(),
        WIDTH,
        initial_indent=lead + own,
        subsequent_indent=indent + own,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
