"""What an answer cost, from the provider's own word or else from a price list; never a guess.

The list is genai-prices' (https://github.com/pydantic/genai-prices): what providers publish for
everybody, without free allowances and discounts. It is imported at its first use, since that takes
0.1 s and 30 MB which nobody should pay who looks at no prices.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Usage
from llm_gateway.config import Provider

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, TieredPrices

IDS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "cloudflare-openai": "cloudflare",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "together": "together",
    "zai": "zai",
}
"""The list's names of the kinds of provider whose answers cost what their counts of tokens say.

Not here are those that say themselves what an answer cost (OpenRouter, Perplexity, xAI), those that
hand it on to somebody whose price is not known (Hugging Face, Cloudflare's gateway), and those that
are not on the list.
"""

type Price = Callable[[str, Usage], float | None]
"""What an answer of ``provider/model`` cost in US dollars; None: nobody knows."""

_FREE = ":free"
"""How the names of OpenRouter's free models end."""

_MILLION = 1_000_000


def load(providers: Iterable[Provider]) -> None:
    """Import the list now, and not when the first answer has come, if one of them is on it."""
    if any(_is_listed(each.kind, each.base_url) for each in providers):
        _price_list()


def cost(
    provider: Provider, model: str, usage: Usage | None, at: datetime | None = None
) -> float | None:
    """What a whole answer cost in US dollars, None where that is not known.

    ``model`` is the provider's name of it, ``at`` when it was asked (aware; None is now: some
    prices depend on the time of day). The provider's own word counts first. The list's price
    is for providers at their usual address and for what is billed by tokens at the usual price.
    """
    if usage is None or usage.cost is not None:
        return None if usage is None else usage.cost
    if provider.kind == "openrouter" and model.endswith(_FREE):
        return 0.0
    # Whoever counts no prompt has not counted.
    if usage.special or not usage.prompt_tokens:
        return None
    info = _info(provider.kind, provider.base_url, model)
    return None if info is None else _listed(info, usage, at or datetime.now(UTC))


@cache
def _price_list() -> "DataSnapshot":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - takes 0.1 s and 30 MB

    return get_snapshot()


@lru_cache(maxsize=1024)
def _info(kind: str, base_url: str, model: str) -> "ModelInfo | None":
    """What the list has on a model, None where it has nothing or means another address."""
    if not _is_listed(kind, base_url):
        return None
    try:
        return _price_list().find_provider_model(model, None, IDS[kind], None)[1]
    except LookupError:
        return None


def _is_listed(kind: str, base_url: str) -> bool:
    return kind in IDS and _usual_address(kind).fullmatch(base_url) is not None


@cache
def _usual_address(kind: str) -> re.Pattern[str]:
    """What the addresses of a kind look like that nobody has configured otherwise."""
    defaults = KINDS[kind].defaults
    pattern = re.escape(defaults.base_url or "")
    for setting in defaults.settings:
        pattern = pattern.replace(rf"\{{{setting}\}}", "[^/]+")
    return re.compile(pattern)


def _listed(info: "ModelInfo", usage: Usage, at: datetime) -> float | None:
    """By the list; what it has no price of its own for costs what the whole costs that it is of.

    The library comes to the same in fifty times as long; the tests compare.
    """
    prices: Mapping[str, Decimal | TieredPrices] = info.get_prices(at).__dict__
    if "input_mtok" not in prices or "output_mtok" not in prices:
        return None
    for_input = prices["input_mtok"]
    for_written = prices.get("cache_write_mtok", for_input)
    tokens = (
        (usage.prompt_tokens - usage.cached_tokens - usage.cache_written_tokens, for_input),
        (usage.cached_tokens, prices.get("cache_read_mtok", for_input)),
        (usage.cache_written_tokens - usage.cache_hour_tokens, for_written),
        (usage.cache_hour_tokens, prices.get("cache_write_1h_mtok", for_written)),
        (usage.completion_tokens, prices["output_mtok"]),
    )
    if any(count < 0 for count, _ in tokens):
        return None
    per_million = (count * _step(price, usage.prompt_tokens) for count, price in tokens if count)
    return float(sum(per_million)) / _MILLION


def _step(price: "Decimal | TieredPrices", prompt_tokens: int) -> Decimal:
    """Some prices rise with the length of the prompt."""
    if isinstance(price, Decimal):
        return price
    steps = (tier.price for tier in reversed(price.tiers) if prompt_tokens > tier.start)
    return next(steps, price.base)
