"""Whole replies, in each of the shapes that a result may have."""

from typing import Any

import pytest

from llm_gateway.adapters.answers import Choice, Tokens
from llm_gateway.adapters.cloudflare.reply import (
    finish_of,
    limit_reached,
    read_result,
    text_of,
    tokens_in,
)
from llm_gateway.errors import UpstreamInvalidResponse, UpstreamUnavailable
from support.calls import make_call

CALL = make_call({"model": "m", "messages": []})


def only(result: dict[str, Any], limit: int = 100) -> Choice:
    """The only choice of the answer."""
    (choice,) = read_result(CALL, result, limit).choices
    return choice


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        ("eos_token", "stop"),
        (None, "stop"),
        (7, "stop"),
        ([], "stop"),
    ],
)
def test_every_reason_has_openais_word(reason: object, expected: str) -> None:
    assert finish_of(reason) == expected


def test_an_error_is_no_reason_to_finish() -> None:
    with pytest.raises(UpstreamUnavailable):
        finish_of("error")


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [(None, "stop"), (Tokens(9, 4), "stop"), (Tokens(9, 5), "length"), (Tokens(9, 6), "length")],
)
def test_who_used_up_the_limit_was_cut(tokens: Tokens | None, reason: str) -> None:
    assert limit_reached(tokens, 5) == reason


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": 3, "completion_tokens": 2}, Tokens(3, 2)),
        ({"prompt_tokens": "3", "completion_tokens": None}, Tokens(0, 0)),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 1},
                "completion_tokens_details": None,
            },
            Tokens(3, 2, cached=1),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 2,
                "input_tokens_details": {},
                "output_tokens_details": {"reasoning_tokens": 1},
            },
            Tokens(3, 2, reasoning=1),
        ),
    ],
)
def test_usage_is_read_by_either_api_s_names(usage: object, tokens: Tokens | None) -> None:
    assert tokens_in({"usage": usage}) == tokens


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        (4, "4"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, 1, {"text": None}], "ab"),
    ],
)
def test_content_may_be_a_list_of_parts(content: object, text: str) -> None:
    assert text_of(content) == text


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"response": "Hi"}, "Hi"),
        ({"response": ""}, ""),
        ({"response": 4}, "4"),
        ({"response": {"a": [1]}}, '{"a":[1]}'),
        ({"response": "Hi", "choices": [], "output": None}, "Hi"),
        ({"choices": [{"message": {"content": "Hi"}}], "response": "no"}, "Hi"),
        ({"choices": [{}]}, ""),
        ({"output": [{"type": "message", "content": [{"text": "Hi"}]}, {"type": 5}]}, "Hi"),
        ({"output": [{"type": "web_search_call"}]}, ""),
    ],
)
def test_the_text_is_found_in_every_shape(result: dict[str, Any], content: str) -> None:
    assert only(result) == Choice("stop", content)


def test_a_reason_that_is_given_goes_before_one_that_is_guessed() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 100}
    assert only({"response": "Hi", "usage": usage}).finish == "length"
    assert only({"response": "Hi", "usage": usage, "finish_reason": "stop"}).finish == "stop"


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"response": None},
        {"response": None, "tool_calls": [{"name": None}]},
        {"choices": "x", "output": {}},
        {"usage": {"prompt_tokens": 1}},
    ],
)
def test_a_result_without_an_answer_is_refused(result: dict[str, Any]) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read_result(CALL, result, 100)


def test_every_choice_is_read_and_no_id_given_twice() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    choices = [{"message": {"tool_calls": [call]}}, {"message": {"tool_calls": [call]}}]
    answer = read_result(CALL, {"choices": choices, "model": "@cf/x"}, 100)
    ids = [made.id for choice in answer.choices for made in choice.calls]
    assert ids == ["a", "call_0123456789abcdef0123456789_1_1"]
    assert answer.model == "@cf/x"


def test_reasoning_has_two_names_and_a_summary_may_stand_for_it() -> None:
    assert only({"choices": [{"message": {"reasoning_content": "a"}}]}).reasoning == "a"
    assert only({"choices": [{"message": {"reasoning": "b"}}]}).reasoning == "b"
    items = [
        {"type": "reasoning", "content": None, "summary": [{"text": "c"}]},
        {"type": "reasoning"},
        {"type": "reasoning", "content": [{"text": "d"}], "summary": [{"text": "e"}]},
    ]
    assert only({"output": items}).reasoning == "c\nd"


def test_a_refusal_of_the_responses_api_is_one() -> None:
    content = [{"type": "refusal", "refusal": "No."}]
    assert only({"output": [{"type": "message", "content": content}]}).refusal == "No."
