"""One gateway in front of a strict fake of every provider, for tests through a real mitmdump."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Unpack

from openai import AsyncOpenAI

from support.fake_anthropic import FakeAnthropic
from support.fake_cloudflare import FLUX_1, SCOUT, FakeCloudflare
from support.fake_gemini import FakeGemini
from support.fake_gigachat import FakeGigaChat
from support.fake_groq import LLAMA, FakeGroq
from support.fake_openai import FakeOpenAI
from support.fake_openrouter import CODER, PAINTER, FakeOpenRouter
from support.openai_shapes import JSONObject
from support.process import Gateway, GatewaySettings, run_gateway
from support.recording_server import Handler, Received
from support.rig import ONE_ATTEMPT
from support.sdk import openai_transport

TOKEN = "client-token-of-the-fleet"
KEYS = {
    "openai": "sk-canary-openai-key",
    "openrouter": "sk-or-canary-openrouter-key",
    "groq": "gsk_canary_groq_key",
    "anthropic": "sk-ant-canary-anthropic-key",
    "gemini": "AIza-canary-gemini-key",
    "cloudflare": "cf-canary-cloudflare-key",
    "cloudflare-gateway": "cf-canary-gateway-key",
}

SPARES = tuple(f"spare-{number}" for number in range(1, 61))
"""Further models of each provider, each for one test to script."""


class Provider(Protocol):
    """What every fake has."""

    requests: list[Received]

    @property
    def base_url(self) -> str:
        """Where its API is."""

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid requests for `model`."""


@dataclass(frozen=True)
class Berth:
    """A provider of the fleet: its fake, and the models to ask for; `image` may be empty."""

    name: str
    fake: Provider
    chat: str
    image: str = ""
    calls: int = 2
    """How many tools it calls at once."""


@dataclass(frozen=True)
class Fleet:
    """The running gateway and its providers by name."""

    gateway: Gateway
    berths: dict[str, Berth]
    gigachat: FakeGigaChat
    _spares: dict[str, Iterator[str]] = field(
        default_factory=lambda: defaultdict(lambda: iter(SPARES))
    )

    def spare(self, name: str) -> str:
        """A model of this provider that nobody has asked for yet."""
        return next(self._spares[name])

    def client(self) -> AsyncOpenAI:
        """An official client with the right token."""
        return AsyncOpenAI(
            base_url=f"{self.gateway.url}/v1",
            api_key=TOKEN,
            max_retries=0,
            timeout=10,
            http_client=openai_transport(),
        )

    @property
    def secrets(self) -> Sequence[str]:
        """Everything that must not be seen: the clients' token, keys, and what they became."""
        return [TOKEN, *KEYS.values(), self.gigachat.key, *self.gigachat.tokens]


def _config(berths: dict[str, Berth], entries: dict[str, JSONObject]) -> str:
    models: list[JSONObject] = []
    for name, berth in berths.items():
        models.append({"name": f"{name}-chat", "provider": name, "model": berth.chat})
        models += [
            {"name": f"{name}/{spare}", "provider": name, "model": spare} for spare in SPARES
        ]
        if berth.image:
            drawing = {"name": f"{name}-image", "provider": name, "model": berth.image}
            models.append({**drawing, "capabilities": ["image"]})
    # JSON is YAML.
    content = {
        **ONE_ATTEMPT,
        "gateway": {"tokens": [TOKEN]},
        "providers": entries,
        "models": models,
    }
    return json.dumps(content)


@asynccontextmanager
async def open_fleet(directory: Path, **settings: Unpack[GatewaySettings]) -> AsyncIterator[Fleet]:
    """Start all fakes, and a gateway in `directory` that knows them."""
    async with AsyncExitStack() as stack:
        openai = await stack.enter_async_context(
            FakeOpenAI(KEYS["openai"], painters=["gpt-image-2"])
        )
        openrouter = await stack.enter_async_context(FakeOpenRouter(KEYS["openrouter"]))
        groq = await stack.enter_async_context(FakeGroq(KEYS["groq"]))
        anthropic = await stack.enter_async_context(FakeAnthropic(KEYS["anthropic"]))
        gemini = await stack.enter_async_context(FakeGemini(KEYS["gemini"]))
        cloudflare = await stack.enter_async_context(
            FakeCloudflare(KEYS["cloudflare"], KEYS["cloudflare-gateway"])
        )
        gigachat = await stack.enter_async_context(FakeGigaChat())
        keyed: dict[str, Provider] = {
            "openai": openai,
            "openrouter": openrouter,
            "groq": groq,
            "anthropic": anthropic,
            "gemini": gemini,
            "cloudflare": cloudflare,
        }
        entries: dict[str, JSONObject] = {
            name: {"base_url": fake.base_url, "api_key": KEYS[name], "discover": True}
            for name, fake in keyed.items()
        }
        key = KEYS["cloudflare"]
        entries["cloudflare-openai"] = {"base_url": cloudflare.openai_base_url, "api_key": key}
        entries["cloudflare-gateway"] = {
            "base_url": cloudflare.gateway_base_url,
            "api_key": key,
            "gateway_key": KEYS["cloudflare-gateway"],
        }
        entries["gigachat"] = {
            "base_url": gigachat.base_url,
            "auth_url": gigachat.auth_url,
            "api_key": gigachat.key,
        }
        workers = f"workers-ai/{SCOUT}"
        berths = {
            berth.name: berth
            for berth in (
                Berth("openai", openai, "gpt-test", "gpt-image-2"),
                Berth("openrouter", openrouter, CODER, PAINTER),
                Berth("groq", groq, LLAMA),
                Berth("anthropic", anthropic, "claude-haiku-4-5"),
                Berth("gemini", gemini, "gemini-3-flash", "gemini-2.5-flash-image"),
                Berth("cloudflare", cloudflare, SCOUT, FLUX_1),
                Berth("cloudflare-openai", cloudflare, SCOUT),
                Berth("cloudflare-gateway", cloudflare, workers),
                Berth("gigachat", gigachat, "GigaChat-2", "GigaChat-2-Max", calls=1),
            )
        }
        settings["config_text"] = _config(berths, entries)
        gateway = await stack.enter_async_context(run_gateway(directory, **settings))
        yield Fleet(gateway, berths, gigachat)
