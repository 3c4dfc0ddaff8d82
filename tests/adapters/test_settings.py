"""Plain settings are of the right type, or a 400 names them."""

from typing import Any

import pytest

from llm_gateway.adapters.settings import integer_of, number_of, stops_of
from llm_gateway.errors import RequestError


@pytest.mark.parametrize(("value", "expected"), [(None, None), (1, 1), (0, 0), (0.5, 0.5)])
def test_a_number(value: object, expected: float | None) -> None:
    assert number_of({"temperature": value}, "temperature") == expected
    assert number_of({}, "temperature") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_completion_tokens": None, "max_tokens": 5}, 5),
        ({"max_completion_tokens": 6, "max_tokens": 5}, 6),
        ({"max_completion_tokens": 0, "max_tokens": 5}, 0),
    ],
)
def test_an_integer_under_the_first_name_that_has_one(
    body: dict[str, Any], expected: int | None
) -> None:
    assert integer_of(body, "max_completion_tokens", "max_tokens") == expected


@pytest.mark.parametrize(
    ("stop", "expected"),
    [(None, []), ("a", ["a"]), ("", [""]), ([], []), (["a", "b"], ["a", "b"])],
)
def test_stops_are_a_list(stop: object, expected: list[str]) -> None:
    assert stops_of({"stop": stop}) == expected
    assert stops_of({}) == []


@pytest.mark.parametrize("value", ["1", True, [], {}])
def test_a_number_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(RequestError) as caught:
        number_of({"top_p": value}, "top_p")
    assert (caught.value.status, caught.value.param) == (400, "top_p")


@pytest.mark.parametrize("value", ["1", True, 1.5, []])
def test_an_integer_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(RequestError) as caught:
        integer_of({"b": value}, "a", "b")
    assert (caught.value.status, caught.value.param) == (400, "b")


@pytest.mark.parametrize(
    ("stop", "param"), [(1, "stop"), ({}, "stop"), (["a", None], "stop[1]"), ([["a"]], "stop[0]")]
)
def test_stops_of_another_type_are_refused(stop: object, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        stops_of({"stop": stop})
    assert (caught.value.status, caught.value.param) == (400, param)
