"""Prints docs/bad-input.md from the table of bad input. Run by `make docs`."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from support.bad_input.case import After, Answer, Row
from support.bad_input.table import ROWS, TIMED

INTRO = """\
# Inputs and answers

Printed by `make docs` from the table that `tests/e2e/test_bad_input.py` sends through a real
`mitmdump`, byte for byte; a test keeps both the same. Every error is JSON with OpenAI's four keys.
What is meant by an input stands in the table's modules,
[`tests/support/bad_input/`](../tests/support/bad_input); `calls` reach a provider.

"""

SECTIONS = {
    "A": "Tokens",
    "H": "Hosts",
    "P": "Methods, paths, versions",
    "W": "Framing",
    "B": "Bodies",
    "M": "Models",
    "C": "Messages",
    "S": "Other fields",
    "R": "Quotas, and fields that mean nothing",
    "V": "Other addresses",
}
AFTER = {
    After.USABLE: "stays",
    After.CLOSED: "closed",
    After.DRAINED: "the rest is read and thrown away, then closed",
}
TABLE = "| | answer | connection | calls | inputs |\n|---|---|---|---|---|\n"


def render() -> str:
    """The whole page."""
    every = [*ROWS, *TIMED]
    found = [row.id for row in every if row.by_mitmproxy]
    counts = (
        f"{len(every)} inputs, {len(TIMED)} of them about time. In {len(found)} of them mitmproxy "
        "itself finds the fault, before any addon could; the gateway finds the words:\n\n"
        f"{', '.join(f'`{_cell(id)}`' for id in found)}.\n"
    )
    sections = (_section(letter, title, every) for letter, title in SECTIONS.items())
    return "".join([INTRO, counts, *sections])


def _section(letter: str, title: str, rows: Iterable[Row]) -> str:
    own = sorted((row for row in rows if row.id.startswith(letter)), key=_order)
    return f"\n## {title}\n\n{TABLE}{''.join(_lines(own))}"


def _order(row: Row) -> tuple[int, str]:
    return int(_number(row)[1:]), _answer(row)


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    """A line for all inputs of one number that are answered alike."""
    for (number, answer, after, calls), alike in groupby(
        rows, lambda row: (_number(row), _answer(row), AFTER[row.after], row.calls)
    ):
        inputs = ", ".join(f"`{_cell(row.id.partition('-')[2])}`" for row in alike)
        yield f"| {number} | {answer} | {after} | {calls} | {inputs} |\n"


def _number(row: Row) -> str:
    return row.id.partition("-")[0]


def _answer(row: Row) -> str:
    return ", then ".join(map(_words, row.answers)) or "none"


def _words(answer: Answer) -> str:
    words = [str(answer.status)]
    if answer.code:
        words.append(f"`{answer.code}`")
    if isinstance(answer.param, str):
        words.append(f"of `{answer.param}`")
    return " ".join(words)


def _cell(text: str) -> str:
    return "".join(c if c.isprintable() and c not in "|`" else "?" for c in text)


if __name__ == "__main__":
    print(render(), end="")
