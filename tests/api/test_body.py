"""The body of a request is a JSON object within bounds, or a clear 400."""

import orjson
import pytest

from llm_gateway.api.body import parse_object
from llm_gateway.config import Bounds
from llm_gateway.errors import RequestError


def refusal(body: bytes, bounds: Bounds = Bounds()) -> str:
    with pytest.raises(RequestError) as caught:
        parse_object(body, bounds)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, None, None)
    return error.message


def test_an_object_is_what_was_written() -> None:
    value = {"a": [1, 0.5, None, {"é": "😀"}], "b": 2**64 - 1}
    assert parse_object(orjson.dumps(value), Bounds()) == value


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    assert parse_object(b'{"a": 1, "b": 2, "a": 3}', Bounds()) == {"a": 3, "b": 2}


def test_values_are_counted_up_to_the_bound() -> None:
    body = b'{"a": [1, "x, y, [{", 3]}'
    assert parse_object(body, Bounds(values=5))
    assert "more than 4 values (gateway.bounds.values)" in refusal(body, Bounds(values=4))


@pytest.mark.parametrize("piece", [b"{},", b'"",', b"0,", b"[[]],"])
def test_too_many_values_are_refused_unread(piece: bytes) -> None:
    # As it is no JSON in the end, reading it would be another refusal.
    assert "gateway.bounds.values" in refusal(b'{"a": [' + piece * 1_100_000 + b"junk")


def test_an_honest_text_of_any_length_is_taken() -> None:
    text = 'a, "b", [c], {d}\\\n' * 500_000
    assert parse_object(orjson.dumps({"a": text}), Bounds())["a"] == text


def test_levels_are_counted_up_to_the_bound() -> None:
    body = b'{"a": [[{}]]}'
    assert parse_object(body, Bounds(depth=4))
    assert "more than 3 levels (gateway.bounds.depth)" in refusal(body, Bounds(depth=3))


def test_of_endless_levels_the_bound_is_told_as_well() -> None:
    assert "more than 3 levels (gateway.bounds.depth)" in refusal(b"[" * 100_000, Bounds(depth=3))


@pytest.mark.parametrize("body", [b'{"a": "\xe9"}', b"\xff", b'{"\xf0\x9f": 1}'])
def test_what_is_no_utf_8_is_called_that(body: bytes) -> None:
    assert refusal(body).endswith("JSON body of your request: it is not in UTF-8.")


@pytest.mark.parametrize("number", ["18446744073709551616", "9" * 300, "-1" + "0" * 25])
def test_an_integer_that_would_become_another_number_is_refused(number: str) -> None:
    assert "more than 64 bits" in refusal(f'{{"seed": {number}}}'.encode())


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "01", "1.", ".5", "+1", "0x1"])
def test_what_is_no_number_is_no_json(number: str) -> None:
    assert "could not parse" in refusal(f'{{"seed": {number}}}'.encode())
