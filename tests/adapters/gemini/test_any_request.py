"""Whatever OpenAI takes becomes what Gemini takes, or is refused by name; for each family."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.gemini import KIND
from llm_gateway.errors import UpstreamUnsupported
from support.calls import make_call, unchanged
from support.gemini_rules import check_generate_request
from support.openai_requests import chat_requests
from support.wire_files import Case, cases

MODELS = (
    "gemini-3-pro",
    "gemini-3-flash",
    "gemini-3.8-flash",
    "gemini-4-argon",
    "models/gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-2.5-flash-image",
    "gemini-2.0-flash",
    "gemma-3-27b-it",
)
RECORDED = [each for each in cases() if each.kind == "gemini" and each.has("upstream.json")]


@given(chat_requests(), st.sampled_from(MODELS))
def test_any_valid_request_becomes_a_valid_one_or_is_refused_by_name(
    body: dict[str, Any], model: str
) -> None:
    before = unchanged(body)
    adapter = KIND.chat(make_call(body, model=model))
    try:
        sent = adapter.encode()
    except UpstreamUnsupported as error:
        refused = error.param or ""
    else:
        check_generate_request(json.loads(sent.body), model.removeprefix("models/"))
        assert adapter.encode() == sent
        assert body == before
        return
    assert refused == "response_format" or refused.endswith(".image_url.url")


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_the_recorded_requests_are_valid(case: Case) -> None:
    check_generate_request(case.json("upstream.json"), "gemini-3-flash")
