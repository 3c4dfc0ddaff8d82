"""Every word for why an answer ended becomes one of OpenAI's, or a failure."""

from typing import get_args

import pytest
from openai.types.chat.chat_completion import Choice

from llm_gateway.adapters.openai.reasons import FAILURES, OPENAI_REASONS, REASONS, finish_reason
from llm_gateway.errors import Retry, UpstreamUnavailable


def test_openai_s_own_words_are_those_of_its_sdk() -> None:
    assert set(get_args(Choice.model_fields["finish_reason"].annotation)) == OPENAI_REASONS


@pytest.mark.parametrize("reason", sorted(OPENAI_REASONS))
def test_openai_s_own_words_stay(reason: str) -> None:
    assert finish_reason(reason) == reason
    assert finish_reason(reason.upper()) == reason


@pytest.mark.parametrize("reason", [None, "", " "])
def test_nothing_said_is_no_reason(reason: object) -> None:
    assert finish_reason(reason) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_context_window_exceeded", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("sensitive", "content_filter"),
        ("SAFETY", "content_filter"),
    ],
)
def test_the_words_of_others_are_translated(reason: str, expected: str) -> None:
    assert finish_reason(reason) == expected


@pytest.mark.parametrize("reason", ["of its own", 5, True, [], {}])
def test_any_other_reason_is_an_end_all_the_same(reason: object) -> None:
    assert finish_reason(reason) == "stop"


@pytest.mark.parametrize("reason", [*sorted(FAILURES), "ERROR"])
def test_an_answer_that_broke_off_is_a_failure_worth_another_try(reason: str) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        finish_reason(reason)
    assert caught.value.retry is Retry.HERE
    assert reason.lower() in caught.value.detail


def test_no_word_is_in_two_tables() -> None:
    assert not REASONS.keys() & (FAILURES | OPENAI_REASONS)
