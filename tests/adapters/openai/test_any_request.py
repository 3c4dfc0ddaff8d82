"""Whatever OpenAI takes becomes what the others take, or is refused by name."""

import json
import re
from typing import Any

import pytest
from hypothesis import given

from llm_gateway.adapters.openai import KINDS
from llm_gateway.errors import UpstreamUnsupported
from support import groq_rules, openai_rules, openrouter_rules
from support.calls import make_call
from support.openai_requests import chat_requests
from support.wire_files import Case, cases

JSONObject = dict[str, Any]

CHECKS = {
    "openai": openai_rules.check_chat_request,
    "openrouter": openrouter_rules.check_chat_request,
    "groq": groq_rules.check_chat_request,
}
OF_MISTRAL = {
    *("model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed"),
    *("metadata", "response_format", "tools", "tool_choice", "presence_penalty", "n"),
    *("frequency_penalty", "prediction", "parallel_tool_calls", "reasoning_effort"),
    *("prompt_cache_key",),
}
OF_MISTRAL_S_MESSAGES = {"role", "content", "tool_calls", "tool_call_id", "prefix"}


def sent(kind: str, body: JSONObject) -> JSONObject | None:
    """What is sent, None if it is refused by name."""
    adapter = KINDS[kind].chat(make_call(body))
    try:
        request = adapter.encode()
    except UpstreamUnsupported as refusal:
        check_name(refusal)
        return None
    assert adapter.encode() == request
    found: JSONObject = json.loads(request.body)
    return found


def check_name(refusal: UpstreamUnsupported) -> None:
    assert refusal.param


@pytest.mark.parametrize("kind", CHECKS)
@given(body=chat_requests())
def test_any_valid_request_becomes_a_valid_one(kind: str, body: JSONObject) -> None:
    found = sent(kind, body)
    if found is not None:
        CHECKS[kind](found)


@given(chat_requests(without=["logprobs", "top_logprobs", "n", "tool_choice"]))
def test_groq_is_refused_nothing_that_it_can_do(body: JSONObject) -> None:
    assert sent("groq", body) is not None


@given(chat_requests())
def test_openrouter_and_openai_are_refused_nothing(body: JSONObject) -> None:
    assert sent("openai", body) == {**body, "model": "up-model"}
    assert sent("openrouter", body) is not None


@given(chat_requests())
def test_mistral_gets_only_what_it_knows(body: JSONObject) -> None:
    found = sent("mistral", body)
    if found is None:
        return
    assert found.keys() <= OF_MISTRAL
    assert found.get("reasoning_effort") in (None, "none", "high")
    for message in found["messages"]:
        assert message.keys() <= OF_MISTRAL_S_MESSAGES
        assert message["role"] in {"system", "user", "assistant", "tool"}
        ids = [call["id"] for call in message.get("tool_calls", ())]
        for id in [*ids, *filter(None, [message.get("tool_call_id")])]:
            assert re.fullmatch(r"[a-zA-Z0-9]{9}", id)


RECORDED = [case for case in cases() if case.kind in CHECKS and case.has("upstream.json")]


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_what_was_recorded_to_be_sent_is_valid(case: Case) -> None:
    body = case.json("upstream.json")
    if case.kind == "openai":
        # Fields that nobody knows pass, for servers that know them.
        body.pop("x_new", None)
    CHECKS[case.kind](body)
