"""JSON that is nested too deep to be written again is known as such."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.nesting import MAX_DEPTH, too_deep

OBJECTS = ('{"a":', "}")
ARRAYS = ("[", "]")
MIXED = ('[{"a":', "}]")


def nested(levels: int, brackets: tuple[str, str], inner: str = "1") -> bytes:
    begin, end = brackets
    return (begin * levels + inner + end * levels).encode()


@pytest.mark.parametrize("brackets", [OBJECTS, ARRAYS])
@pytest.mark.parametrize(
    ("levels", "expected"),
    [(1, False), (MAX_DEPTH, False), (MAX_DEPTH + 1, True), (1000, True)],
)
def test_too_deep_is_more_than_the_limit(
    levels: int, expected: bool, brackets: tuple[str, str]
) -> None:
    text = nested(levels, brackets)
    assert too_deep(text, orjson.loads(text)) is expected


def test_the_limit_may_be_lower() -> None:
    assert too_deep(b"[[[]]]", [[[]]], 2)
    assert not too_deep(b"[[[]]]", [[[]]], 3)


def test_long_texts_are_judged_alike() -> None:
    padding = "x" * 100_000
    for levels, expected in ((MAX_DEPTH, False), (MAX_DEPTH + 1, True)):
        text = nested(levels, ARRAYS, f'"{padding}"')
        assert too_deep(text, orjson.loads(text)) is expected


def test_objects_in_arrays_count_as_two_levels() -> None:
    half = MAX_DEPTH // 2
    for levels, expected in ((half, False), (half + 1, True)):
        text = nested(levels, MIXED)
        assert too_deep(text, orjson.loads(text)) is expected


def test_many_brackets_side_by_side_or_in_a_string_are_not_deep() -> None:
    values: list[object] = [[[]] * 5000, ["[" * 5000], {"a": [{}] * 5000}]
    for value in values:
        assert not too_deep(orjson.dumps(value), value)


@pytest.mark.parametrize("value", [1, "x", None, True, [], {}])
def test_plain_values_are_not_deep(value: object) -> None:
    assert not too_deep(orjson.dumps(value), value)


@given(st.integers(0, 300), st.sampled_from([OBJECTS, ARRAYS, MIXED]))
def test_what_is_not_too_deep_can_be_written_with_room_to_spare(
    levels: int, brackets: tuple[str, str]
) -> None:
    text = nested(levels, brackets)
    value = orjson.loads(text)
    if not too_deep(text, value):
        for _ in range(100):
            value = [value]
        assert orjson.dumps(value)
