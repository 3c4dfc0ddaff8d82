"""A key is taken out of bytes that are cut anywhere, and nothing else is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from llm_gateway.keymask import KeyMask, without_key

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


def escaped(text: bytes) -> bytes:
    return b"".join(b"\\u%04x" % letter for letter in text)


ESCAPED = [
    escaped(KEY),
    escaped(KEY).upper().replace(b"\\U", b"\\u"),
    KEY[:5] + escaped(KEY[5:9]) + KEY[9:],
    escaped(KEY[:1]) + KEY[1:],
    KEY[:-1] + escaped(KEY[-1:]),
]
HARMLESS = [
    b"\\u00e9 \\u0041 \\u0073",
    escaped(KEY[:-1]),
    KEY[:4] + b"\\u0",
    b"\\",
    b"a\\nb\\\\u",
    b"\\u00zz",
]


def masked_escapes(pieces: list[bytes]) -> bytes:
    mask = KeyMask(KEY, MASK, escaped=True)
    return b"".join([*map(mask.feed, pieces), mask.flush()])


@pytest.mark.parametrize("key", ESCAPED)
@pytest.mark.parametrize("around", [(b"", b""), (b'{"a":"', b'"}'), (b"\\u0073s\\", b"\\u00")])
def test_a_key_that_json_writes_in_numbers_is_masked_wherever_the_text_is_cut(
    key: bytes, around: tuple[bytes, bytes]
) -> None:
    before, after = around
    text, expected = before + key + after + key, before + MASK + after + MASK
    assert masked_escapes([text]) == expected
    assert masked_escapes([text[i : i + 1] for i in range(len(text))]) == expected
    for cut in range(len(text)):
        assert masked_escapes([text[:cut], text[cut:]]) == expected, f"cut at {cut}"


@pytest.mark.parametrize("text", [*TEXTS, *HARMLESS])
def test_what_is_no_escaped_key_comes_through(text: bytes) -> None:
    expected = text.replace(KEY, MASK)
    assert masked_escapes([text]) == expected
    assert masked_escapes([text[i : i + 1] for i in range(len(text))]) == expected


def test_an_escape_that_begins_no_key_is_given_out_at_once() -> None:
    mask = KeyMask(KEY, MASK, escaped=True)
    assert mask.feed(b'data: {"a":"\\u003cb\\u00e9"}\n\n') == b'data: {"a":"\\u003cb\\u00e9"}\n\n'


def test_fields_hold_the_key_neither_in_values_nor_in_names_of_whatever_case() -> None:
    key, mask = KEY.decode(), MASK.decode()
    headers = CIMultiDict([("a", f"x {key}"), (f"x-{key.upper()}", "b"), ("a", "c")])
    assert [*without_key(headers, key, mask).items()] == [
        ("a", f"x {mask}"),
        (f"x-{mask}", "b"),
        ("a", "c"),
    ]


def test_fields_without_the_key_are_the_same_object() -> None:
    headers = CIMultiDict([("a", "b")])
    assert without_key(headers, KEY.decode(), MASK.decode()) is headers
