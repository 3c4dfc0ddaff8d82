"""The estimate of a request's tokens."""

import base64
import os
from typing import Any

import pytest

from llm_gateway.tokens import FRAME, LOOKED_AT, Told, estimate

DATA = base64.b64encode(os.urandom(100_000)).decode()


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("", 0),
        ("four", 1),
        ("word " * 4000, 5000),
        ("слово", 2),
        ("語" * 4000, 3000),
        (["four", {"name": "four"}, 12, None, True], 3),
        ({}, 0),
    ],
)
def test_text_has_a_token_for_each_four_bytes(value: Any, tokens: int) -> None:
    assert estimate(value) == tokens


@pytest.mark.parametrize("data", [DATA, f"data:image/png;base64,{DATA}"])
def test_pictures_sounds_and_files_are_no_text(data: str) -> None:
    assert estimate({"url": data, "text": "four"}) < 4


def test_a_long_word_is_text_all_the_same() -> None:
    assert estimate("x" * LOOKED_AT) == LOOKED_AT // 4


def event(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % text.encode()


@pytest.mark.parametrize(
    ("pieces", "tokens"),
    [
        ([], 0),
        ([b""], 0),
        ([event("a")], 1),
        ([event(" word")] * 100, 100),
        ([event(" word") * 50] * 2, 100),
        ([event("a"), event("word " * 400)], 2 + 1999 // 4),
        ([event("word " * 400)], 1 + (2000 + len(event("")) - FRAME) // 4),
    ],
)
def test_a_stream_has_a_token_in_each_event_and_more_in_long_ones(
    pieces: list[bytes], tokens: int
) -> None:
    told = Told()
    for piece in pieces:
        told.add(piece)
    assert told.tokens == tokens
