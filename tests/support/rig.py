"""A gateway in front of a strict fake provider, and a client that holds the right token."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from support.fake_openai import FakeOpenAI
from support.mitmweb import FlowJSON, Mitmweb
from support.openai_shapes import JSONObject
from support.process import Gateway, GatewaySettings, run_gateway
from support.raw_http import RawConnection, json_request
from support.recording_server import Received

HOST = "ai.localhost"
PATH = "/v1/chat/completions"
TOKEN = "gateway-token-of-the-test"
KEY = "provider-key-of-the-test"
FIRST_EVENT = 1.0
"""Seconds that the provider called `impatient` is given for its first event."""

MODELS = {
    "gpt-test": "fake",
    "stalled": "impatient",
    "hasty": "impatient",
    "unreachable": "gone",
}
"""Provider by model. The fake knows gpt-test and hasty; the others a test has to script."""
SPARES = tuple(f"spare-{number}" for number in range(1, 41))
"""Further models of the provider called `fake`, each for one test to script."""
ONE_ATTEMPT: JSONObject = {"retry": {"attempts": 1}, "breaker": "none"}
"""A failure is one attempt's, and says nothing of the next request."""


@dataclass(frozen=True)
class Rig:
    """A running gateway and its provider; `key` is the provider's, `token` the clients'."""

    gateway: Gateway
    provider: FakeOpenAI
    token: str = TOKEN
    key: str = KEY
    _spares: Iterator[str] = field(default_factory=lambda: iter(SPARES))

    def spare(self) -> str:
        """A model that nobody has asked for yet, so that no failure stands between."""
        return next(self._spares)

    @asynccontextmanager
    async def asking(
        self, text: str, model: str = "gpt-test", *, stream: bool = False
    ) -> AsyncIterator[RawConnection]:
        """Send a chat request; the answer is still to be read from the connection."""
        async with RawConnection(self.gateway.port) as client:
            content = chat(text, model, stream=stream)
            await client.send(json_request(PATH, content, host=HOST, token=self.token))
            yield client

    async def ask(self, text: str, model: str = "gpt-test", *, stream: bool = False) -> bytes:
        """Send a chat request and return the body of the answer, which must be a 200."""
        async with self.asking(text, model, stream=stream) as client:
            head = await client.read_head()
            body = await client.read_body(head)
        assert head.status == 200, body
        return body

    def is_attempt(self, flow: FlowJSON) -> bool:
        """Whether a flow of mitmweb's list goes to a provider; clients' name our own port."""
        return bool(flow["request"]["port"] != self.gateway.port)

    def attempts(self, web: Mitmweb) -> list[FlowJSON]:
        """The flows of the list that go to the provider."""
        return [flow for flow in web.flows.values() if self.is_attempt(flow)]

    def clients(self, web: Mitmweb) -> list[FlowJSON]:
        """The flows of the list that came from clients."""
        return [flow for flow in web.flows.values() if not self.is_attempt(flow)]

    async def pair(self, web: Mitmweb) -> tuple[FlowJSON, FlowJSON]:
        """Wait until the list holds a finished client flow and its attempt; return both."""

        def finished(flows: list[FlowJSON]) -> bool:
            return len(flows) == 1 and bool(flows[0].get("response", {}).get("timestamp_end"))

        await web.until(lambda: finished(self.clients(web)) and finished(self.attempts(web)))
        return self.clients(web)[0], self.attempts(web)[0]

    def had_key(self, received: Received) -> bool:
        """Whether the provider got its key, in the one right form."""
        return received.header("authorization") == f"Bearer {self.key}"


def chat(text: str, model: str = "gpt-test", *, stream: bool = False) -> JSONObject:
    """Return a chat request with one user message."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def answer_text(body: bytes) -> Any:
    """Return the text of a whole answer."""
    return json.loads(body)["choices"][0]["message"]["content"]


def stream_text(body: bytes) -> str:
    """Return the text of a streamed answer, which must end with [DONE]."""
    events = [event.removeprefix("data: ") for event in body.decode().split("\n\n")]
    assert events[-2:] == ["[DONE]", ""], body
    chunks = [json.loads(event) for event in events[:-2]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@asynccontextmanager
async def run_rig(
    directory: Path,
    *,
    token: str = TOKEN,
    key: str = KEY,
    extra: JSONObject | None = None,
    **settings: Unpack[GatewaySettings],
) -> AsyncIterator[Rig]:
    """Run a provider and a gateway that knows it; settings are those of `run_gateway`.

    `extra` is more of the configuration.
    """
    async with FakeOpenAI(key, models=("gpt-test", "hasty")) as provider:
        settings["config_text"] = config_text(provider.base_url, extra)
        settings["env"] = {"AUTH_TOKEN": token, "FAKE_KEY": key, **settings.get("env", {})}
        async with run_gateway(directory, **settings) as gateway:
            yield Rig(gateway, provider, token, key)


def config_text(base_url: str, extra: JSONObject | None = None) -> str:
    """Return a configuration with MODELS and SPARES, for the provider at `base_url`."""
    fake = {"kind": "openai", "base_url": base_url, "api_key": "${FAKE_KEY}"}
    providers = {
        "fake": fake,
        "impatient": {**fake, "http": {"first_event": f"{FIRST_EVENT}s"}},
        "gone": {**fake, "base_url": "http://127.0.0.1:1/v1"},
    }
    owners = {**MODELS, **dict.fromkeys(SPARES, "fake")}
    models = [{"name": name, "provider": provider} for name, provider in owners.items()]
    # JSON is YAML.
    return json.dumps({**ONE_ATTEMPT, "providers": providers, "models": models, **(extra or {})})
