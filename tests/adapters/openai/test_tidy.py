"""A whole answer gets what OpenAI's always have, and is left alone if it has it."""

from typing import Any

import pytest

from llm_gateway.adapters.openai.dialects import OPENAI, Dialect
from llm_gateway.adapters.openai.tidy import tidy_reply, tidy_text, tidy_tier
from llm_gateway.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from support.calls import unchanged
from support.openai_shapes import JSONObject, completion, message, tool_call, usage

IDS = iter(())
"""No call in here but those that are about it lacks an id."""


def reply(said: Any, finish_reason: Any = "stop") -> JSONObject:
    return completion("m", [said], finish_reason, usage(1, 1))


def tidied(said: Any, finish_reason: Any = "stop") -> JSONObject:
    """The only choice of the reply when it is tidy."""
    whole = reply(said, finish_reason)
    tidy_reply(whole, OPENAI, IDS)
    [choice] = whole["choices"]
    only: JSONObject = choice
    return only


@pytest.mark.parametrize(
    "whole",
    [
        reply(message("Hi")),
        reply(message(""), "content_filter"),
        reply(message(None, [tool_call("f", "{}")]), "tool_calls"),
        reply({**message("Hi"), "reasoning": "r", "reasoning_content": "r"}),
        reply({**message("Hi"), "reasoning": None}),
        {**reply(message("Hi")), "provider": "p", "citations": ["c"], "service_tier": None},
    ],
)
def test_an_answer_as_openai_s_are_is_left_alone(whole: JSONObject) -> None:
    before = unchanged(whole)
    assert tidy_reply(whole, OPENAI, IDS) is False
    assert whole == before


def test_what_openai_s_always_have_is_added() -> None:
    whole: JSONObject = {"choices": [{"finish_reason": "stop", "message": {"content": "Hi"}}]}
    assert tidy_reply(whole, OPENAI, IDS) is True
    assert whole["choices"] == [
        {
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
        }
    ]


def test_every_choice_is_tidied() -> None:
    whole = completion("m", [message("a"), message("b")], "eos", usage(1, 1))
    assert tidy_reply(whole, OPENAI, IDS) is True
    assert [choice["finish_reason"] for choice in whole["choices"]] == ["stop", "stop"]


@pytest.mark.parametrize(
    ("calls", "given", "expected"),
    [
        ([], "eos", "stop"),
        ([], None, "stop"),
        ([], "", "stop"),
        ([tool_call("f", "{}")], None, "tool_calls"),
        ([tool_call("f", "{}")], "stop", "tool_calls"),
        ([tool_call("f", "{}")], "of its own", "tool_calls"),
        ([tool_call("f", "{}")], "length", "length"),
    ],
)
def test_a_reason_is_one_of_openai_s_and_fits_the_answer(
    calls: list[JSONObject], given: object, expected: str
) -> None:
    assert tidied(message("", calls), given)["finish_reason"] == expected


@pytest.mark.parametrize("text", ["", "Hm"])
def test_reasoning_is_there_under_both_names(text: str) -> None:
    said: JSONObject = {"reasoning": text}
    assert tidy_text(said) is bool(text)
    assert said == ({"reasoning": text, "reasoning_content": text} if text else {"reasoning": ""})


@pytest.mark.parametrize("reasoning", [5, {"text": "x"}, ["x"], True])
def test_reasoning_of_another_type_is_left_alone(reasoning: object) -> None:
    assert tidy_text({"reasoning": reasoning}) is False


def test_content_in_parts_becomes_text_and_reasoning() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    parts = [thinking, {"type": "text", "text": "a"}, "strange", {"text": 5}, {"thinking": "x"}]
    said: JSONObject = {"content": [*parts, {"type": "text", "text": "b"}]}
    assert tidy_text(said) is True
    assert said == {"content": "ab", "reasoning_content": "Hm"}


