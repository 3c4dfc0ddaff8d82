"""A gateway in front of the fault server, with a configuration made of a table of routes."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from support.fault_attempt import CANARY, PIECES
from support.fault_server import Call, FaultServer
from support.marks import call_of, pieces_in
from support.openai_shapes import JSONObject
from support.process import Gateway, GatewaySettings, run_gateway
from support.raw_http import Head, RawConnection, json_request, request_bytes
from support.recording_server import HeaderList

HOST = "ai.localhost"
PATH = "/v1/chat/completions"
TOKEN = "client-token-of-the-faults"
KEY = "sk-provider-key-of-the-faults"

POLICIES: JSONObject = {
    # So that nothing but what a route is about gets in its way.
    "retry": {"attempts": 3, "base": "5ms", "max": "20ms", "honour_retry_after": "2s", "budget": 1},
    "breaker": {"failures": 1000, "ratio": 1},
}


@dataclass(frozen=True)
class Target:
    """One target of a route: what the fault server does, and more keys of the configuration.

    `base_url` is where its provider is, if it is not the fault server.
    """

    steps: str = "ok"
    base_url: str | None = None
    http: JSONObject = field(default_factory=dict)
    provider: JSONObject = field(default_factory=dict)
    model: JSONObject = field(default_factory=dict)


type Routes = Mapping[str, Sequence[Target]]
"""The targets behind each name that clients ask for, the first one first."""


def provider_of(route: str, place: int = 0) -> str:
    """The name of the provider of a route's target, from 0: each target has its own."""
    return f"{route}-{'abcdef'[place]}"


def config_text(server: FaultServer, routes: Routes, gateway: JSONObject) -> str:
    """Return a configuration with these routes; `gateway` is more of that section."""
    providers: JSONObject = {}
    models: list[JSONObject] = []
    for route, targets in routes.items():
        for place, target in enumerate(targets):
            provider = provider_of(route, place)
            providers[provider] = {
                "kind": "openai",
                "base_url": target.base_url or server.base_url(provider),
                "api_key": KEY,
                **({"http": target.http} if target.http else {}),
                **target.provider,
            }
            entry = {"name": route, "provider": provider, "model": target.steps}
            models.append({**entry, "priority": place + 1, **target.model})
    content: JSONObject = {
        "gateway": {"tokens": [TOKEN], **gateway},
        **POLICIES,
        "providers": providers,
        "models": models,
    }
    # JSON is YAML.
    return json.dumps(content)


@dataclass(frozen=True)
class Told:
    """What a stream said: its text, finish reasons, roles, error and comments."""

    text: str
    finish_reasons: list[str]
    roles: list[str]
    error: JSONObject | None
    comments: int


@dataclass(frozen=True)
class Answer:
    """A whole answer that the gateway gave; `seconds` is how long it took."""

    head: Head
    body: bytes = field(repr=False)
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """The status."""
        return self.head.status

    @property
    def attempts(self) -> int:
        """How many calls the gateway says it made; 0 if it does not say."""
        return int(self.head.header("x-ai-proxy-attempts") or 0)

    @property
    def target(self) -> str | None:
        """The target that the gateway says it was."""
        return self.head.header("x-ai-proxy-model")

    @property
    def retry_after(self) -> int:
        """How many seconds a client is asked to wait, which must be said."""
        return int(self.head.header("retry-after") or "nothing")

    @property
    def error(self) -> JSONObject:
        """The error of an answer that is JSON, with OpenAI's four keys and no other."""
        assert self.head.header("content-type") == "application/json"
        return checked_error(json.loads(self.body))

    @property
    def verdict(self) -> tuple[int, str]:
        """The status and the error's code."""
        return self.status, self.error["code"]

    @property
    def told(self) -> Told:
        """What the stream said, which must be one and end with [DONE]."""
        assert self.status == 200, self.body[:500]
        assert self.head.header("content-type") == "text/event-stream"
        return _told(self.body)

    @property
    def text(self) -> str:
        """The text of a good answer, whole or streamed, which must have ended well."""
        if self.head.header("content-type") == "text/event-stream":
            told = self.told
            assert (told.error, told.finish_reasons, told.roles) == (None, ["stop"], ["assistant"])
            return told.text
        assert self.status == 200, self.body[:500]
        return str(json.loads(self.body)["choices"][0]["message"]["content"])

    @property
    def call(self) -> int:
        """The number of the one call that all of the text came from."""
        text = self.text
        assert pieces_in(text) == PIECES
        return call_of(text)


