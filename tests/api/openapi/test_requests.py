"""The schemas of requests say what the code that reads them does, value by value."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_gateway.api import fields
from llm_gateway.api.images import parse_images, parse_picture
from llm_gateway.api.openapi.requests import SETTINGS
from llm_gateway.api.validation import parse_chat
from llm_gateway.errors import RequestError
from support.openapi_schemas import is_valid

VALUES: list[Any] = [
    *(None, True, False, "", "x", [], {}, [None], ["x"], [[]], [{}], [{"type": "x"}], {"a": 1}),
    *([{"type": 1}], [{}, 1], ["x", {}], 0, 1, -1, -2, 10, 11, 128, 0.5, -0.5, 2.5, 1e300),
    *(fields.MAX_ANSWERS, fields.MAX_ANSWERS + 1, 2**63, -(2**63), "user", "tool", "User"),
]
"""One of each kind, and both sides of each border."""
USER = {"role": "user", "content": "hi"}
GOOD: dict[str, dict[str, Any]] = {
    "ChatCompletionRequest": {"model": "m", "messages": [USER]},
    "ImagesRequest": {"model": "m", "prompt": "a cat"},
    "PictureRequest": {"model": "m", "prompt": "a cat"},
}
PARSERS: dict[str, Callable[[bytes], object]] = {
    "ChatCompletionRequest": parse_chat,
    "ImagesRequest": parse_images,
    "PictureRequest": parse_picture,
}
LEFT_OUT = object()


def is_taken(name: str, body: Any) -> bool:
    try:
        PARSERS[name](json.dumps(body).encode())
    except RequestError:
        return False
    return True


def test_the_settings_of_a_chat_are_those_that_are_checked() -> None:
    assert SETTINGS.keys() == fields.CHAT.keys()


@pytest.mark.parametrize("name", [*GOOD])
def test_what_is_good_is_so_to_both(name: str) -> None:
    assert is_valid(name, GOOD[name])
    assert is_taken(name, GOOD[name])


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("ChatCompletionRequest", field) for field in ("model", "messages", *SETTINGS)),
        *(("ImagesRequest", field) for field in ("model", "prompt", "n")),
        *(("PictureRequest", field) for field in ("model", "prompt", "inputs")),
    ],
)
def test_a_field_may_be_the_same_to_both(name: str, field: str) -> None:
    for value in [LEFT_OUT, *VALUES]:
        body = {key: good for key, good in GOOD[name].items() if key != field}
        if value is not LEFT_OUT:
            body[field] = value
        assert is_valid(name, body) == is_taken(name, body), body


@pytest.mark.parametrize("prompt", VALUES)
def test_inputs_count_where_the_prompt_says_nothing(prompt: object) -> None:
    for inputs in VALUES:
        body = {"prompt": prompt, "inputs": inputs}
        assert is_valid("PictureRequest", body) == is_taken("PictureRequest", body), body


@pytest.mark.parametrize("field", ["role", "content", "tool_calls", "name"])
def test_a_message_may_be_the_same_to_both(field: str) -> None:
    for value in [LEFT_OUT, *VALUES]:
        message = {key: good for key, good in USER.items() if key != field}
        if value is not LEFT_OUT:
            message[field] = value
        body = {"model": "m", "messages": [USER, message]}
        name = "ChatCompletionRequest"
        assert is_valid(name, body) == is_taken(name, body), body


@pytest.mark.parametrize("body", VALUES)
@pytest.mark.parametrize("name", [*GOOD])
def test_only_an_object_with_what_is_required_is_a_request(name: str, body: object) -> None:
    assert is_valid(name, body) == is_taken(name, body)
