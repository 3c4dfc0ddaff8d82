"""Plain text for people: short, wrapped, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views import text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (3_449, "3.4 KB"),
        (34_400, "34 KB"),
        (999_600, "1.0 MB"),
        (50_000_000, "50 MB"),
        (7_200_000_000_000, "7200 GB"),
    ],
)
def test_a_size_is_said_in_its_largest_unit(count: int, said: str) -> None:
    assert text.size(count) == said


def test_numbers_are_grouped_and_agree_with_their_noun() -> None:
    assert text.counted(1, "message") == "1 message"
    assert text.counted(12345, "message") == "12 345 messages"


def test_one_line_is_short_and_has_single_blanks() -> None:
    assert text.one_line(" a\n\n b\tc ", 20) == "a b c"
    assert text.one_line("abcdef", 4) == "abc…"
    assert text.one_line(" " * 100 + "a", 4) == "…"


def test_a_cut_text_has_its_beginning_its_end_and_what_is_missing() -> None:
    assert text.cut("short", 10) == "short"
    said = text.cut("a" * 80 + "b" * 2000 + "c" * 20, 100)
    assert said == f"{'a' * 75}\n[… 2 000 more characters …]\n{'b' * 5}{'c' * 20}"


def test_wrapped_lines_keep_their_own_indentation() -> None:
    lines = [*text.wrapped("if x:\n\treturn y\n\n" + "  long " * 30, "| ", "> ")]
    assert lines[:3] == ["> if x:", "|     return y", "|"]
    assert len(lines) > 4
    assert all(line.startswith("|   ") for line in lines[3:])
    assert [*text.wrapped("")] == [""]


@given(st.text(max_size=400))
def test_no_line_is_too_long(said: str) -> None:
    assert all(len(line) <= text.WIDTH for line in text.wrapped(said, "    ", "- "))


def test_lines_are_limited() -> None:
    said = [*text.limited((str(number) for number in range(10**9)), 3)]
    assert said == ["0", "1", "2", "… cut here, after 3 lines"]
    assert [*text.limited(["a", "b"], 2)] == ["a", "b"]


def test_a_view_is_bounded() -> None:
    assert text.bounded("x" for _ in range(10**9)).count("\n") == text.MAX_LINES
    assert text.bounded(["a", "b"]) == "a\nb"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert text.table([("a", "bb", "c"), ("aaa", "", "d")]) == ["a    bb  c", "aaa      d"]


def test_a_title_has_a_rule() -> None:
    assert text.titled("x", 6) == "x ────"


def test_a_line_without_text_is_not_empty() -> None:
    assert text.bounded(["one", "", "two"]) == "one\n \ntwo"