def checked_error(content: Any) -> JSONObject:
    """Return the error of a body or an event, which must have OpenAI's four keys."""
    error: JSONObject = content["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert CANARY not in error["message"]
    return error


def _told(body: bytes) -> Told:
    *frames, end = body.decode().split("\n\n")
    comments = [frame for frame in frames if frame.startswith(":")]
    events = [frame.removeprefix("data: ") for frame in frames if frame not in comments]
    assert (end, events[-1]) == ("", "[DONE]"), body[-500:]
    assert events.count("[DONE]") == 1
    chunks = [json.loads(event) for event in events[:-1]]
    error = checked_error(chunks.pop()) if "error" in chunks[-1] else None
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    return Told(
        text="".join(delta.get("content") or "" for delta in deltas),
        finish_reasons=[c["finish_reason"] for c in choices if c["finish_reason"]],
        roles=[delta["role"] for delta in deltas if "role" in delta],
        error=error,
        comments=len(comments),
    )


@dataclass(frozen=True)
class FaultScene:
    """What `open_faults` has set up."""

    gateway: Gateway
    server: FaultServer

    def connect(self, **options: Any) -> RawConnection:
        """Return a connection to the gateway; the options are those of RawConnection."""
        return RawConnection(self.gateway.port, **options)

    def calls(self, route: str, place: int = 0) -> list[Call]:
        """The calls of one of a route's targets so far."""
        return self.server.calls_of(provider_of(route, place))

    async def call(self, route: str, number: int = 1, place: int = 0) -> Call:
        """Wait for the `number`-th call (from 1) of one of a route's targets."""
        return await self.server.call(provider_of(route, place), number)

    def let_go(self, route: str, place: int = 0) -> None:
        """Let the held answers of one of a route's targets go on."""
        self.server.let_go(provider_of(route, place))

    async def ask(
        self, route: str, *, stream: bool = False, headers: HeaderList = (), text: str = "hello"
    ) -> Answer:
        """Ask for this route on a connection of its own."""
        async with self.connect() as client:
            clock = asyncio.get_running_loop().time
            begun = clock()
            head, body = await client.exchange(
                chat_request(route, stream=stream, headers=headers, text=text)
            )
            assert head.header("x-request-id")
            assert CANARY.encode() not in body
            return Answer(head, body, clock() - begun)


def chat_request(
    route: str, *, stream: bool = False, headers: HeaderList = (), text: str = "hello"
) -> bytes:
    """Return a chat request for this route with the right token."""
    messages = [{"role": "user", "content": text}]
    content = {"model": route, "messages": messages, "stream": stream}
    return json_request(PATH, content, host=HOST, token=TOKEN, headers=headers)


@asynccontextmanager
async def open_faults(
    directory: Path,
    routes: Routes,
    gateway: JSONObject | None = None,
    **settings: Unpack[GatewaySettings],
) -> AsyncIterator[FaultScene]:
    """Start the fault server, and a gateway in `directory` with these routes."""
    # To read the system's authorities for each of so many providers would take seconds.
    nobody = directory / "no-authorities.pem"
    nobody.touch()
    settings["env"] = {"SSL_CERT_FILE": str(nobody), **settings.get("env", {})}
    async with FaultServer() as server:
        settings["config_text"] = config_text(server, routes, gateway or {})
        async with run_gateway(directory, **settings) as process:
            scene = FaultScene(process, server)
            async with scene.connect() as client:
                # It listens before it is ready, and that would be in the first answer's time.
                await client.exchange(request_bytes("GET", "/ping", host=HOST))
            yield scene
