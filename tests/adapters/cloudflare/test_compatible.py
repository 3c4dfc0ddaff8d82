"""The two compatible endpoints: what they change of a request, and Cloudflare's own errors."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.cloudflare import KINDS
from llm_gateway.adapters.contract import Adapter
from llm_gateway.errors import UpstreamAuthError, UpstreamRateLimited
from llm_gateway.sse import Event
from support.calls import make_call
from support.openai_shapes import JSONObject

OWN = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
PARTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def adapter_for(kind: str, model: str, *messages: JSONObject, **fields: Any) -> Adapter:
    """The adapter for a request with these messages."""
    body = {"model": "m", "messages": [*messages], **fields}
    return KINDS[kind].chat(make_call(body, model=model))


def sent_messages(kind: str, model: str, *messages: JSONObject) -> list[JSONObject]:
    """The messages that are sent for these."""
    sent: list[JSONObject] = json.loads(adapter_for(kind, model, *messages).encode().body)[
        "messages"
    ]
    return sent


@pytest.mark.parametrize(
    ("kind", "model"),
    [("cloudflare-openai", OWN), ("cloudflare-gateway", f"workers-ai/{OWN}")],
)
@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ({"role": "user", "content": "a"}, {"role": "user", "content": "a"}),
        ({"role": "user", "content": PARTS}, {"role": "user", "content": "a\nb"}),
        ({"role": "user", "content": []}, {"role": "user", "content": ""}),
        (
            {"role": "user", "content": [*PARTS, PICTURE]},
            {"role": "user", "content": [*PARTS, PICTURE]},
        ),
        ({"role": "user", "content": [5]}, {"role": "user", "content": [5]}),
        (
            {"role": "assistant", "content": None, "tool_calls": CALLS},
            {"role": "assistant", "content": "", "tool_calls": CALLS},
        ),
        (
            {"role": "assistant", "tool_calls": CALLS},
            {"role": "assistant", "content": "", "tool_calls": CALLS},
        ),
        (
            {"role": "tool", "tool_call_id": "c", "content": PARTS},
            {"role": "tool", "tool_call_id": "c", "content": "a\nb"},
        ),
    ],
)
def test_the_own_models_get_strings_for_content(
    kind: str, model: str, message: JSONObject, sent: JSONObject
) -> None:
    assert sent_messages(kind, model, message) == [sent]


@pytest.mark.parametrize(
    ("kind", "model"),
    [("cloudflare-openai", "openai/gpt-5"), ("cloudflare-gateway", "anthropic/claude")],
)
def test_the_models_of_others_get_content_as_it_is(kind: str, model: str) -> None:
    message = {"role": "user", "content": PARTS}
    assert sent_messages(kind, model, message) == [message]


def test_workers_ai_does_not_know_what_only_others_do() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    message = {"role": "developer", "content": [part]}
    adapter = adapter_for("cloudflare-openai", OWN, message)
    assert json.loads(adapter.encode().body)["messages"] == [{"role": "system", "content": "a"}]
    assert adapter.dropped == ("messages[0].content[0].cache_control",)
    assert sent_messages("cloudflare-gateway", "anthropic/claude", message) == [message]


@pytest.mark.parametrize("kind", ["cloudflare-openai", "cloudflare-gateway"])
def test_the_request_goes_to_chat_completions(kind: str) -> None:
    adapter = adapter_for(kind, OWN, {"role": "user", "content": "a"}, stream=True)
    request = adapter.encode()
    assert request.url == "http://p.invalid/base/chat/completions"
    assert dict(request.headers)["accept"] == "text/event-stream"
    assert adapter.encode() == request


@pytest.mark.parametrize("kind", ["cloudflare-openai", "cloudflare-gateway"])
def test_cloudflares_own_errors_are_understood(kind: str) -> None:
    adapter = adapter_for(kind, OWN)
    spent = b'{"success": false, "errors": [{"code": 3036, "message": "used up"}], "result": null}'
    error = adapter.failure(429, {}, spent)
    assert isinstance(error, UpstreamRateLimited)
    assert error.retry_after
    with pytest.raises(UpstreamRateLimited):
        adapter.decode(spent)
    with pytest.raises(UpstreamRateLimited):
        adapter_for(kind, OWN, stream=True).feed(Event("", spent))
    unauthorized = b'{"name": "AiGatewayError", "internalCode": 2009, "message": "Unauthorized"}'
    assert isinstance(adapter.failure(401, {}, unauthorized), UpstreamAuthError)


def test_the_keys_go_where_cloudflare_looks_for_them() -> None:
    credentials = KINDS["cloudflare-gateway"].defaults.credentials
    assert [(each.key, each.header, each.scheme, each.required) for each in credentials] == [
        ("api_key", "authorization", "Bearer ", False),
        ("gateway_key", "cf-aig-authorization", "Bearer ", False),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_address_is_made_of_the_settings(kind: str) -> None:
    defaults = KINDS[kind].defaults
    assert defaults.base_url is not None
    address = defaults.base_url.format(**dict.fromkeys(defaults.settings, "x"))
    assert address.startswith("https://")
    assert "{" not in address
    assert not address.endswith("/")
