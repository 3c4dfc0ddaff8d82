"""What can be read of JSON that is broken or cut off, and where it ends."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views import partial
from llm_gateway.inspect.views.partial import read_json
from support.any_json import anything

WHOLE = b'{"a":"x\\\\ \\u00e9\\ud83d\\ude00 \xc3\xbc","b":[1,-2.5e3,true,null,{"c":{}}],"e":[]}'


def test_json_is_read_and_nothing_said() -> None:
    assert read_json(WHOLE) == partial.Reading(json.loads(WHOLE))


def test_of_json_that_is_cut_the_beginning_is_read() -> None:
    for length in range(1, len(WHOLE)):
        reading = read_json(WHOLE[:length])
        assert reading.trouble.startswith("The JSON breaks off"), length
        assert _is_beginning(reading.value, json.loads(WHOLE)), length


@pytest.mark.parametrize(
    ("body", "value", "trouble"),
    [
        (b"", None, "The body is empty."),
        (b'{"a":1,"b":x}', {"a": 1}, "The JSON is broken at byte 11 of 13, before 'x}'."),
        (b'{"a":1}}', {"a": 1}, "The JSON is broken at byte 7 of 8, before '}'."),
        (b"[1,2,,3]", [1, 2], "The JSON is broken at byte 5 of 8, before ',3]'."),
        (b'["\xc3\xbc",,]', ["ü"], "The JSON is broken at byte 6 of 8, before ',]'."),
        (b'{"a" 1}', None, "The JSON is broken at byte 5 of 7, before '1}'."),
        (b"nonsense", None, "The JSON is broken at byte 0 of 8, before 'nonsense'."),
        (b'{"a":"x\ny"}', {"a": "x y"}, "unexpected control character"),
        (b'{"a":"\xff"}', {"a": "\ufffd"}, "not valid UTF-8"),
        (b'["\\ud83d"]', None, "surrogate"),
        (b"[1}", [1], "The JSON is broken at byte 2 of 3, before '}'."),
    ],
    ids=repr,
)
def test_where_json_is_broken_is_said(body: bytes, value: object, trouble: str) -> None:
    reading = read_json(body)
    assert reading.value == value
    assert trouble in reading.trouble


@pytest.mark.parametrize("depth", [129, 1000, 200_000])
def test_what_is_nested_too_deep_is_not_read_there(depth: int) -> None:
    reading = read_json(b"[1," * depth + b"2" + b"]" * depth)
    assert f"broken at byte {3 * 128} of" in reading.trouble
    assert reading.value[:1] == [1]


def test_of_a_huge_broken_body_only_the_beginning_is_looked_at() -> None:
    reading = read_json(b'{"a":"' + b"A" * 5_000_000)
    assert reading.trouble.endswith("Its first 300 KB are shown.")
    assert len(reading.value["a"]) == partial.LOOKED_AT - 6


@given(anything(st.text(max_size=8)), st.integers(1, 300))
def test_of_any_json_that_is_cut_only_what_is_there_is_read(value: Any, length: int) -> None:
    body = json.dumps({"v": value}).encode()
    reading = read_json(body[:length])
    assert bool(reading.trouble) == (length < len(body))
    assert _is_beginning(reading.value, {"v": value})


@pytest.mark.parametrize("times", [60_000, 6_000_000], ids=["parsed", "not even parsed"])
def test_of_too_many_values_the_first_are_read(times: int) -> None:
    body = b'{"a":[' + b"{},0," * times + b"0]}"
    began = time.process_time()
    reading = read_json(body)
    assert time.process_time() - began < 2
    assert reading.is_part
    assert reading.trouble.startswith("This is JSON with more than 100 000 values")
    assert reading.value["a"][:3] == [{}, 0, {}]
    assert len(reading.value["a"]) <= partial.MAX_VALUES


def test_commas_in_texts_are_no_values() -> None:
    body = b'{"a":"%s"}' % (b",[{" * 100_000)
    assert not read_json(body).trouble


@given(st.binary(max_size=60))
def test_any_bytes_are_read(body: bytes) -> None:
    reading = read_json(body)
    assert reading.trouble or reading.value == json.loads(body)


def _is_beginning(part: Any, whole: Any) -> bool:
    """Whether the one could become the other by going on."""
    if part is None:
        return True
    if isinstance(part, dict):
        return all(_is_beginning(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return all(_is_beginning(one, other) for one, other in zip(part, whole, strict=False))
    if isinstance(part, str):
        return bool(whole.startswith(part.rstrip("\ufffd")))
    return bool(part == whole)
