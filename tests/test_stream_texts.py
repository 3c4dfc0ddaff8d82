"""Which strings of a stream's events are one text, and changing it."""

import re
from typing import Any

from llm_gateway.stream_texts import Piece, pieces_of, replace_across


def test_a_piece_is_known_by_its_place_and_its_index() -> None:
    events: list[Any] = [
        {"id": "x", "choices": [{"index": index, "delta": {"content": text}}]}
        for index, text in [(0, "a"), (1, "b"), (0, "c")]
    ]
    found = [piece for line, event in enumerate(events) for piece in pieces_of(event, line)]
    assert [(piece.text, piece.line) for piece in found] == [("a", 0), ("b", 1), ("c", 2)]
    assert found[0].path == found[2].path != found[1].path


def test_no_event_is_nested_too_deep_to_be_looked_at() -> None:
    event: Any = "x"
    for _ in range(2000):
        event = [event]
    assert [piece.text for piece in pieces_of({"t": "seen", "u": event}, 0)] == ["seen"]


def text(*parts: str) -> list[Piece]:
    return [piece for line, part in enumerate(parts) for piece in pieces_of({"t": part}, line)]


def replaced(pieces: list[Piece], pattern: str) -> tuple[list[str], set[int]]:
    lines = replace_across(pieces, re.compile(pattern), lambda match: f"<{len(match)}>")
    return [piece.text for piece in pieces], lines


def test_a_match_is_replaced_in_its_first_piece_and_cut_out_of_the_others() -> None:
    assert replaced(text("x ab", "", "ca", "bc y"), "abcabc") == (
        ["x <6>", "", "", " y"],
        {0, 1, 2, 3},
    )


def test_matches_may_touch() -> None:
    assert replaced(text("a", "bca", "bc"), "abc") == (["<3>", "<3>", ""], {0, 1, 2})


def test_what_lies_in_one_piece_stays() -> None:
    assert replaced(text("abc", "d", "abc"), "abc") == (["abc", "d", "abc"], set())