def test_arguments_are_text_and_never_empty() -> None:
    calls = [tool_call("f", ""), {"id": "c", "function": {"name": "g", "arguments": {"a": 1}}}]
    found = tidied(message(None, calls))["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in found] == ["{}", '{"a":1}']
    assert [call["type"] for call in found] == ["function", "function"]


def test_a_call_without_id_or_arguments_gets_them() -> None:
    whole = reply(message(None, [{"function": {"name": "f"}}, tool_call("g", "{}")]))
    assert tidy_reply(whole, OPENAI, iter(["new"])) is True
    first, second = whole["choices"][0]["message"]["tool_calls"]
    assert first == {
        "id": "new",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    assert second == tool_call("g", "{}")


@pytest.mark.parametrize("arguments", ["", None])
def test_a_call_that_was_cut_off_does_not_look_as_if_it_had_no_arguments(
    arguments: str | None,
) -> None:
    whole = reply(message(None, [tool_call("f", "")]), "length")
    [call] = whole["choices"][0]["message"]["tool_calls"]
    call["function"]["arguments"] = arguments
    assert tidy_reply(whole, OPENAI, IDS) is (arguments is None)
    assert call["function"]["arguments"] == ""


def test_calls_are_numbered_in_streams_only() -> None:
    calls = [{**tool_call("f", "{}"), "index": 0}]
    assert tidied(message(None, calls))["message"]["tool_calls"] == [tool_call("f", "{}")]


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("on_demand", "default"),
        ("standard", "default"),
        ("performance", "priority"),
        ("of its own", None),
        (5, None),
        ([], None),
    ],
)
def test_a_service_tier_is_one_of_openai_s(tier: object, expected: str | None) -> None:
    whole = {"service_tier": tier}
    assert tidy_tier(whole) is True
    assert whole == {"service_tier": expected}


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "scale", "priority", "fast", None])
def test_openai_s_service_tiers_stay(tier: object) -> None:
    assert tidy_tier({"service_tier": tier}) is False
    assert tidy_tier({}) is False


@pytest.mark.parametrize("choices", [None, [], {}, "x", [1], [{}, None]])
def test_without_choices_there_is_no_answer(choices: object) -> None:
    with pytest.raises(UpstreamInvalidResponse, match="no choices"):
        tidy_reply({"choices": choices}, OPENAI, IDS)


@pytest.mark.parametrize(
    "whole",
    [
        {"error": {"code": 429}},
        {**reply(message("Hi")), "error": {"code": 429}},
        {"choices": [{"message": message("Hi"), "error": {"code": 429}}]},
    ],
)
def test_an_error_is_found_wherever_it_stands(whole: JSONObject) -> None:
    with pytest.raises(UpstreamRateLimited):
        tidy_reply(whole, OPENAI, IDS)


@pytest.mark.parametrize(
    ("whole", "status", "sentence"),
    [
        ({"object": "error", "message": "No such model", "code": 404}, 404, "No such model"),
        ({"detail": "Go away"}, 502, "Go away"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, 502, "body.n: too many"),
    ],
)
def test_a_success_that_is_only_a_complaint_is_told(
    whole: JSONObject, status: int, sentence: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        tidy_reply(whole, OPENAI, IDS)
    assert (caught.value.status, caught.value.message) == (status, sentence)


def test_a_dialect_may_find_errors_elsewhere() -> None:
    with pytest.raises(UpstreamError, match="Gone"):
        tidy_reply(reply(message("Hi")), Dialect(error=lambda reply: {"message": "Gone"}), IDS)


def test_a_choice_that_broke_off_is_a_failure() -> None:
    with pytest.raises(UpstreamUnavailable):
        tidied(message("Hi"), "error")


@pytest.mark.parametrize(
    "strange", [None, [], "x", 5, {"tool_calls": [5, {"id": "a", "function": 5}]}]
)
def test_a_strange_message_is_no_reason_to_fail(strange: object) -> None:
    tidy_reply({"choices": [{"message": strange, "finish_reason": 5}]}, OPENAI, IDS)
