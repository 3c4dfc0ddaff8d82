"""Which kind of provider an old URL stands for, and where that is."""

from typing import Any

import pytest

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.config import ProviderDefaults
from llm_gateway.config.legacy.urls import Place, locate, upstream_name

DEFAULTS = {name: kind.defaults for name, kind in KINDS.items()}
GOOGLE = "https://generativelanguage.googleapis.com"
ACCOUNT = "https://api.cloudflare.com/client/v4/accounts/acc"


@pytest.mark.parametrize(
    ("provider", "url", "place"),
    [
        ("groq", "https://api.groq.com/openai/v1/chat/completions", Place("groq", {})),
        ("groq", "https://api.groq.com/openai/v1/chat/completions/", Place("groq", {})),
        (
            "groq",
            "https://gateway.ai.cloudflare.com/v1/acc/gw/groq/chat/completions",
            Place("groq", {"base_url": "https://gateway.ai.cloudflare.com/v1/acc/gw/groq"}),
        ),
        ("my-router", "https://openrouter.ai/api/v1/chat/completions", Place("openrouter", {})),
        (
            "glama",
            "https://glama.ai/api/gateway/openai/v1/chat/completions",
            Place("openai", {"base_url": "https://glama.ai/api/gateway/openai/v1"}),
        ),
        (
            "anthropic",
            "https://api.anthropic.com/v1/chat/completions",
            Place("openai", {"base_url": "https://api.anthropic.com/v1"}),
        ),
        (
            "gemini",
            f"{GOOGLE}/v1beta/openai/chat/completions",
            Place("openai", {"base_url": f"{GOOGLE}/v1beta/openai"}),
        ),
        (
            "local",
            "http://${HOST}:11434/v1/chat/completions",
            Place("openai", {"base_url": "http://${HOST}:11434/v1"}),
        ),
        ("together", "https://api.together.xyz/v1/images/generations", Place("together", {})),
        (
            "cloudflare",
            f"{ACCOUNT}/ai/v1/chat/completions",
            Place("cloudflare-openai", {"account_id": "acc"}),
        ),
        (
            "cloudflare",
            "https://api.cloudflare.com/client/v4/accounts/${CF}/ai/run/@cf/meta/llama",
            Place("cloudflare", {"account_id": "${CF}"}, "@cf/meta/llama"),
        ),
        (
            "cloudflare",
            "http://127.0.0.1:9/accounts/a/ai/run/%40cf/meta/llama",
            Place("cloudflare", {"base_url": "http://127.0.0.1:9/accounts/a/ai"}, "@cf/meta/llama"),
        ),
        (
            "google",
            f"{GOOGLE}/v1/models/gemini-2.0-flash:generateContent?key=k",
            Place("gemini", {}, "gemini-2.0-flash", "k"),
        ),
        (
            "google",
            f"{GOOGLE}/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse&key=${{K}}",
            Place("gemini", {}, "gemini-2.0-flash", "${K}"),
        ),
        (
            "google",
            "https://proxy.example/v1beta/models/m:generateContent?key=",
            Place("gemini", {"base_url": "https://proxy.example/v1beta"}, "m"),
        ),
    ],
)
def test_the_address_is_what_is_left_without_the_endpoint(
    provider: str, url: str, place: Place
) -> None:
    assert locate(provider, url, DEFAULTS) == place


@pytest.mark.parametrize(
    ("provider", "url", "kind"),
    [
        ("gigachat", "https://gigachat.devices.sberbank.ru/api/v1", "gigachat"),
        ("gigachat", "", "gigachat"),
        ("cohere", "https://api.cohere.com/v2/chat", "cohere"),
        ("cohere", "https://api.cohere.ai/v1/chat", "cohere"),
    ],
)
def test_another_address_than_the_old_one_comes_with_a_note(
    provider: str, url: str, kind: str
) -> None:
    place = locate(provider, url, DEFAULTS)
    assert (place.kind, place.address) == (kind, {})
    assert place.note


def test_a_kind_without_an_address_of_its_own_gets_the_whole_one() -> None:
    kinds = {"openai": ProviderDefaults(None)}
    assert locate("any", "https://x.example/v1/chat/completions", kinds) == Place(
        "openai", {"base_url": "https://x.example/v1"}
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "https://api-inference.huggingface.co/models/black-forest-labs/FLUX.1-dev",
        "https://api.airforce/v1/imagine2",
        f"{GOOGLE}/v1beta/models/imagen-4.0:predict?key=secret",
        "/chat/completions",
    ],
)
def test_an_endpoint_that_no_kind_has_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^a URL that ends in /chat/completions") as caught:
        locate("any", url, DEFAULTS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/v1/chat/completions?api-version=secret",
        "https://x.example/v1/chat/completions?secret",
        f"{GOOGLE}/v1beta/models/m:generateContent?key=k&other=secret",
    ],
)
def test_a_query_has_no_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"^a URL without query$"):
        locate("any", url, DEFAULTS)


@pytest.mark.parametrize("name", KINDS)
def test_where_openais_format_is_spoken_no_kind_is_taken_that_speaks_another(name: str) -> None:
    place = locate(name, "https://x.example/v1/chat/completions", DEFAULTS)
    if name == "gigachat":  # whose url is not read
        return
    chat: Any = KINDS[place.kind].chat
    assert issubclass(getattr(chat, "func", chat), OpenAIAdapter)
    assert place.kind != "echo"


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("groq", "groq/llama", "llama"),
        ("openrouter", "deepseek/deepseek-r1:free", "deepseek/deepseek-r1:free"),
        ("openrouter", "openrouter/openrouter/auto", "openrouter/auto"),
        ("", "/odd", "odd"),
        ("cloudflare", "cf/meta/llama", "@cf/meta/llama"),
        ("cloudflare", "cloudflare/cf/meta/llama", "@cf/meta/llama"),
        ("cloudflare", "@cf/meta/llama", "@cf/meta/llama"),
    ],
)
def test_a_provider_knows_a_model_without_its_own_name(
    provider: str, name: str, model: str
) -> None:
    assert upstream_name(provider, name, Place("any", {})) == model


def test_the_model_in_a_url_is_the_one() -> None:
    assert upstream_name("google", "google/nick", Place("gemini", {}, "gemini-2.0-flash")) == (
        "gemini-2.0-flash"
    )
