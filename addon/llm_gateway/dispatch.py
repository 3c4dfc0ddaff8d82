"""One exchange: from a validated request to a reply that is known to be good.

The reply is *held* until it is good: a body that parses and holds an answer, or the first event
of a stream that is no error. Until then a failure is an exception with its real status, and the
client has seen nothing. From then on (the *commit*) a stream is a straight pipe, and a failure is
told in it: an error event, then ``[DONE]``. A stream never just stops.

Time: ``deadline`` bounds everything up to the commit. A stream's first event is bounded by
``first_event`` (comments are not events), and from the commit on each silence by ``idle``. A
whole reply comes only when the model has finished, so it has the whole deadline.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from llm_gateway import sse
from llm_gateway.adapters import FORMATS, Adapter, Call
from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import (
    GatewayError,
    InternalError,
    RequestError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from llm_gateway.patience import Patience, Watchdog
from llm_gateway.routing import Catalogue, Target
from llm_gateway.tasks import spawn
from llm_gateway.wire import (
    EVENT_STREAM,
    Label,
    UpstreamRequest,
    UpstreamResponse,
    Wire,
    is_event_stream,
    read_whole,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat completion request: the client's body as parsed JSON."""

    body: Mapping[str, Any]
    model: str
    stream: bool


@dataclass(slots=True)
class Trace:
    """What happened to one exchange, filled in on the way; the log line and the headers read it."""

    exchange: str
    model: str | None = None
    target: str | None = None
    attempts: int = 0
    usage: Usage | None = None
    failure: GatewayError | None = None


@dataclass(slots=True)
class Reply:
    """A good reply: its content type, and either the whole body or the stream of pieces."""

    content_type: str
    body: bytes | AsyncGenerator[bytes]


@dataclass(slots=True)
class _Attempt:
    """One open call: the response, who reads it, and what it has given so far."""

    response: UpstreamResponse
    adapter: Adapter
    trace: Trace
    decoder: sse.Decoder = field(default_factory=sse.Decoder)
    failure: GatewayError | None = None

    async def chunks(self) -> list[bytes]:
        """The chunks of the next piece of the stream, maybe none.

        What came before a failure is returned first; the failure then waits in ``failure``.
        """
        chunks: list[bytes] = []
        try:
            data = await self.response.read()
            events = self.decoder.feed(data) if data else self.decoder.close()
            for event in events:
                chunks += self.adapter.feed(event)
            if not data:
                self.adapter.end()
        except UpstreamError as failure:
            self.failure = failure
        except sse.EventTooLarge as error:
            self.failure = UpstreamInvalidResponse(
                "The provider's stream holds an event that is too large.", detail=str(error)
            )
        except Exception as error:
            # If the stream has begun, a bug of ours must end it in words and not cut it.
            logger.exception("The stream of exchange %s failed.", self.trace.exchange)
            self.failure = InternalError(type(error).__name__)
        return chunks

    @property
    def over(self) -> bool:
        return self.adapter.done or self.failure is not None


