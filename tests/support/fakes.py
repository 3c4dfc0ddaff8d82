"""Stand-ins at the engine's seams (a wire, its responses, a sink), and values to build it from."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from llm_gateway.adapters import KINDS, Kind
from llm_gateway.api.http import Headers
from llm_gateway.config import (
    Capability,
    ClientToken,
    Config,
    Credential,
    Gateway,
    Http,
    Model,
    OAuth,
    Provider,
    RetryPolicy,
    Size,
)
from llm_gateway.dispatch import Dispatcher
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.quota import MemoryStore
from llm_gateway.memory import Memory
from llm_gateway.patience import Patience
from llm_gateway.routing import Catalogue
from llm_gateway.secret import Secret
from llm_gateway.upstream import Upstream, site_of
from llm_gateway.wire import EVENT_STREAM, Label, UpstreamRequest, Wire

type Piece = bytes | Exception | asyncio.Event
type Step = Literal["whole", "start", "write", "end"]

KEY = "sk-canary-provider-key"
TOKEN = "canary-client-token"
ONCE = RetryPolicy(attempts=1)
LABEL = Label("req_test", 1, "p", "up-model")


class FakeResponse:
    """A provider's answer that gives its pieces in turn, then ``b""``.

    An exception among the pieces is raised, an event is waited for; ``waiting`` is set meanwhile.
    Closing ends a read that is under way, as it does on a connection.
    """

    def __init__(
        self,
        *pieces: Piece,
        status: int = 200,
        content_type: str = EVENT_STREAM,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type, **(headers or {})}
        self.waiting = asyncio.Event()
        self.released = False
        self._closed = asyncio.Event()
        self._pieces = deque(pieces)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed.is_set()

    async def read(self) -> bytes:
        """See UpstreamResponse."""
        assert not self.closed, "nothing may be read from a closed response"
        while self._pieces:
            piece = self._pieces.popleft()
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, Exception):
                raise piece
            self.waiting.set()
            await self._unless_closed(piece)
        return b""

    async def release(self) -> None:
        """See UpstreamResponse."""
        self.released = True

    def close(self) -> None:
        """See UpstreamResponse."""
        self._closed.set()

    async def _unless_closed(self, event: asyncio.Event) -> None:
        waits = {asyncio.ensure_future(each.wait()) for each in (event, self._closed)}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if self.closed:
            raise UpstreamConnectionError("The connection is closed.")


class FakeWire:
    """Gives its answers in turn, one for each request; an exception is raised, an event waited for.

    When the event is set, the next answer is given.
    """

    def __init__(self, *answers: FakeResponse | Exception | asyncio.Event) -> None:
        self.requests: list[UpstreamRequest] = []
        self.waiting = asyncio.Event()
        self.closed = False
        self._answers = deque(answers)

    async def send(self, request: UpstreamRequest, patience: Patience) -> FakeResponse:
        """See Wire."""
        del patience
        self.requests.append(request)
        answer = self._answers.popleft()
        while isinstance(answer, asyncio.Event):
            self.waiting.set()
            await answer.wait()
            answer = self._answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """See Wire."""
        self.closed = True


class FakeSink:
    """Keeps what it is given. Blocks for ever, or raises, at a step if told so."""

    def __init__(self, *, block_at: Step | None = None, fail_at: Step | None = None) -> None:
        self.status: int | None = None
        self.headers: Headers = ()
        self.streamed = False
        self.pieces: list[bytes] = []
        self.ended = False
        self.blocked = asyncio.Event()
        self._block_at = block_at
        self._fail_at = fail_at

    @property
    def body(self) -> bytes:
        """All pieces in one."""
        return b"".join(self.pieces)

    def header(self, name: str) -> str | None:
        """The value of the only header of that name, None if there is none."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{len(found)} {name} headers"
        return found[0] if found else None

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See Sink."""
        self._begin(status, headers)
        self.pieces.append(body)
        self.ended = True
        await self._step("whole")

    async def start(self, status: int, headers: Headers) -> None:
        """See Sink."""
        self._begin(status, headers)
        self.streamed = True
        await self._step("start")

    async def write(self, data: bytes) -> None:
        """See Sink."""
        assert self.streamed, "the head comes before the body"
        assert not self.ended, "nothing comes after the end"
        self.pieces.append(data)
        await self._step("write")

    async def end(self) -> None:
        """See Sink."""
        assert self.streamed, "the head comes before the end"
        assert not self.ended, "an answer ends once"
        self.ended = True
        await self._step("end")

    def _begin(self, status: int, headers: Headers) -> None:
        assert self.status is None, "an answer begins once"
        self.status, self.headers = status, headers

    async def _step(self, step: Step) -> None:
        if step == self._fail_at:
            raise ConnectionResetError(f"the sink fails at {step}")
        if step == self._block_at:
            self.blocked.set()
            await asyncio.Event().wait()


def make_provider(
    name: str = "p",
    *,
    base_url: str = "http://p.invalid/v1",
    key: str | None = KEY,
    http: Http | None = None,
    off: str | None = None,
    kind: str = "openai",
    credentials: tuple[Credential, ...] | None = None,
    ca_file: Path | None = None,
    oauth: OAuth | None = None,
    discover: bool = False,
) -> Provider:
    """A provider of the kind ``openai`` that nothing can be sent to.

    It has ``key``, which goes into the header ``authorization``, unless ``credentials`` are given.
    """
    if credentials is None:
        credentials = (Credential("authorization", "Bearer ", Secret(key)),) if key else ()
    return Provider(
        name,
        kind,
        base_url,
        http or Http(),
        off,
        credentials,
        ca_file=ca_file,
        oauth=oauth,
        discover=discover,
    )


def make_model(
    name: str = "m",
    *,
    provider: str = "p",
    model: str = "up-model",
    size: Size | None = None,
    priority: int = 1,
    capabilities: Iterable[Capability] = (Capability.CHAT,),
    omit: Iterable[str] = (),
    retry: RetryPolicy = ONCE,
    **settings: Any,
) -> Model:
    """A model that clients call ``m`` and its provider ``up-model``; it is tried once.

    ``settings`` are further fields of Model.
    """
    fields = (frozenset(capabilities), frozenset(omit))
    return Model(name, provider, model, size, priority, *fields, retry=retry, **settings)


def make_config(
    providers: Iterable[Provider] = (),
    models: Iterable[Model] = (),
    *,
    gateway: Gateway | None = None,
    warnings: tuple[str, ...] = (),
) -> Config:
    """A configuration; without arguments, one provider and one model."""
    return Config(
        gateway=gateway or Gateway(tokens=(ClientToken.of("test", Secret(TOKEN)),)),
        providers=MappingProxyType({p.name: p for p in providers or (make_provider(),)}),
        models=tuple(models) or (make_model(),),
        source="test.yaml",
        watched=(),
        warnings=warnings,
    )


def make_upstreams(
    config: Config, wires: Mapping[str, Wire], kinds: Mapping[str, Kind] = KINDS
) -> dict[str, Upstream]:
    """The providers of a configuration over these wires, by name."""
    return {
        name: Upstream(provider, kinds[provider.kind], site_of(provider), wires[name])
        for name, provider in config.providers.items()
    }


def make_gatekeeper(config: Config) -> Gatekeeper:
    """The gates of this configuration."""
    gatekeeper = Gatekeeper(MemoryStore())
    gatekeeper.adopt([*config.providers.values()], config.models)
    return gatekeeper


def make_dispatcher(
    config: Config,
    upstreams: Mapping[str, Upstream],
    deadline: float = 10.0,
    memory: Memory | None = None,
    clock: Callable[[], float] = time.time,
    gatekeeper: Gatekeeper | None = None,
) -> Dispatcher:
    """A dispatcher of this configuration; without ``gatekeeper``, with gates of its own."""
    gatekeeper = gatekeeper or make_gatekeeper(config)
    gateway = replace(config.gateway, deadline=deadline)
    return Dispatcher(
        Catalogue(config, 0), upstreams, gateway, gatekeeper, memory or Memory(), clock
    )


def frame(data: object) -> bytes:
    """One server-sent event; ``data`` as JSON unless it is a str."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def chat_body(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """A chat completion request for the model ``m``."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
