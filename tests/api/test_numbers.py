"""No number is sent that is another than the client wrote."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.numbers import has_other_integers

PADDINGS = range(7)
"""Every way that digits may lie among those that are looked at."""


def judged(number: str, padding: int = 0) -> bool:
    text = f'{{"{"p" * padding}": [{{"x": {number}}}]}}'.encode()
    return has_other_integers(text, orjson.loads(text))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890123",
        "100000000000000000000",
        "-9999999999999999999",
        "1" + "0" * 300,
    ],
    ids=lambda number: number[:24],
)
def test_integers_of_more_than_64_bits_are_found(number: str, padding: int) -> None:
    assert judged(number, padding)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551615",
        "-9223372036854775808",
        "9223372036854775807",
        "0.1000000000000000055511151231257827",
        "1.7976931348623157e308",
        "340282346638528859811704183484516925440.0",
        "1e30",
        "-0",
        "1e-400",
        '"12345678901234567890123"',
        '["99999999999999999999999999", 3.4028234663852886e38]',
    ],
    ids=lambda number: number[:24],
)
def test_other_numbers_and_digits_in_strings_are_none(number: str, padding: int) -> None:
    assert not judged(number, padding)


@given(st.integers(-(2**70), 2**70), st.integers(0, 20))
def test_what_passes_is_what_was_written(number: int, padding: int) -> None:
    text = json.dumps({"p" * padding: number}).encode()
    read: dict[str, Any] = orjson.loads(text)
    assert has_other_integers(text, read) == (orjson.dumps(read) != text.replace(b" ", b""))
