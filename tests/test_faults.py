"""A client's mistake is told in OpenAI's words, with the place."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway import faults
from llm_gateway.errors import RequestError

VALUES: dict[str, Any] = {
    "a boolean": True,
    "an integer": 1,
    "a number": 1.5,
    "a string": "x",
    "an array": [1],
    "an object": {"a": 1},
    "null": None,
}
CHECKS: dict[str, tuple[Callable[[object, str], object], set[str]]] = {
    "a string": (faults.string, {"a string"}),
    "an object": (faults.mapping, {"an object"}),
    "an array": (faults.array, {"an array"}),
    "a boolean": (faults.boolean, {"a boolean"}),
    "an integer": (faults.integer, {"an integer"}),
    "a number": (faults.number, {"a number", "an integer"}),
}


def fault_of(check: Callable[[], object]) -> dict[str, Any]:
    """The error object of the 400 that this raises."""
    with pytest.raises(RequestError) as caught:
        check()
    assert caught.value.status == 400
    error: dict[str, Any] = json.loads(caught.value.body())["error"]
    return error


@pytest.mark.parametrize("wanted", CHECKS)
@pytest.mark.parametrize("got", VALUES)
def test_a_value_is_taken_as_it_is_or_refused_by_its_type(wanted: str, got: str) -> None:
    check, taken = CHECKS[wanted]
    value = VALUES[got]
    if got in taken:
        assert check(value, "a.b[0]") is value
        return
    assert fault_of(lambda: check(value, "a.b[0]")) == {
        "message": f"Invalid type for 'a.b[0]': expected {wanted}, but got {got} instead.",
        "type": "invalid_request_error",
        "param": "a.b[0]",
        "code": "invalid_type",
    }


def test_a_field_that_must_be_there_may_hold_anything() -> None:
    assert faults.required({"a": None}, "a") is None


@pytest.mark.parametrize(("where", "param"), [(None, "a"), ("b[1].a", "b[1].a")])
def test_a_missing_field_is_named_with_its_place(where: str | None, param: str) -> None:
    assert fault_of(lambda: faults.required({}, "a", where)) == {
        "message": f"Missing required parameter: '{param}'.",
        "type": "invalid_request_error",
        "param": param,
        "code": "missing_required_parameter",
    }


def test_an_empty_string_is_not_filled() -> None:
    assert faults.filled("x", "a") == "x"
    assert fault_of(lambda: faults.filled("", "a")) == {
        "message": "Invalid value for 'a': expected a non-empty string.",
        "type": "invalid_request_error",
        "param": "a",
        "code": "invalid_value",
    }
    assert fault_of(lambda: faults.filled(None, "a"))["code"] == "invalid_type"


@pytest.mark.parametrize("fields", [{}, {"a": None}, {"a": ""}])
def test_an_optional_string_may_be_missing(fields: dict[str, Any]) -> None:
    assert faults.optional_string(fields, "a", "b.a") == ""


@pytest.mark.parametrize("value", [0, False, [], {}, 1])
def test_an_optional_string_is_a_string_all_the_same(value: object) -> None:
    error = fault_of(lambda: faults.optional_string({"a": value}, "a", "b.a"))
    assert (error["code"], error["param"]) == ("invalid_type", "b.a")


def test_one_of_several_strings() -> None:
    assert faults.one_of("a", ("a", "b"), "c") == "a"
    error = fault_of(lambda: faults.one_of("x", ("a", "b"), "c"))
    assert error["message"] == "Invalid value for 'c': expected one of 'a', 'b'."
    assert fault_of(lambda: faults.one_of({}, ("a", "b"), "c"))["code"] == "invalid_type"


@pytest.mark.parametrize("name", VALUES)
def test_every_json_value_has_a_name(name: str) -> None:
    assert faults.name_of(VALUES[name]) == name
