"""Lists of models in the shapes they come in, and what each model is taken for."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import Listed
from llm_gateway.adapters.openai import KINDS, models
from llm_gateway.errors import UpstreamAuthError, UpstreamError, UpstreamInvalidResponse
from support.calls import LABEL, SITE, run_steps, whole


def listed(kind: str, reply: object, status: int = 200) -> dict[str, str]:
    """The list of this kind, made of this reply: capability by name."""
    lister = KINDS[kind].models
    assert lister is not None
    found, _ = run_steps(lister(SITE, LABEL), [whole(status, json.dumps(reply).encode())])
    assert all(isinstance(each, Listed) for each in found)
    return {each.id: each.capability for each in found}


def cards(*names: str, **more: object) -> dict[str, object]:
    return {"object": "list", "data": [{"id": name, "object": "model", **more} for name in names]}


def test_the_list_is_asked_for_below_the_base_url() -> None:
    _, [request] = run_steps(models.list_models(SITE, LABEL, models.by_name), [whole(200, b"[]")])
    assert (request.method, request.url) == ("GET", "http://p.invalid/base/models")
    assert request.body == b""
    assert SITE.headers[0] in request.headers
    assert dict(request.headers)["accept"] == "application/json"


def test_names_tell_what_openai_s_models_are_for() -> None:
    reply = cards(
        *("gpt-5", "gpt-4o-mini", "o4-mini", "ft:gpt-4o:org::x"),
        *("gpt-image-1", "chatgpt-image-latest", "dall-e-3"),
        *("text-embedding-3-small", "whisper-1", "tts-1-hd", "omni-moderation-latest"),
        *("gpt-4o-transcribe", "gpt-4o-realtime-preview", "davinci-002", "babbage-002", "sora-2"),
    )
    assert listed("openai", reply) == {
        "gpt-5": "chat",
        "gpt-4o-mini": "chat",
        "o4-mini": "chat",
        "ft:gpt-4o:org::x": "chat",
        "gpt-image-1": "image",
        "chatgpt-image-latest": "image",
        "dall-e-3": "image",
    }


@pytest.mark.parametrize(
    ("kind", "name", "capability"),
    [
        ("xai", "grok-4", "chat"),
        ("xai", "grok-2-image-1212", "image"),
        ("xai", "grok-imagine-image", "image"),
        ("ollama", "llama3.2:latest", "chat"),
        ("ollama", "mxbai-embed-large:latest", None),
        ("lmstudio", "text-embedding-nomic-embed-text-v1.5", None),
        ("nvidia", "nvidia/llama-3.2-nv-rerankqa-1b-v2", None),
        ("huggingface", "openai/gpt-oss-120b", "chat"),
        ("together", "openai/gpt-image-1", "image"),
    ],
)
def test_names_tell_what_others_models_are_for(
    kind: str, name: str, capability: str | None
) -> None:
    assert listed(kind, cards(name)).get(name) == capability


def test_together_s_list_is_bare_and_tells_types() -> None:
    types = ("chat", "language", "code", "image", "embedding", "moderation", "rerank", "audio", "")
    reply = [{"id": f"m-{kind}", "type": kind} for kind in types]
    assert listed("together", reply) == {
        "m-chat": "chat",
        "m-language": "chat",
        "m-code": "chat",
        "m-image": "image",
        "m-": "chat",
    }


def test_openrouter_s_list_tells_what_comes_out() -> None:
    def card(name: str, architecture: object) -> dict[str, object]:
        return {"id": name, "architecture": architecture}

    reply = {
        "data": [
            card("a/text", {"output_modalities": ["text"]}),
            card("a/draws", {"output_modalities": ["image", "text"]}),
            card("a/only-draws", {"output_modalities": ["image"]}),
            card("a/embeds", {"output_modalities": ["embeddings"]}),
            card("a/unknown", None),
        ]
    }
    assert listed("openrouter", reply) == {
        "a/text": "chat",
        "a/draws": "image",
        "a/only-draws": "image",
        "a/unknown": "chat",
    }


def test_groq_s_list_has_models_that_are_no_longer_served() -> None:
    reply: Any = cards("llama", active=True)
    reply["data"] += [{"id": "gemma", "active": False}, {"id": "whisper-large-v3"}, {"id": "new"}]
    assert listed("groq", reply) == {"llama": "chat", "new": "chat"}


def test_mistral_s_list_tells_which_models_chat() -> None:
    reply: Any = cards("mistral-large", capabilities={"completion_chat": True})
    reply["data"] += [{"id": "ocr", "capabilities": {"completion_chat": False}}, {"id": "plain"}]
    assert listed("mistral", reply) == {"mistral-large": "chat", "plain": "chat"}


def test_entries_that_are_none_are_passed_over_and_repeated_ones_count_once() -> None:
    entries = [5, None, {}, {"id": 5}, {"id": ""}, {"id": "a"}, {"id": "a"}]
    found, _ = run_steps(
        models.list_models(SITE, LABEL, models.by_name), [whole(200, json.dumps(entries).encode())]
    )
    assert found == (Listed("a", "chat"),)


@pytest.mark.parametrize("reply", [None, 5, "x", {}, {"data": None}, {"data": {}}])
def test_what_is_no_list_is_an_invalid_response(reply: object) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        listed("openai", reply)


def test_what_is_no_json_is_an_invalid_response() -> None:
    with pytest.raises(UpstreamInvalidResponse):
        run_steps(models.list_models(SITE, LABEL, models.by_name), [whole(200, b"<html>")])


def test_a_refusal_is_what_it_is() -> None:
    with pytest.raises(UpstreamAuthError):
        listed("openai", {"error": {"message": "No"}}, 401)
    with pytest.raises(UpstreamError) as caught:
        listed("groq", {"error": {"message": "Gone"}}, 503)
    assert caught.value.status == 503
