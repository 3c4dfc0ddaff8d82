"""The gateway that the table is played on, and the strict providers behind it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from google.protobuf.json_format import ParseError  # type: ignore[import-untyped] # has no types

from support.fake_anthropic import FakeAnthropic
from support.fake_gemini import FakeGemini
from support.fake_openai import FakeOpenAI
from support.process import BAD_OUTPUT, Gateway, run_gateway
from support.recording_server import Received, RecordingServer, Reply
from support.rig import ONE_ATTEMPT
from support.scene import KEY, MODEL, TOKEN

CLAUDE = "claude-haiku-4-5"
GEMINI = "gemini-3-flash"
RARE = "rare"
"""A model that may be asked once a minute."""
RARE_BY_DAY = "rare-by-day"
ALIAS = "an-alias"
"""Stands for MODEL."""
GUEST_TOKEN = "guest-token-of-the-stage"
"""The token of a client that may ask for CLAUDE alone."""
OTHER_KEYS = {"claude": "sk-ant-canary-of-the-stage", "gemini": "AIza-canary-of-the-stage"}
SECRETS = tuple(each.encode() for each in (TOKEN, GUEST_TOKEN, KEY, *OTHER_KEYS.values()))
"""What no answer may hold."""


class Bewildered(RecordingServer):
    """Refuses a request out of which it cannot make an answer: a schema without a type, say."""

    @override
    async def answer(self, received: Received, reply: Reply) -> None:
        try:
            await super().answer(received, reply)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, ParseError):
            body = {"error": {"message": "Invalid request.", "type": "invalid_request_error"}}
            await reply.json(400, body)


class OpenAI(Bewildered, FakeOpenAI):
    """OpenAI's API."""


class Anthropic(Bewildered, FakeAnthropic):
    """Anthropic's API."""


class Gemini(Bewildered, FakeGemini):
    """Gemini's API."""


@dataclass
class Stage:
    """A running gateway and its providers."""

    gateway: Gateway
    providers: tuple[RecordingServer, ...]
    ca_file: Path

    @property
    def calls(self) -> list[Received]:
        """Every request that has reached a provider."""
        return [each for provider in self.providers for each in provider.requests]

    def complaints(self) -> list[str]:
        """What should not be in the log, and has come into it since the last look."""
        fresh = self.gateway.fresh_output()
        return [text for text in BAD_OUTPUT if text in fresh]


def _config(addresses: dict[str, str], gateway: dict[str, Any]) -> str:
    def provider(name: str, kind: str, key: str) -> dict[str, Any]:
        return {"kind": kind, "base_url": addresses[name], "api_key": key}

    providers = {
        "fake": provider("fake", "openai", KEY),
        "claude": provider("claude", "anthropic", OTHER_KEYS["claude"]),
        "gemini": provider("gemini", "gemini", OTHER_KEYS["gemini"]),
    }
    models = [
        {"name": MODEL, "provider": "fake"},
        {"name": CLAUDE, "provider": "claude"},
        {"name": GEMINI, "provider": "gemini"},
        {"name": RARE, "provider": "fake", "limits": {"minute": 1}},
        {"name": RARE_BY_DAY, "provider": "fake", "limits": {"day": 1}},
    ]
    guest = {"name": "guest", "token": GUEST_TOKEN, "models": [CLAUDE]}
    content = {
        **ONE_ATTEMPT,
        "gateway": {"tokens": [TOKEN, guest], **gateway},
        "providers": providers,
        "models": models,
        "routing": {"aliases": {ALIAS: MODEL}},
    }
    # JSON is YAML.
    return json.dumps(content)


@asynccontextmanager
async def open_stage(directory: Path, **gateway: Any) -> AsyncIterator[Stage]:
    """Start the providers, and a gateway in `directory` with these further settings."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(OpenAI(KEY, models=(MODEL, RARE, RARE_BY_DAY)))
        claude = await stack.enter_async_context(Anthropic(OTHER_KEYS["claude"]))
        gemini = await stack.enter_async_context(Gemini(OTHER_KEYS["gemini"]))
        addresses = {
            "fake": fake.base_url,
            "claude": claude.base_url,
            "gemini": gemini.base_url,
        }
        process = await stack.enter_async_context(
            run_gateway(
                directory,
                config_text=_config(addresses, gateway),
                # So that whatever came is also saved, which the log would complain of.
                args=("-w", str(directory / "flows")),
            )
        )
        ca_file = directory / "mitmproxy-ca-cert.pem"
        yield Stage(process, (fake, claude, gemini), ca_file)
