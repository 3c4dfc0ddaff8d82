"""The shapes of answers: OpenAI's own have them, and not just anything has."""

import json
from typing import Any

import pytest

from llm_gateway.errors import InternalError, RequestError
from support.openai_shapes import chunk, completion, first_chunk, message, tool_call, usage
from support.openapi_schemas import is_valid

CALLED = message(None, [tool_call("f", "{}")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ChatCompletion", completion("m", [message("hi")], "stop", usage(1, 2))),
        ("ChatCompletion", completion("m", [CALLED, CALLED], "tool_calls", usage(1, 2))),
        ("ChatCompletionChunk", first_chunk("m")),
        ("ChatCompletionChunk", chunk("m", {"content": "x"}, "stop")),
        ("ChatCompletionChunk", {**chunk("m", None), "usage": usage(1, 2)}),
        ("Models", {"object": "list", "data": []}),
        ("Images", {"created": 1, "data": [{"b64_json": "x"}]}),
        ("Images", {"created": 1, "data": [{"url": "data:x", "revised_prompt": "y"}]}),
    ],
)
def test_what_openai_answers_has_the_shape(name: str, value: object) -> None:
    assert is_valid(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ChatCompletion", {}),
        ("ChatCompletion", {"choices": []}),
        ("ChatCompletion", {**first_chunk("m")}),
        ("ChatCompletionChunk", {"choices": [{}]}),
        ("Model", {"id": "m", "object": "list", "created": 1, "owned_by": "p"}),
        ("Images", {"created": 1, "data": []}),
        ("Images", {"created": 1, "data": [{}]}),
        ("Error", {"error": {"message": "x", "type": "y", "param": None}}),
        ("Error", {"error": "x"}),
    ],
)
def test_what_is_no_answer_has_not(name: str, value: object) -> None:
    assert not is_valid(name, value)


@pytest.mark.parametrize(
    "error", [InternalError(), RequestError(400, "x", code="invalid_type", param="y")]
)
def test_our_errors_have_the_shape_of_errors(error: Any) -> None:
    assert is_valid("Error", json.loads(error.body()))
