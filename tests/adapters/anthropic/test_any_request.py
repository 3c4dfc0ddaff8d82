"""Whatever OpenAI takes becomes what Anthropic takes, or is refused by name; for each model."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.errors import UpstreamUnsupported
from support.anthropic_models import MODELS
from support.anthropic_rules import check_messages_request
from support.calls import make_call
from support.openai_requests import chat_requests

JSONObject = dict[str, Any]


@given(chat_requests(), st.sampled_from(["up-model", *MODELS]))
def test_any_valid_request_becomes_a_valid_one_or_is_refused_by_name(
    body: JSONObject, model: str
) -> None:
    adapter = KIND.chat(make_call(body, model=model))
    try:
        sent = adapter.encode()
    except UpstreamUnsupported as error:
        refusal = error
    else:
        assert check_messages_request(json.loads(sent.body))["model"] == model
        assert adapter.encode() == sent
        return
    assert refusal.param
