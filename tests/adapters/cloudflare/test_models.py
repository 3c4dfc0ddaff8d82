"""The list of models: all pages of it, and of each what it can do."""

import json

import pytest

from llm_gateway.adapters.cloudflare.models import list_chat_models, list_models
from llm_gateway.adapters.contract import Listed, Whole
from llm_gateway.errors import UpstreamAuthError, UpstreamInvalidResponse
from support.calls import LABEL, SITE, run_steps, whole
from support.cloudflare_rules import envelope


def card(name: object, task: object) -> dict[str, object]:
    """A model in the list."""
    return {"id": "c329a1f9", "name": name, "task": {"name": task}, "properties": []}


def page(*cards: object) -> Whole:
    """A page of the list."""
    return whole(200, json.dumps(envelope([*cards])).encode())


LLAMA = card("@cf/meta/llama", "Text Generation")
FLUX = card("@cf/bfl/flux", "Text-to-Image")
BGE = card("@cf/baai/bge", "Text Embeddings")
FULL = page(*[BGE] * 100)
CHATS, DRAWS = Listed("@cf/meta/llama", "chat"), Listed("@cf/bfl/flux", "image")


def test_models_that_chat_and_that_draw_are_listed() -> None:
    found, sent = run_steps(list_models(SITE, LABEL), [page(LLAMA, BGE, FLUX, LLAMA)])
    assert found == (CHATS, DRAWS)
    (request,) = sent
    assert request.method == "GET"
    assert request.url == "http://p.invalid/base/models/search?per_page=100&page=1"
    assert dict(request.headers)["authorization"] == "Bearer ***12345678"


def test_pages_are_asked_for_until_one_is_not_full() -> None:
    found, sent = run_steps(list_models(SITE, LABEL), [FULL, FULL, page(LLAMA)])
    assert found == (CHATS,)
    assert [request.url.rpartition("=")[2] for request in sent] == ["1", "2", "3"]


def test_a_list_without_an_end_is_left_at_some_point() -> None:
    found, sent = run_steps(list_models(SITE, LABEL), [FULL] * 50)
    assert (found, len(sent)) == ((), 50)


def test_the_compatible_endpoint_has_the_accounts_list() -> None:
    compatible = type(SITE)("http://p.invalid/accounts/a/ai/v1", SITE.headers)
    found, (request,) = run_steps(list_chat_models(compatible, LABEL), [page(LLAMA, FLUX)])
    assert found == (CHATS,)
    assert request.url.startswith("http://p.invalid/accounts/a/ai/models/search?")


@pytest.mark.parametrize(
    "result",
    [None, {}, "x", [1, None], [{}], [card(5, "Text Generation")], [card("a", 5), {"task": 1}]],
)
def test_a_strange_list_is_an_empty_one(result: object) -> None:
    answer = whole(200, json.dumps(envelope(result)).encode())
    assert run_steps(list_models(SITE, LABEL), [answer])[0] == ()


def test_failures_are_raised() -> None:
    refused = envelope(None, {"code": 10000, "message": "Authentication error"})
    for status in (200, 401):
        with pytest.raises(UpstreamAuthError):
            run_steps(list_models(SITE, LABEL), [whole(status, json.dumps(refused).encode())])
    with pytest.raises(UpstreamInvalidResponse):
        run_steps(list_models(SITE, LABEL), [whole(200, b"<html>")])
