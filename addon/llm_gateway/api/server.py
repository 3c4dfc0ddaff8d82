"""The API itself: an admitted request in, an answer out, one log line per exchange.

:meth:`Api.serve` never raises but for cancellation: what goes wrong becomes an answer, a bug of
ours a 500. Once an answer has started it is ended properly, and how it ended is logged.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from llm_gateway import sse
from llm_gateway.api import openapi, routes
from llm_gateway.api.http import ClientRequest, Headers, Sink
from llm_gateway.api.images import images_reply, parse_images, parse_picture, picture_reply
from llm_gateway.api.keepalive import KeepAlive
from llm_gateway.api.routes import Endpoint
from llm_gateway.api.validation import parse_chat
from llm_gateway.attempt import Reply
from llm_gateway.dispatch import ANY, ChatRequest, ImageRequest
from llm_gateway.draining import Draining
from llm_gateway.errors import (
    GatewayError,
    GatewayShutdown,
    InternalError,
    RequestError,
    UpstreamUnsupported,
    shown,
)
from llm_gateway.limits import ratelimit_headers
from llm_gateway.limits.clients import Visit
from llm_gateway.runtime import Runtime
from llm_gateway.tokens import estimate
from llm_gateway.trace import CLIENT_CLOSED_REQUEST, Observer, Trace
from llm_gateway.wire import EVENT_STREAM

logger = logging.getLogger(__name__)

MAX_FIELD = 1024
LARGE = 1024 * 1024
"""Bytes of a body that takes milliseconds to read: then the others have a turn."""
_OURS = (RequestError, UpstreamUnsupported)
"""Failures whose ``param`` is ours to log; a provider's may repeat what the client wrote."""

_INDEX = re.compile(r"\[\d+\]")


