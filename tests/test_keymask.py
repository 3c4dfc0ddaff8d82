"""A key is taken out of bytes that are cut anywhere, and nothing else is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.keymask import KeyMask

KEY = b"sk-canary-0123456789"
MASK = b"***782a873f"

TEXTS = [
    b"",
    b"nothing to see",
    KEY,
    b"Incorrect API key provided: " + KEY + b".",
    KEY + KEY,
    b"s" + KEY + b"sk-",
    b"sk-canary-sk-canary-0123456789",
    b"sk-canary-012345678",
    b"ssssssk-canary",
    b"x" * 100 + KEY + b"y" * 100,
]


def masked(pieces: list[bytes], key: bytes = KEY) -> bytes:
    mask = KeyMask(key, MASK)
    return b"".join([*map(mask.feed, pieces), mask.flush()])


@pytest.mark.parametrize("text", TEXTS)
def test_the_key_is_masked_wherever_the_text_is_cut(text: bytes) -> None:
    expected = text.replace(KEY, MASK)
    assert masked([text]) == expected
    assert masked([text[i : i + 1] for i in range(len(text))]) == expected
    for cut in range(len(text)):
        assert masked([text[:cut], text[cut:]]) == expected, f"cut at {cut}"


@given(
    st.sampled_from([b"ab", b"aab", b"abab", b"aaa", KEY]),
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"aab", b"s", KEY, KEY[:5], KEY[5:]])),
)
def test_cut_in_any_way_no_key_is_left(key: bytes, pieces: list[bytes]) -> None:
    assert key not in masked(pieces, key)


@given(st.lists(st.binary()))
def test_without_the_key_every_byte_comes_through(pieces: list[bytes]) -> None:
    assert masked(pieces) == b"".join(pieces)


@pytest.mark.parametrize("text", [b"data: x\n\n", b"{}", KEY + b"\n", b"sk-x"])
def test_what_cannot_be_the_beginning_of_a_key_is_given_out_at_once(text: bytes) -> None:
    assert KeyMask(KEY, MASK).feed(text) == text.replace(KEY, MASK)


def test_what_is_held_back_comes_with_the_next_piece_or_at_the_end() -> None:
    mask = KeyMask(KEY, MASK)
    assert mask.feed(b"a sk-can") == b"a "
    assert mask.feed(b"e") == b"sk-cane"
    assert mask.feed(b"sk-") == b""
    assert mask.flush() == b"sk-"
    assert mask.flush() == b""
