"""The in-process connection: our end of mitmproxy's HTTP layer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from mitmproxy import http
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    HttpConnection,
    HttpEvent,
    ReceiveHttp,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
)

from llm_gateway.api.http import Sink
from llm_gateway.inspect.bodies import BodyTap

logger = logging.getLogger(__name__)

Answer = Callable[[Sink], Awaitable[None]]
"""Answers one request into a sink."""


@dataclass
class Inject(events.ConnectionEvent):
    """Carries HTTP events of ours down mitmproxy's layers to the in-process server."""

    http_events: tuple[HttpEvent, ...]


@dataclass(eq=False, slots=True)
class Exchange:
    """One request given to the in-process server, and the task that answers it.

    ``at_once``: answer when the head has come, without waiting for the body. ``tap`` keeps a
    streamed body for the flow.
    """

    flow: http.HTTPFlow
    port_asked_for: int
    server: "InProcessServer"
    stream_id: int
    answer: Answer
    at_once: bool
    tap: BodyTap | None
    announced: bool = False
    """mitmproxy has passed the request's head on to us."""
    begun: bool = False
    task: asyncio.Task[None] | None = None


def in_process_connection(address: tuple[str, int], *, tls: bool) -> Server:
    """A connection object that mitmproxy takes for an open one to ``address``."""
    # alpn: an HTTP/2 client's streams share a connection only if that is HTTP/2 as well.
    connection = Server(address=address, tls=tls, alpn=b"h2", timestamp_start=time.time())
    connection.state = ConnectionState.OPEN
    return connection


class InProcessServer(HttpConnection):
    """The layer that speaks for the in-process connection: our end of mitmproxy's HTTP layer."""

    conn: Server

    def __init__(
        self,
        context: Context,
        conn: Server,
        begin: Callable[[Exchange], None],
        cancel: Callable[[Exchange], None],
        fail: Callable[[int, Exception], None],
    ) -> None:
        """``begin`` starts to answer a request; ``cancel`` stops when the client has left.

        ``fail`` has a stream answered with an error, but later: in the middle of one of its events
        an ``HttpStream`` cannot take an answer.
        """
        super().__init__(context, conn)
        self.exchanges: dict[int, Exchange] = {}
        self.begin = begin
        self._cancel = cancel
        self._fail = fail

    @override
    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        # On the path of every event of a stream; nothing here ever blocks, so what the base class
        # does for layers that do is not needed.
        if isinstance(event, Inject):
            for http_event in event.http_events:
                yield ReceiveHttp(http_event)
        else:
            yield from self._handle_event(event)

    @override
    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()
        if isinstance(event, HttpEvent):
            try:
                self._receive(event)
            except Exception as error:
                logger.exception("The bridge failed on %s.", type(event).__name__)
                self.exchanges.pop(event.stream_id, None)
                self._fail(event.stream_id, error)

    def _receive(self, event: HttpEvent) -> None:
        exchange = self.exchanges.get(event.stream_id)
        if exchange is None:
            # Late events of an exchange that is over are nothing to us; a new one is a bug.
            if isinstance(event, RequestHeaders):
                raise LookupError("a request that was never attached")
            return
        exchange.announced = True
        match event:
            case RequestHeaders() if exchange.at_once:
                self.begin(exchange)
            case RequestEndOfMessage() if not exchange.begun:
                self.begin(exchange)
            case RequestProtocolError():
                self._cancel(exchange)