class Api:
    """Serves requests with whatever configuration is current when they arrive."""

    def __init__(
        self,
        runtime: Callable[[], Runtime],
        clock: Callable[[], float] = time.monotonic,
        draining: Draining | None = None,
        hide: Callable[[str], str] = str,
    ) -> None:
        """``draining`` ends the exchanges that outstay the gateway. ``hide`` takes secrets out of
        a text: no error tells one, whoever wrote it.
        """
        self._runtime = runtime
        self._clock = clock
        self._draining = draining or Draining()
        self._hide = hide

    async def serve(
        self, request: ClientRequest, sink: Sink, observer: Observer | None = None
    ) -> None:
        """Answer one request. Cancel the task when the client leaves."""
        trace = self._begin(request, observer)
        try:
            async with self._draining.exchange():
                await self._answer(request, sink, trace)
        except GatewayShutdown as error:
            await self._cut(sink, error, trace)
        except asyncio.CancelledError:
            trace.status = CLIENT_CLOSED_REQUEST
            raise
        except Exception:
            trace.status = 500
            raise
        finally:
            self._end(request, trace)

    async def refuse(
        self,
        request: ClientRequest,
        error: GatewayError,
        sink: Sink,
        observer: Observer | None = None,
    ) -> None:
        """Answer a request with an error found before it was admitted."""
        trace = self._begin(request, observer)
        try:
            await self._fail(sink, error, trace)
        finally:
            self._end(request, trace)

    async def _answer(self, request: ClientRequest, sink: Sink, trace: Trace) -> None:
        with (
            self._runtime().in_use() as runtime,
            runtime.clients.visit(request.client, trace) as visit,
        ):
            every = runtime.config.gateway.keepalive
            keepalive = KeepAlive(sink, lambda: _begin_waiting(trace), every)
            try:
                visit.begin()
                reply = await self._reply(_Exchange(request, runtime, visit, trace, keepalive))
            except GatewayError as error:
                await self._fail(sink, error, trace)
                return
            except Exception as error:
                logger.exception("Exchange %s failed in the gateway.", request.exchange)
                failure = InternalError(type(error).__name__)
                await self._fail(sink, failure, trace)
                return
            await self._send(sink, reply, trace)

    async def _reply(self, exchange: "_Exchange") -> Reply:
        request, runtime, may = exchange.request, exchange.runtime, exchange.visit.may
        bounds = runtime.config.gateway.bounds
        route = routes.find(request.method, request.path)
        match route.endpoint:
            case Endpoint.PING:
                reply = Reply("text/plain; charset=utf-8", b"OK")
            case Endpoint.OPENAPI:
                reply = openapi.reply()
            case Endpoint.MODELS:
                reply = _json(runtime.catalogue.listing(may))
            case Endpoint.MODEL:
                reply = _json(runtime.catalogue.entry(route.model or "", may))
            case Endpoint.CHAT:
                reply = await exchange.chat(parse_chat(request.body, bounds))
            case Endpoint.IMAGES:
                asked = parse_images(request.body, bounds)
                reply = images_reply(asked, await exchange.draw(asked))
            case Endpoint.PICTURE:
                asked = parse_picture(request.body, bounds)
                reply = picture_reply(await exchange.draw(asked))
        return reply

    async def _send(self, sink: Sink, reply: Reply, trace: Trace) -> None:
        if isinstance(reply.body, bytes):
            headers = (("content-type", reply.content_type), *_headers(trace), *reply.headers)
            await sink.whole(200, headers, reply.body)
            trace.status = 200
            return
        async with aclosing(reply.body) as pieces:
            if not trace.begun:
                await sink.start(200, _begin_stream(trace))
            trace.status = 200
            async for piece in pieces:
                if trace.first_byte is None:
                    trace.first_byte = trace.clock()
                trace.complete = piece.endswith(sse.DONE)
                if trace.told is not None:
                    trace.told.add(piece)
                await sink.write(piece)
        await sink.end()

    async def _cut(self, sink: Sink, error: GatewayError, trace: Trace) -> None:
        if trace.complete:
            # Its client was slow to take it, and has only missed the end of the body.
            await sink.end()
        else:
            await self._fail(sink, error, trace)

    async def _fail(self, sink: Sink, error: GatewayError, trace: Trace) -> None:
        error.hide(self._hide)
        trace.failure = error
        if trace.begun:
            trace.status = 200
            trace.complete = True
            await sink.write(sse.encode(error.body()) + sse.DONE)
            await sink.end()
            return
        trace.status = error.status
        headers = (("content-type", "application/json"), *_headers(trace))
        told = {name for name, _ in headers}
        headers += tuple(each for each in error.headers if each[0] not in told)
        await sink.whole(error.status, headers, error.body())

    def _begin(self, request: ClientRequest, observer: Observer | None) -> Trace:
        client = None if request.client is None else request.client.name
        trace = Trace(request.exchange, client=client, clock=self._clock, observer=observer)
        if observer is not None:
            observer.began(trace)
        return trace

    def _end(self, request: ClientRequest, trace: Trace) -> None:
        if trace.observer is not None:
            trace.observer.ended(trace)
        self._log(request, trace)

    def _log(self, request: ClientRequest, trace: Trace) -> None:
        path = request.path.partition("?")[0]
        words = [f"{request.exchange} {shown(request.method)} {shown(path)}"]
        if trace.model is not None:
            words.append(f"{shown(trace.model)} -> {trace.target or 'nowhere'}")
        if trace.has_detours:
            words.append(f"by way of [{trace.way}]")
        words.append(str(trace.status))
        if trace.failure is not None:
            words.append(trace.failure.code or trace.failure.type)
            if trace.failure.param and isinstance(trace.failure, _OURS):
                words.append(shown(trace.failure.param))
            if trace.failure.detail:
                words.append(f"({trace.failure.detail})")
        if trace.ttft is not None:
            words.append(f"ttft {trace.ttft:.3f}s")
        words.append(f"total {trace.age:.3f}s")
        if trace.usage is not None:
            words.append(f"tokens {trace.usage.prompt_tokens}+{trace.usage.completion_tokens}")
        if trace.client is not None:
            # Last, since it may have spaces.
            words.append(f"client {trace.client}")
        line = " ".join(words)
        # Nearly every line is plain, and asking it as a whole costs next to nothing.
        plain = line.isprintable()
        logger.info(line if plain else "".join(c if c.isprintable() else "?" for c in line))


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One exchange until its reply is there."""

    request: ClientRequest
    runtime: Runtime
    visit: Visit
    trace: Trace
    keepalive: KeepAlive

    async def chat(self, asked: ChatRequest) -> Reply:
        """Raises GatewayError."""
        self.trace.stream = asked.stream
        await self._charge(asked)
        answer = partial(
            self.runtime.dispatcher.chat, asked, self.trace, self.request.manner, self.visit.may
        )
        if not asked.stream:
            return await answer()
        reply: Reply | None = None
        try:
            async with self.keepalive:
                reply = await answer()
        except BaseException:
            # It may be there, and its client have left while a comment was written.
            if reply is not None:
                await reply.discard()
            raise
        return reply

    async def draw(self, asked: ImageRequest) -> dict[str, Any]:
        """Raises GatewayError."""
        await self._charge(asked)
        return await self.runtime.dispatcher.images(
            asked, self.trace, self.request.manner, self.visit.may
        )

    async def _charge(self, asked: ChatRequest | ImageRequest) -> None:
        self.trace.model = asked.model or ANY
        self.visit.check(asked.body)
        if len(self.request.body) > LARGE:
            await asyncio.sleep(0)
        await self.visit.charge(partial(estimate, asked.body))


def _headers(trace: Trace) -> Headers:
    headers: Headers = (("x-request-id", trace.exchange),)
    if trace.target is not None:
        headers += (
            ("x-ai-proxy-model", trace.target),
            ("x-ai-proxy-attempts", str(trace.attempts)),
        )
    if trace.has_detours:
        headers += (("x-ai-proxy-route", _plain(trace.way)),)
    if trace.dropped:
        headers += (("x-ai-proxy-dropped", _as_field(trace.dropped)),)
    return headers + _limits(trace)


def _limits(trace: Trace) -> Headers:
    """What is left of quotas: the client's own is the one that it can do something about."""
    standing = ratelimit_headers.together(trace.allowance, trace.standing)
    return () if standing is None else ratelimit_headers.headers(standing)


def _begin_waiting(trace: Trace) -> Headers:
    """The headers of a stream of which nobody knows yet who will answer, and how."""
    return _stream_headers((("x-request-id", trace.exchange), *_limits(trace)), trace)


def _begin_stream(trace: Trace) -> Headers:
    """The headers of a stream that is known to be good."""
    return _stream_headers(_headers(trace), trace)


def _stream_headers(headers: Headers, trace: Trace) -> Headers:
    trace.begun = True
    return (("content-type", EVENT_STREAM), *headers, ("cache-control", "no-cache"))


def _as_field(places: tuple[str, ...]) -> str:
    """A list in a header: printable ASCII, and not endless; the client chose the names.

    Places that differ only in an index are one: a long chat repeats itself.
    """
    return _plain(", ".join(dict.fromkeys(_INDEX.sub("[]", place) for place in places)))


def _plain(text: str) -> str:
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:MAX_FIELD])
    return plain if len(text) <= MAX_FIELD else f"{plain}..."


def _json(value: object) -> Reply:
    return Reply("application/json", orjson.dumps(value))