class Dispatcher:
    """Serves exchanges from the targets of one catalogue over the given wires."""

    def __init__(self, catalogue: Catalogue, wires: Mapping[str, Wire], deadline: float) -> None:
        """``wires`` by provider name; ``deadline`` in seconds."""
        self._catalogue = catalogue
        self._wires = wires
        self._deadline = deadline

    async def chat(self, request: ChatRequest, trace: Trace) -> Reply:
        """A good reply. Raises GatewayError: unknown model, or the provider's failure."""
        trace.model = request.model
        target = self._catalogue.targets(request.model)[0]
        patience = Patience()
        try:
            async with patience.limit(self._deadline):
                return await self._attempt(target, request, trace, patience)
        except TimeoutError:
            raise UpstreamTimeout(
                f"No answer within the gateway's deadline of {self._deadline:g} s."
            ) from None

    async def _attempt(
        self, target: Target, request: ChatRequest, trace: Trace, patience: Patience
    ) -> Reply:
        trace.attempts += 1
        trace.target = target.label
        provider = target.provider
        adapter = FORMATS[provider.kind](
            Call(
                body=request.body,
                stream=request.stream,
                model=target.model,
                base_url=provider.base_url,
                key_hint=provider.api_key.masked if provider.api_key else None,
                label=Label(trace.exchange, trace.attempts, provider.name, target.model),
            )
        )
        wire = self._wires[provider.name]
        if not request.stream:
            response = await wire.send(_encode(adapter), patience)
            return await self._whole(_Attempt(response, adapter, trace), request)
        try:
            async with patience.limit(provider.http.first_event):
                response = await wire.send(_encode(adapter), patience)
                attempt = _Attempt(response, adapter, trace)
                if response.status == HTTPStatus.OK and is_event_stream(response):
                    return await self._stream(attempt, provider.http.idle)
                return await self._whole(attempt, request)
        except TimeoutError:
            raise UpstreamTimeout(
                f"The provider sent no event within {provider.http.first_event:g} s."
            ) from None

    async def _whole(self, attempt: _Attempt, request: ChatRequest) -> Reply:
        response, adapter = attempt.response, attempt.adapter
        if response.status == HTTPStatus.OK and is_event_stream(response):
            response.close()
            raise UpstreamInvalidResponse("The provider sent a stream where none was asked for.")
        body = await read_whole(response)
        if response.status != HTTPStatus.OK:
            raise adapter.failure(response.status, response.headers, body)
        if request.stream:
            chunks = adapter.decode_as_stream(body)
            attempt.trace.usage = adapter.usage
            return Reply(EVENT_STREAM, _replay(chunks))
        reply = adapter.decode(body)
        attempt.trace.usage = adapter.usage
        return Reply("application/json", reply)

    async def _stream(self, attempt: _Attempt, idle: float) -> Reply:
        try:
            first: list[bytes] = []
            while not first and not attempt.over:
                first = await attempt.chunks()
            if not first:
                raise attempt.failure or UpstreamInvalidResponse(
                    "The provider's stream ended before its first event."
                )
        except BaseException:
            attempt.response.close()
            raise
        pipe = _pipe(attempt, first, idle)
        # To its first yield: a generator that never ran closes nothing when it is closed.
        await anext(pipe)
        return Reply(EVENT_STREAM, pipe)


def _encode(adapter: Adapter) -> UpstreamRequest:
    try:
        return adapter.encode()
    except orjson.JSONEncodeError as error:
        # It reads deeper nesting than it writes.
        raise RequestError(
            400, "We could not encode the JSON body of your request: it is nested too deeply."
        ) from error


async def _pipe(attempt: _Attempt, chunks: list[bytes], idle: float) -> AsyncGenerator[bytes]:
    """The client's stream from the commit on. Ends with ``[DONE]``, whatever happens.

    The first piece is empty.
    """
    response = attempt.response
    complete = False
    # Closing the response is what ends a read that has nothing to read.
    watchdog = Watchdog(idle, response.close)
    try:
        yield b""
        while True:
            if chunks:
                yield b"".join(map(sse.encode, chunks))
            if attempt.over:
                break
            watchdog.watch()
            chunks = await attempt.chunks()
            watchdog.rest()
        if watchdog.barked:
            attempt.failure = UpstreamTimeout(f"The provider's stream was silent for {idle:g} s.")
        ending = _ending(attempt)
        complete = attempt.failure is None
        yield ending
    finally:
        watchdog.stop()
        attempt.trace.usage = attempt.adapter.usage
        if complete:
            # Behind the client's back: it has its whole answer, and the tail may take a moment.
            spawn(_release(response), "give a connection back")
        else:
            response.close()


async def _release(response: UpstreamResponse) -> None:
    try:
        await response.release()
    except Exception:
        logger.exception("A provider's connection could not be given back.")
    finally:
        response.close()


def _ending(attempt: _Attempt) -> bytes:
    if attempt.failure is None:
        return sse.DONE
    attempt.trace.failure = attempt.failure
    return sse.encode(attempt.failure.body()) + sse.DONE


async def _replay(chunks: list[bytes]) -> AsyncGenerator[bytes]:
    """A whole reply given as a stream."""
    yield b"".join(map(sse.encode, chunks)) + sse.DONE
