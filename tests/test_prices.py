"""What answers cost: the provider's word, the list's price, or nothing."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import prices
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Usage
from llm_gateway.config import Http, Provider

ADDON = Path(prices.__file__).parents[1]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 20, 20, tzinfo=UTC)


def provider(kind: str, base_url: str = "") -> Provider:
    """A provider of this kind, at its usual address if no other is given."""
    usual = (KINDS[kind].defaults.base_url or "").format(account_id="a1", gateway_id="g1")
    return Provider(kind, kind, base_url or usual, Http(), None)


OPENAI = provider("openai")


def listed(kind: str, model: str) -> ModelPrice:
    """The list's price for the model at noon."""
    _, info = get_snapshot().find_provider_model(model, None, prices.IDS[kind], None)
    return info.get_prices(NOON)


def test_tokens_cost_what_the_list_says() -> None:
    price = listed("openai", "gpt-4.1-mini")
    per_prompt, per_completion = (
        float(cast(Decimal, each)) / 1e6 for each in (price.input_mtok, price.output_mtok)
    )
    assert 0 < per_prompt < per_completion
    cost = prices.cost(OPENAI, "gpt-4.1-mini", Usage(1000, 200), NOON)
    assert cost == pytest.approx(1000 * per_prompt + 200 * per_completion)


def test_what_a_cache_had_is_cheaper_and_what_was_written_to_one_is_dearer() -> None:
    claude = provider("anthropic")

    def cost(cached: int = 0, written: int = 0, hour: int = 0) -> float:
        usage = Usage(10_000, 1, cached, written, hour)
        return prices.cost(claude, "claude-haiku-4-5", usage, NOON) or 0.0

    plain = cost()
    assert 0 < cost(cached=9_000) < plain < cost(written=9_000)
    for_an_hour = cost(written=9_000, hour=9_000)
    assert cost(written=9_000) < for_an_hour


def test_a_long_prompt_is_dearer_by_the_token() -> None:
    gemini = provider("gemini")
    short = prices.cost(gemini, "gemini-2.5-pro", Usage(100_000, 0), NOON)
    long = prices.cost(gemini, "gemini-2.5-pro", Usage(300_000, 0), NOON)
    assert short is not None
    assert long is not None
    assert long == pytest.approx(6 * short)


def test_a_price_may_depend_on_the_hour() -> None:
    deepseek, usage = provider("deepseek"), Usage(1000, 200)
    day = prices.cost(deepseek, "deepseek-chat", usage, NOON)
    night = prices.cost(deepseek, "deepseek-chat", usage, NIGHT)
    assert day is not None
    assert night is not None
    assert night < day
    assert prices.cost(deepseek, "deepseek-chat", usage) in {day, night}


@pytest.mark.parametrize("kind", ["openrouter", "xai", "perplexity", "ollama"])
def test_the_provider_s_own_word_counts_first(kind: str) -> None:
    usage = Usage(1000, 200, special=True, cost=0.0125)
    assert prices.cost(provider(kind), "any", usage) == 0.0125
    assert prices.cost(provider(kind), "any", replace(usage, cost=0.0)) == 0.0
    assert prices.cost(OPENAI, "gpt-4.1-mini", usage) == 0.0125


def test_a_free_model_of_openrouter_s_is_free() -> None:
    openrouter = provider("openrouter")
    assert prices.cost(openrouter, "deepseek/deepseek-r1:free", Usage(1000, 200)) == 0.0
    assert prices.cost(openrouter, "deepseek/deepseek-r1", Usage(1000, 200)) is None
    assert prices.cost(provider("vllm"), "mine:free", Usage(1000, 200)) is None


