"""A text's values are counted before they are made, and exactly where it matters."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.json_values import _WINDOW, has_more_values, most_values

TEXTS = st.text(alphabet='a,[{"\\é', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def counted(value: Any) -> int:
    """The values in a value, itself included; an empty array or object is two."""
    if not isinstance(value, list | dict):
        return 1
    inner = [*value.values()] if isinstance(value, dict) else value
    return 1 + (sum(map(counted, inner)) or 1)


@given(VALUES)
def test_a_text_has_as_many_values_as_were_written(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    assert not has_more_values(text, counted(value))
    assert has_more_values(text, counted(value) - 1) or len(text) < counted(value)
    assert most_values(text) >= counted(value)


@pytest.mark.parametrize(
    "text",
    [
        "a" * (_WINDOW - 1) + '\\"' + ",[{" * 100,
        "a" * (_WINDOW - 3) + "\\\\" + ",[{" * 100,
        "\\" * (3 * _WINDOW) + ",",
        "\\" * (3 * _WINDOW + 1) + '"' + "," * _WINDOW,
        '",' * _WINDOW,
        "," * (5 * _WINDOW),
    ],
    ids=["a quote", "a backslash", "even", "odd", "quotes", "commas"],
)
@pytest.mark.parametrize("shift", range(4))
def test_what_stands_in_a_string_is_no_value(text: str, shift: int) -> None:
    body = json.dumps(["a" * shift + text, 1]).encode()
    assert not has_more_values(body, 3)
    assert has_more_values(body, 2)


@pytest.mark.parametrize("piece", [b"{},", b"[],", b"1,", b'"",', b'{"a":1},'])
def test_many_small_values_are_too_many(piece: bytes) -> None:
    assert has_more_values(b"[" + piece * 40_000 + b"1]", 40_000)


@pytest.mark.parametrize("text", [b'"' * 200_000, b"\\" * 200_000, b"[" * 200_000, b"," * 200_000])
def test_what_is_no_json_gets_some_answer(text: bytes) -> None:
    assert has_more_values(text, 1000) in {True, False}
