"""The docs list the table of bad input as it is sent."""

from pathlib import Path

from bad_input_docs import SECTIONS, render
from support.bad_input.table import ROWS, TIMED

PAGE = Path(__file__).parents[1] / "docs" / "bad-input.md"


def test_the_page_is_what_make_docs_prints() -> None:
    assert PAGE.read_text() == render()


def test_every_row_has_a_section() -> None:
    assert {row.id[0] for row in (*ROWS, *TIMED)} == {*SECTIONS}


def test_no_two_rows_have_one_name() -> None:
    ids = [row.id for row in (*ROWS, *TIMED)]
    assert sorted(ids) == sorted(set(ids))
