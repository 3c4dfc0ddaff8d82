"""The settings that every provider knows, and how OpenAI refuses what they cannot be."""

from typing import Any

import pytest

from llm_gateway.api.fields import CHAT, MAX_ANSWERS, check
from llm_gateway.errors import RequestError

NO_INTEGERS: list[Any] = ["2", 1.5, 2.0, True, [], {}]
NO_NUMBERS: list[Any] = ["hot", True, [], {}]
NO_OBJECTS: list[Any] = ["x", 1, True, []]
OF_ANOTHER_TYPE: dict[str, list[Any]] = {
    **dict.fromkeys(("n", "seed", "max_tokens", "max_completion_tokens"), NO_INTEGERS),
    **dict.fromkeys(("temperature", "top_p"), NO_NUMBERS),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), NO_NUMBERS),
    **dict.fromkeys(("stream_options", "response_format"), NO_OBJECTS),
    "stream": ["true", 1, 0, {}, []],
    "tools": ["x", 1, {}, True],
    "tool_choice": [1, True, []],
    "stop": [1, True, {}],
}
WRONG_TYPES: list[tuple[str, Any, str]] = [
    *((name, value, name) for name, values in OF_ANOTHER_TYPE.items() for value in values),
    ("tools", [{}, 1], "tools[1]"),
    ("tools", [None], "tools[0]"),
    ("stop", ["a", 1], "stop[1]"),
    ("stop", [["a"]], "stop[0]"),
]

OUT_OF_RANGE = [
    ("n", 0, "integer_below_min_value"),
    ("n", -1, "integer_below_min_value"),
    ("n", MAX_ANSWERS + 1, "integer_above_max_value"),
    ("n", 10**9, "integer_above_max_value"),
    ("max_tokens", 0, "integer_below_min_value"),
    ("max_completion_tokens", -5, "integer_below_min_value"),
    ("temperature", -1, "decimal_below_min_value"),
    ("temperature", -0.1, "decimal_below_min_value"),
    ("top_p", -0.5, "decimal_below_min_value"),
]

TAKEN: list[tuple[str, Any]] = [
    ("n", 1),
    ("n", MAX_ANSWERS),
    ("max_tokens", -1),
    ("max_tokens", 10**18),
    ("temperature", 0),
    ("temperature", 5.0),
    ("seed", -(2**63)),
    ("top_p", 1.5),
    ("frequency_penalty", -3),
    ("stop", ""),
    ("stop", []),
    ("tools", []),
    ("tool_choice", "auto"),
    ("tool_choice", {"type": "function"}),
    ("response_format", {}),
    ("stream_options", {}),
    ("logit_bias", [[1, 2]]),
    ("made_up", object()),
]


def refusal(name: str, value: object) -> RequestError:
    with pytest.raises(RequestError) as caught:
        check({name: value}, CHAT)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(("name", "value", "param"), WRONG_TYPES)
def test_a_wrong_type_is_named_by_its_place(name: str, value: object, param: str) -> None:
    error = refusal(name, value)
    assert (error.code, error.param) == ("invalid_type", param)


@pytest.mark.parametrize(("name", "value", "code"), OUT_OF_RANGE)
def test_what_no_provider_takes_is_out_of_range(name: str, value: object, code: str) -> None:
    error = refusal(name, value)
    assert (error.code, error.param) == (code, name)
    assert f"but got {value} instead" in error.message


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_what_some_provider_takes_passes(name: str, value: object) -> None:
    check({name: value}, CHAT)


@pytest.mark.parametrize("name", CHAT)
def test_null_is_not_given(name: str) -> None:
    check({name: None}, CHAT)


def test_the_words_are_openai_s() -> None:
    assert refusal("n", 0).message == (
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."
    )
    assert refusal("n", 20_000).message == (
        "Invalid 'n': integer above maximum value. "
        "Expected a value <= 16384, but got 20000 instead."
    )


def test_the_first_fault_is_told() -> None:
    with pytest.raises(RequestError) as caught:
        check({"x": 1, "top_p": "a", "n": "b"}, CHAT)
    assert caught.value.param == "top_p"
