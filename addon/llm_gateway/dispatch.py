"""One exchange: from a validated request to a reply that is known to be good.

The reply is *held* until it is good: a body that parses and holds an answer, or the first event
of a stream that is no error. Until then a failure is an exception with its real status, and the
client has seen nothing. From then on (the *commit*) a stream is a straight pipe
(:mod:`llm_gateway.pipe`).

Time: ``deadline`` bounds everything up to the commit. A stream's first event is bounded by
``first_event`` (comments are not events), and from the commit on each silence by ``idle``. A
whole reply comes only when the model has finished, so it has the whole deadline.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from llm_gateway.adapters.contract import Adapter, Call, ImageCall, Usage
from llm_gateway.config import Capability
from llm_gateway.errors import (
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llm_gateway.memory import Memory
from llm_gateway.patience import Patience
from llm_gateway.pipe import OpenStream, hold, replay
from llm_gateway.routing import Catalogue, Target
from llm_gateway.trace import Trace
from llm_gateway.upstream import Upstream
from llm_gateway.wire import (
    EVENT_STREAM,
    JSON,
    Label,
    UpstreamRequest,
    UpstreamResponse,
    asks_for_event_stream,
    is_event_stream,
    read_whole,
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat completion request: the client's body as parsed JSON."""

    body: Mapping[str, Any]
    model: str
    stream: bool


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A validated request for pictures; without ``model``, any that draws will do."""

    body: Mapping[str, Any]
    model: str | None


@dataclass(slots=True)
class Reply:
    """A good reply: its content type, and either the whole body or the stream of pieces."""

    content_type: str
    body: bytes | AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a target."""

    target: Target
    upstream: Upstream
    label: Label
    asked: Mapping[str, Any]
    trace: Trace
    patience: Patience

    @property
    def body(self) -> Mapping[str, Any]:
        """What was asked for, without the fields that the model does not take."""
        omit = self.target.omit
        return {k: v for k, v in self.asked.items() if k not in omit} if omit else self.asked

    def note_dropped(self, dropped: tuple[str, ...]) -> None:
        """Say what the provider is not told: by the model's ``omit``, and by its format."""
        omitted = tuple(name for name in self.asked if name in self.target.omit)
        self.trace.dropped = omitted + dropped


class Dispatcher:
    """Serves exchanges from the targets of one catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        upstreams: Mapping[str, Upstream],
        deadline: float,
        memory: Memory,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``upstreams`` by provider name; ``deadline`` in seconds; ``clock`` dates answers."""
        self._catalogue = catalogue
        self._upstreams = upstreams
        self._deadline = deadline
        self._memory = memory
        self._clock = clock

    async def chat(self, request: ChatRequest, trace: Trace) -> Reply:
        """A good reply. Raises GatewayError: unknown model, or the provider's failure."""
        trace.model = request.model
        target = self._catalogue.targets(request.model, Capability.CHAT)[0]

        async def attempt(attempt: _Attempt) -> Reply:
            return await self._chat(attempt, request)

        return await self._serve(target, request.body, trace, attempt)

    async def images(self, request: ImageRequest, trace: Trace) -> dict[str, Any]:
        """An OpenAI images response with at least one picture. Raises GatewayError."""
        name = request.model or self._catalogue.default(Capability.IMAGE)
        trace.model = name
        target = self._catalogue.targets(name, Capability.IMAGE)[0]
        return await self._serve(target, request.body, trace, self._images)

    async def _serve[T](
        self,
        target: Target,
        asked: Mapping[str, Any],
        trace: Trace,
        attempt: Callable[[_Attempt], Awaitable[T]],
    ) -> T:
        patience = Patience()
        try:
            async with patience.limit(self._deadline):
                try:
                    return await attempt(self._attempt(target, asked, trace, patience))
                except UpstreamAuthError as error:
                    if error.retry is not Retry.HERE:
                        raise
                    # An access token was refused before its time; the wire takes a new one.
                    return await attempt(self._attempt(target, asked, trace, patience))
        except TimeoutError:
            raise UpstreamTimeout(
                f"No answer within the gateway's deadline of {self._deadline:g} s."
            ) from None

    def _attempt(
        self, target: Target, asked: Mapping[str, Any], trace: Trace, patience: Patience
    ) -> _Attempt:
        trace.attempts += 1
        trace.target = target.label
        name = target.provider.name
        label = Label(trace.exchange, trace.attempts, name, target.model)
        return _Attempt(target, self._upstreams[name], label, asked, trace, patience)

    async def _chat(self, attempt: _Attempt, request: ChatRequest) -> Reply:
        upstream, patience, trace = attempt.upstream, attempt.patience, attempt.trace
        adapter = upstream.kind.chat(
            Call(
                body=attempt.body,
                stream=request.stream,
                model=attempt.target.model,
                site=upstream.site,
                label=attempt.label,
                created=int(self._clock()),
                memory=self._memory,
            )
        )
        await upstream.run(adapter.prepare(), patience)
        encoded = _encode(adapter)
        attempt.note_dropped(adapter.dropped)
        if not asks_for_event_stream(encoded):
            response = await upstream.wire.send(encoded, patience)
            return await _whole(response, adapter, trace, stream=request.stream)
        http = upstream.provider.http
        try:
            async with patience.limit(http.first_event):
                response = await upstream.wire.send(encoded, patience)
                if response.status == HTTPStatus.OK and is_event_stream(response):
                    opened = OpenStream(response, adapter, trace)
                    return Reply(EVENT_STREAM, await hold(opened, http.idle))
                return await _whole(response, adapter, trace, stream=True)
        except TimeoutError:
            raise UpstreamTimeout(
                f"The provider sent no event within {http.first_event:g} s."
            ) from None

    async def _images(self, attempt: _Attempt) -> dict[str, Any]:
        upstream = attempt.upstream
        if upstream.kind.images is None:
            raise UpstreamUnsupported("This provider makes no pictures.", param="model")
        adapter = upstream.kind.images(
            ImageCall(
                body=attempt.body,
                model=attempt.target.model,
                site=upstream.site,
                label=attempt.label,
                created=int(self._clock()),
            )
        )
        pictures = await upstream.run(adapter.steps(), attempt.patience)
        attempt.note_dropped(adapter.dropped)
        usage = pictures.get("usage")
        if isinstance(usage, dict):
            counts = (usage.get("input_tokens"), usage.get("output_tokens"))
            attempt.trace.usage = Usage(*(n if isinstance(n, int) else 0 for n in counts))
        return pictures


async def _whole(
    response: UpstreamResponse, adapter: Adapter, trace: Trace, *, stream: bool
) -> Reply:
    if response.status == HTTPStatus.OK and is_event_stream(response):
        response.close()
        raise UpstreamInvalidResponse("The provider sent a stream where none was asked for.")
    body = await read_whole(response)
    if response.status != HTTPStatus.OK:
        raise adapter.failure(response.status, response.headers, body)
    if stream:
        chunks = adapter.decode_as_stream(body)
        trace.usage = adapter.usage
        return Reply(EVENT_STREAM, replay(chunks))
    reply = adapter.decode(body)
    trace.usage = adapter.usage
    return Reply(JSON, reply)


def _encode(adapter: Adapter) -> UpstreamRequest:
    try:
        return adapter.encode()
    except (orjson.JSONEncodeError, RecursionError) as error:
        # It reads deeper nesting than it writes.
        raise RequestError(
            400, "We could not encode the JSON body of your request: it is nested too deeply."
        ) from error
