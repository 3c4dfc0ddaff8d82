"""Whatever OpenAI takes becomes what Workers AI takes, or is refused by name."""

import json

from hypothesis import given

from llm_gateway.adapters.cloudflare import KINDS
from llm_gateway.errors import UpstreamUnsupported
from support.calls import make_call, unchanged
from support.cloudflare_rules import check_chat
from support.openai_requests import chat_requests
from support.openai_rules import check_chat_request
from support.openai_shapes import JSONObject


@given(chat_requests())
def test_any_valid_request_becomes_a_valid_one_or_is_refused_by_name(body: JSONObject) -> None:
    before = unchanged(body)
    adapter = KINDS["cloudflare"].chat(make_call(body))
    sent, refused = None, None
    try:
        sent = adapter.encode()
    except UpstreamUnsupported as refusal:
        refused = refusal.param
    assert refused or (sent and adapter.encode() == sent and check_chat(json.loads(sent.body)))
    assert body == before


@given(chat_requests(without=("stop", "n", "logprobs", "top_logprobs", "https pictures")))
def test_a_request_for_what_it_can_do_is_never_refused(body: JSONObject) -> None:
    check_chat(json.loads(KINDS["cloudflare"].chat(make_call(body)).encode().body))


@given(chat_requests())
def test_any_valid_request_stays_valid_for_workers_ais_compatible_endpoint(
    body: JSONObject,
) -> None:
    adapter = KINDS["cloudflare-openai"].chat(make_call(body, model="@cf/meta/llama"))
    sent = json.loads(adapter.encode().body)
    check_chat_request(sent)
    for message in sent["messages"]:
        content = message["content"]
        assert isinstance(content, str) or any(part["type"] != "text" for part in content)
