"""The way back: from an answer to mitmproxy's events, or to a response that is sent whole."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from mitmproxy import http
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpEvent,
    HttpLayer,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Headers
from llm_gateway.bridge.responses import error_response, make_response, whole_events
from llm_gateway.bridge.server import Exchange, Inject
from llm_gateway.errors import InternalError
from llm_gateway.host import announces_body

logger = logging.getLogger(__name__)

H2_BACKLOG = 512 * 1024
"""Bytes that may wait for an HTTP/2 client's flow-control window before we wait as well."""
STALLED_SECONDS = 60.0
"""How long a client may take nothing of what waits for it. It holds a provider's connection open,
and nobody pays for tokens that nobody reads."""
H2_POLL = 0.02
"""Seconds between looks at that backlog: mitmproxy has no event for a window that opens."""


class StreamSink:
    """Answers one stream of a live client connection. See :class:`Sink`."""

    def __init__(
        self,
        handler: ConnectionHandler,
        http_layer: HttpLayer,
        exchange: Exchange,
        is_last: Callable[[], bool],
    ) -> None:
        """``is_last``, asked when the answer begins: close the connection behind it."""
        self._handler = handler
        self._is_last = is_last
        client = http_layer.context.client
        client_layer = http_layer.connections[client]
        self._h2 = client_layer if isinstance(client_layer, Http2Server) else None
        self._transport = handler.transports.get(client)
        self._conn = exchange.server.conn
        self._exchange = exchange
        self._stream_id = exchange.stream_id
        self._begun = False
        self._waiting = ExitStack()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Until the answer begins, mitmproxy's own time limit for silent clients stands still.

        The client is silent because we are; how long that may be is for our limits to say.
        """
        with self._waiting:
            self._waiting.enter_context(self._handler.timeout_watchdog.disarm())
            yield

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See :class:`Sink`."""
        if self._buffered():
            # It has sent requests ahead, and does not take the answers.
            await self._wait_for_client()
        self._begin()
        tap, self._exchange.tap = self._exchange.tap, None
        shown = body if tap is None else tap.masked(body)
        response = make_response(status, headers, body)
        if shown is not body:
            # Sent as a stream, which leaves the flow a content of its own.
            response.stream = True
            response.data.content = shown
        # Where the body was not waited for, an honest client stops sending it.
        unread = self._exchange.at_once and announces_body(self._exchange.flow.request)
        if unread or self._is_last():
            response.headers["connection"] = "close"
        if self._exchange.flow.request.method == "HEAD":
            response.data.content = body = b""  # its length stays in the head (RFC 9110 §9.3.2)
        await self._inject(*whole_events(self._stream_id, response, body))

    async def start(self, status: int, headers: Headers) -> None:
        """See :class:`Sink`."""
        self._begin()
        response = make_response(status, headers)
        response.stream = True
        if self._exchange.flow.request.http_version == "HTTP/1.1":
            response.headers["transfer-encoding"] = "chunked"
        if self._is_last():
            response.headers["connection"] = "close"
        await self._inject(ResponseHeaders(self._stream_id, response))

    async def write(self, data: bytes) -> None:
        """See :class:`Sink`."""
        if self._exchange.tap is not None:
            self._exchange.tap.add(data)
        event = Inject(self._conn, (ResponseData(self._stream_id, data),))
        await self._handler.server_event(event)
        if self._buffered() or self._h2_backlog() > H2_BACKLOG:
            await self._wait_for_client()

    async def end(self) -> None:
        """See :class:`Sink`."""
        if self._exchange.tap is not None:
            self._exchange.tap.store()
        await self._inject(ResponseEndOfMessage(self._stream_id))

    async def fail(self, error: InternalError) -> None:
        """Answer with the error, or cut an answer that has begun."""
        if self._begun:
            await self._inject(ResponseProtocolError(self._stream_id, "cut", ErrorCode.KILL))
            return
        await self._inject(*whole_events(self._stream_id, error_response(error)))

    async def _wait_for_client(self) -> None:
        """Until it has taken what it was given. Does not return for one that takes nothing."""
        while True:
            unsent = self._unsent()
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._drain()
                    return
            except TimeoutError:
                if self._unsent() >= unsent:
                    await self._cut_off()

    async def _drain(self) -> None:
        await self._handler.drain_writers()
        while self._h2_backlog() > H2_BACKLOG:  # noqa: ASYNC110 - mitmproxy has no such event
            await asyncio.sleep(H2_POLL)

    async def _cut_off(self) -> None:
        """End it from this side. That has the exchange cancelled, as when a client leaves."""
        logger.info("A client took nothing for %g s and is cut off.", STALLED_SECONDS)
        writer = self._transport.writer if self._transport else None
        if self._h2 is None and isinstance(writer, asyncio.StreamWriter):
            writer.transport.abort()
        else:
            await self._inject(ResponseProtocolError(self._stream_id, "stalled", ErrorCode.KILL))
        await asyncio.get_running_loop().create_future()

    def _begin(self) -> None:
        self._begun = True
        self._waiting.close()

    async def _inject(self, *http_events: HttpEvent) -> None:
        await self._handler.server_event(Inject(self._conn, http_events))

    def _unsent(self) -> int:
        """The bytes that wait for the client's socket or window; mostly there are none."""
        return self._buffered() + self._h2_backlog()

    def _buffered(self) -> int:
        writer = self._transport.writer if self._transport else None
        if not isinstance(writer, asyncio.StreamWriter):
            return 0
        return writer.transport.get_write_buffer_size()

    def _h2_backlog(self) -> int:
        if self._h2 is None:
            return 0
        waiting = self._h2.h2_conn.stream_buffers.get(self._stream_id, ())
        return sum(len(item.data) for item in waiting)


class BufferSink:
    """Collects an answer, for flows that can only be answered whole. See :class:`Sink`."""

    def __init__(self) -> None:
        self.response: http.Response | None = None
        self._parts: list[bytes] = []

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See :class:`Sink`."""
        self.response = make_response(status, headers, body)

    async def start(self, status: int, headers: Headers) -> None:
        """See :class:`Sink`."""
        self.response = make_response(status, headers)

    async def write(self, data: bytes) -> None:
        """See :class:`Sink`."""
        self._parts.append(data)

    async def end(self) -> None:
        """See :class:`Sink`."""
        if self.response is not None:
            self.response.content = b"".join(self._parts)