@pytest.mark.parametrize(
    ("asked", "model", "usage"),
    [
        (OPENAI, "gpt-4.1-mini", None),
        (OPENAI, "gpt-4.1-mini", Usage(0, 0)),
        (OPENAI, "gpt-4.1-mini", Usage(0, 7)),
        (OPENAI, "gpt-4.1-mini", Usage(1000, 200, special=True)),
        (OPENAI, "gpt-4.1-mini", Usage(1000, 200, cached_tokens=1001)),
        (OPENAI, "gpt-4.1-mini", Usage(1000, 200, cache_hour_tokens=1)),
        (OPENAI, "gpt-4.1-mini-of-my-own", Usage(1000, 200)),
        (OPENAI, "text-embedding-3-small", Usage(1000, 200)),
        (OPENAI, "claude-haiku-4-5", Usage(1000, 200)),
        (OPENAI, "", Usage(1000, 200)),
        (provider("openai", "https://eu.api.openai.com/v1"), "gpt-4.1-mini", Usage(1000, 200)),
        (provider("openai", "http://127.0.0.1:9/v1"), "gpt-4.1-mini", Usage(1000, 200)),
        (provider("openai", "https://api.openai.com/v1/x"), "gpt-4.1-mini", Usage(1000, 200)),
        (provider("zai", "https://api.z.ai/api/coding/paas/v4"), "glm-4.6", Usage(1000, 200)),
        (provider("cerebras"), "qwen-3-coder-480b", Usage(1000, 200)),
        (provider("huggingface"), "openai/gpt-oss-120b", Usage(1000, 200)),
        (provider("cloudflare-gateway"), "openai/gpt-4.1-mini", Usage(1000, 200)),
        (provider("ollama"), "gpt-oss", Usage(1000, 200)),
        (provider("gigachat"), "GigaChat-2", Usage(1000, 200)),
        (provider("echo"), "echo", Usage(1000, 200)),
    ],
)  # fmt: skip
def test_what_nobody_says_is_not_guessed(asked: Provider, model: str, usage: Usage | None) -> None:
    assert prices.cost(asked, model, usage) is None


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("cerebras", "gpt-oss-120b"),
        ("cloudflare", "@cf/meta/llama-3.1-8b-instruct"),
        ("cloudflare-openai", "@cf/meta/llama-3.1-8b-instruct"),
        ("cohere", "command-a-03-2025"),
        ("deepseek", "deepseek-chat"),
        ("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
        ("gemini", "gemini-2.5-flash"),
        ("groq", "llama-3.3-70b-versatile"),
        ("mistral", "mistral-large-latest"),
        ("moonshot", "kimi-k2-0905-preview"),
        ("openai", "gpt-4.1-2025-04-14"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("zai", "glm-4.6"),
    ],
)
def test_the_list_knows_each_kind_by_its_name(kind: str, model: str) -> None:
    assert kind in prices.IDS
    cost = prices.cost(provider(kind), model, Usage(1_000_000, 1_000_000), NOON)
    assert cost is not None
    assert 0.01 < cost < 1000


MODELS: list[tuple[str, ModelInfo]] = [
    (kind, info)
    for kind, id in prices.IDS.items()
    for info in get_snapshot().find_provider(None, id, None).models
    if {"input_mtok", "output_mtok"} <= info.get_prices(NOON).__dict__.keys()
]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any consistent account, with short and with long prompts."""
    plain, cached, written, hour = (draw(st.sampled_from([0, 1, 999, 250_000])) for _ in range(4))
    prompt = 1 + plain + cached + written + hour
    return Usage(prompt, draw(st.integers(0, 10**6)), cached, written + hour, hour)


@given(st.sampled_from(MODELS), usages(), st.sampled_from([NOON, NIGHT]))
def test_it_comes_to_what_the_library_comes_to(
    model: tuple[str, ModelInfo], usage: Usage, at: datetime
) -> None:
    kind, info = model
    theirs = info.get_prices(at).calc_price(
        ListedUsage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_written_tokens,
            cache_write_1h_tokens=usage.cache_hour_tokens,
        )
    )
    ours = prices.cost(provider(kind), info.id, usage, at)
    if get_snapshot().find_provider_model(info.id, None, prices.IDS[kind], None)[1] is info:
        assert ours == pytest.approx(float(theirs["total_price"]))


IMPORTS = """
import sys
from llm_gateway import addon, prices
from llm_gateway.config import Http, Provider
prices.load([])
for kind, base_url in [("openai", "http://127.0.0.1:9/v1"), ("ollama", "http://127.0.0.1:11434/v1")]:
    prices.load([Provider(kind, kind, base_url, Http(), None)])
assert "genai_prices" not in sys.modules
prices.load([Provider("mine", "openai", "https://api.openai.com/v1", Http(), None)])
assert "genai_prices" in sys.modules
"""


def test_the_list_is_imported_only_where_a_provider_is_on_it() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, env={"PYTHONPATH": str(ADDON)})
