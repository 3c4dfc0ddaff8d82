"""Numbers as people read them."""

import pytest

from llm_gateway.inspect.page.words import ago, count, share, span, took


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.01, "1 s"),
        (59.0, "59 s"),
        (59.5, "1 min"),
        (200.0, "3 min 20 s"),
        (3600.0, "1 h"),
        (7500.0, "2 h 5 min"),
        (599.0, "9 min 59 s"),
        (659.0, "10 min"),
        (57_780.0, "16 h"),
        (86_400.0 * 3 + 4 * 3600 + 59, "3 d 4 h"),
    ],
)
def test_a_span_is_rounded_up(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 ms"), (0.0426, "43 ms"), (0.1, "0.10 s"), (1.23, "1.2 s"), (75.0, "75 s")],
)
def test_what_was_quick_is_told_in_milliseconds(seconds: float, words: str) -> None:
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s ago"), (59.9, "59 s ago"), (235.0, "3 min ago"), (7500.0, "2 h ago")],
)
def test_what_is_over_is_told_roughly(seconds: float, words: str) -> None:
    assert ago(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (1234, "1,234"), (999_999, "999,999"), (1_250_000, "1.2M"), (2 * 10**9, "2,000.0M")],
)
def test_numbers_stay_short(number: int, words: str) -> None:
    assert count(number) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 7, "0 %"),
        (1, 1000, "< 1 %"),
        (9, 43, "21 %"),
        (999, 1000, "> 99 %"),
        (7, 7, "100 %"),
    ],
)
def test_neither_little_nor_nearly_all_is_rounded_away(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words
