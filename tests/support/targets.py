"""Several targets of one name over fake wires, in virtual time, and what comes of asking them."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from llm_gateway.attempt import Reply
from llm_gateway.config import Gateway, Model, Provider, Routing
from llm_gateway.dispatch import ChatRequest, Dispatcher
from llm_gateway.errors import GatewayError, UpstreamError
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.quota import MemoryStore
from llm_gateway.manner import Manner
from llm_gateway.memory import Memory
from llm_gateway.patience import Patience
from llm_gateway.routing import Catalogue
from llm_gateway.trace import Trace
from llm_gateway.wire import UpstreamRequest
from support.exchange import JSON
from support.fakes import (
    FakeResponse,
    chat_body,
    make_config,
    make_model,
    make_provider,
    make_upstreams,
)
from support.openai_shapes import completion, message, usage

type Answer = FakeResponse | Exception | float
"""What a wire gives: an answer, a failure, or first a pause of so many seconds."""


class Wires:
    """One wire for all providers: answers by provider in turn, the last one again and again."""

    def __init__(self, scripts: Mapping[str, Iterable[Answer]]) -> None:
        self._scripts = {name: [*answers] for name, answers in scripts.items()}
        self.calls: list[tuple[float, str]] = []
        """When which provider was called, in virtual seconds."""
        self.requests: list[UpstreamRequest] = []
        self.given: list[FakeResponse] = []
        self.unsent: list[str] = []
        """At which providers a call never left."""

    async def send(self, request: UpstreamRequest, patience: Patience) -> FakeResponse:
        """See Wire."""
        del patience
        name = request.label.provider
        self.requests.append(request)
        self.calls.append((asyncio.get_running_loop().time(), name))
        while True:
            answer = self._next(name)
            if isinstance(answer, float):
                await asyncio.sleep(answer)
            elif isinstance(answer, Exception):
                if isinstance(answer, UpstreamError) and not answer.sent:
                    self.unsent.append(name)
                raise answer
            else:
                self.given.append(answer)
                return answer

    async def close(self) -> None:
        """See Wire."""

    def _next(self, name: str) -> Answer:
        script = self._scripts[name]
        return script.pop(0) if len(script) > 1 else script[0]


def whole(name: str) -> FakeResponse:
    """A whole answer that says the name."""
    body = completion(name, [message(name)], "stop", usage(3, 2))
    return FakeResponse(orjson.dumps(body), content_type=JSON)


def status(number: int, **headers: str) -> FakeResponse:
    """An error without a body; underscores in the names of headers stand for hyphens."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return FakeResponse(b"{}", status=number, content_type=JSON, headers=fields)


class Targets:
    """The targets of ``m``: one at each provider, in their order. Made inside the event loop."""

    def __init__(
        self,
        scripts: Mapping[str, Iterable[Answer]],
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        providers: Mapping[str, Mapping[str, Any]] | None = None,
        gateway: Gateway | None = None,
        routing: Routing | None = None,
        everywhere: Mapping[str, Any] | None = None,
    ) -> None:
        """``settings`` are fields of the models by provider, ``everywhere`` of all models."""
        self.wires = Wires(scripts)
        self.config = make_config(
            [self._provider(name, (providers or {}).get(name, {})) for name in scripts],
            [
                self._model(name, order, {**(everywhere or {}), **(settings or {}).get(name, {})})
                for order, name in enumerate(scripts)
            ],
            gateway=gateway or Gateway(),
        )
        if routing is not None:
            self.config = replace(self.config, routing=routing)
        loop = asyncio.get_running_loop()
        self.gatekeeper = Gatekeeper(MemoryStore(loop.time, loop.time), loop.time)
        self.gatekeeper.adopt([*self.config.providers.values()], self.config.models)
        self.dispatcher = Dispatcher(
            Catalogue(self.config, 0),
            make_upstreams(self.config, dict.fromkeys(scripts, self.wires)),
            self.config.gateway,
            self.gatekeeper,
            Memory(),
            lambda: 0.0,
            random.Random(7),
        )
        self.trace = Trace("req_test")

    @property
    def are_at_rest(self) -> bool:
        """Whether no call has a place, or waits for one."""
        gates = [self.gatekeeper.gate(model).provider.throttle for model in self.config.models]
        return all((gate.running, gate.waiting) == (0, 0) for gate in gates)

    @property
    def calls(self) -> list[str]:
        """Which providers were called, in order."""
        return [name for _, name in self.wires.calls]

    async def ask(
        self, *, stream: bool = False, manner: Manner | None = None, size: int = 0, **fields: Any
    ) -> Reply:
        """Ask for ``m``."""
        self.trace = Trace("req_test")
        body = chat_body(stream=stream, **fields)
        if stream:
            body["stream_options"] = {"include_usage": True}
        request = ChatRequest(body, "m", stream, size)
        return await self.dispatcher.chat(request, self.trace, manner or Manner())

    async def text(self, **how: Any) -> str:
        """The text of a whole answer."""
        body = (await self.ask(**how)).body
        assert isinstance(body, bytes)
        return str(orjson.loads(body)["choices"][0]["message"]["content"])

    async def streamed(self, **how: Any) -> bytes:
        """A whole stream."""
        body = (await self.ask(stream=True, **how)).body
        assert not isinstance(body, bytes)
        return b"".join([piece async for piece in body])

    async def failure(self, **how: Any) -> GatewayError:
        """Why there is no answer."""
        try:
            await self.ask(**how)
        except GatewayError as error:
            return error
        raise AssertionError("there was an answer")

    def _provider(self, name: str, fields: Mapping[str, Any]) -> Provider:
        return replace(make_provider(name), **fields)

    def _model(self, name: str, order: int, fields: Mapping[str, Any]) -> Model:
        return replace(make_model(provider=name, model="up", priority=order), **fields)
