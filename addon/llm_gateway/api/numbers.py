"""Integers that the reader of JSON would make other numbers of.

orjson, as JavaScript, reads an integer of more than 64 bits as the nearest double and says nothing:
12345678901234567890123 would be sent as 1.2345678901234568e22. Decimals are doubles to everybody
(RFC 8259 §6); those that are none, such as 1e400, it refuses itself.
"""

import json
from collections.abc import Callable
from typing import Any

_LONG = 2.0**63
"""No integer below it is read as another number."""

_STRIDE = 6
_SAMPLES = b"000"
"""Of 19 digits in a row, the fewest that are too many, three are in a sample of every sixth."""

_DIGITS_AS_0 = bytes(ord("0") if chr(byte).isdecimal() else byte for byte in range(256))


def has_other_integers(text: bytes, value: dict[str, Any]) -> bool:
    """Whether an integer in ``text`` is another number in ``value``, the object read from it.

    It is not nested deeper than Python's recursion reaches. Nearly every text answers this
    by having no row of 19 digits, and most others by the numbers that were read.
    """
    if _SAMPLES not in text[::_STRIDE].translate(_DIGITS_AS_0):
        return False
    # Such an integer, or a decimal as large, which is as it was written.
    return _has(value, float, lambda number: abs(number) >= _LONG) and _has_long_integer(text)


def _has_long_integer(text: bytes) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        # Thousands of digits, which Python does not like to convert.
        return True
    return _has(value, int, lambda number: not -(2**63) <= number < 2**64)


def _has(value: dict[str, Any], kind: type, is_meant: Callable[[Any], bool]) -> bool:
    """Whether a number of this kind, and meant, is anywhere in ``value``."""
    left: list[Any] = [value]
    while left:
        holder = left.pop()
        for each in holder.values() if type(holder) is dict else holder:
            its = type(each)
            if its is kind:
                if is_meant(each):
                    return True
            elif its is dict or its is list:
                left.append(each)
    return False
