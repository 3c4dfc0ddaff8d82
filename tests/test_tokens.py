"""The estimate of a request's tokens."""

import base64
import os
from typing import Any

import pytest

from llm_gateway.tokens import LOOKED_AT, estimate

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
