"""mitmproxy's HTTP/1 server with bounds, and with an answer to everything.

What is mended in it: a head may be endless; empty lines before a request, and trailers, make the
connection hang; folded headers and versions that do not exist are taken; a broken body ends the
connection without a word; errors are HTML and quote what they refuse; what comes behind a request
that is not answered yet is kept without end.
"""

from collections.abc import Callable
from typing import override

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpEvent,
    ReceiveHttp,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import (
    Http1Server,
    make_body_reader,
    should_make_pipe,
)

from llm_gateway.bridge.chunked import ChunkedBody
from llm_gateway.bridge.heads import HeadBuffer, body_size, cut_short, read_head
from llm_gateway.bridge.intake import HOLD_BACK
from llm_gateway.bridge.refusals import as_bytes, told
from llm_gateway.config.values import Gateway
from llm_gateway.errors import GatewayError

HEAD_BEGAN = "llm_gateway_head_began"
"""An attribute of a client, if somebody has set it: called when a part of a head is there."""
LINGER = 2.0
"""Seconds of silence after which a client that was refused while it sent is left. Closing at once
would make its system throw the answer away, unread (RFC 9112 §9.6)."""
LINGERS = 15
"""How many such times it may go on sending for."""

_CONTINUE = 100


class ClientHttp1(Http1Server):
    """One client's connection."""

    buf: HeadBuffer

    def __init__(self, gateway: Callable[[], Gateway], context: Context) -> None:
        """``gateway``: the current configuration's section."""
        super().__init__(context)
        self.buf = HeadBuffer()
        self._gateway = gateway
        self._ended = False
        self._head_has_begun = False
        self._held_back = False
        self._still_sends = False
        self._lingers = LINGERS

    @override
    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError):
            return self._fail(event)
        return super().send(event)

    @override
    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            yield from self._left(event)
            return
        bounds = self._gateway().bounds
        try:
            head = self.buf.take_head(bounds)
            if head is None:
                self._begin_head()
                return
            request = read_head(head, bounds)
            size = body_size(request)
        except GatewayError as error:
            yield from self._refuse(error)
            return
        self.request = request
        self._head_has_begun = False
        yield ReceiveHttp(RequestHeaders(self.stream_id, request, size == 0))
        if self._ended:
            return
        chunked = size is None
        self.body_reader = ChunkedBody(bounds.header_bytes) if chunked else make_body_reader(size)  # type: ignore[assignment] # works like h11's
        self.state = self.read_body
        yield from self.state(event)

    @override
    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        try:
            if isinstance(event, events.ConnectionClosed):
                raise cut_short()
            yield from super().read_body(event)
        except GatewayError as error:
            yield from self._refuse(error)

    @override
    def wait(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().wait(event)
        self._hold_back()

    @override
    def mark_done(
        self, *, request: bool = False, response: bool = False
    ) -> layer.CommandGenerator[None]:
        if self._ended:
            return
        over = (request or self.request_done) and (response or self.response_done)
        if over and self._asks_to_close():
            yield commands.CloseConnection(self.conn)
            self.state = self.done
        else:
            yield from super().mark_done(request=request, response=response)
        self._hold_back()

    def _hold_back(self) -> None:
        """It may send its next request before this one is answered, and not many."""
        much = len(self.buf) > self._gateway().bounds.header_bytes
        held = much and self.state == self.wait
        if held != self._held_back:
            self._held_back = held
            tell: Callable[[bool], None] | None = getattr(self.conn, HOLD_BACK, None)
            if tell is not None:
                tell(held)

    def _asks_to_close(self) -> bool:
        """mitmproxy compares the word ``close`` with regard to case."""
        if self.request is None or self.response is None:
            return False
        value = self.request.headers.get("connection")
        if value is None or should_make_pipe(self.request, self.response):
            return False
        return "close" in {word.strip().lower() for word in value.split(",")}

    def _begin_head(self) -> None:
        if self.buf and not self._head_has_begun:
            self._head_has_begun = True
            tell: Callable[[], None] | None = getattr(self.conn, HEAD_BEGAN, None)
            if tell is not None:
                tell()

    def _left(self, event: events.Event) -> layer.CommandGenerator[None]:
        """The client has closed its side, between two requests or in the middle of a head."""
        if bytes(self.buf).strip():
            yield from self._refuse(cut_short())
        else:
            yield commands.CloseConnection(self.conn)

    def _fail(self, event: ResponseProtocolError) -> layer.CommandGenerator[None]:
        connect = self.request is not None and self.request.method.upper() == "CONNECT"
        error = told(event.code, connect=connect)
        if error is None or self._has_begun():
            yield commands.CloseConnection(self.conn)
        elif self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.SendData(self.conn, as_bytes(error))
            yield from self._end()

    def _has_begun(self) -> bool:
        """Whether the answer has begun; ``100 Continue`` is none."""
        return self.response is not None and self.response.status_code != _CONTINUE

    def _refuse(self, error: GatewayError) -> layer.CommandGenerator[None]:
        """Answer, unless an answer has begun, and read nothing more."""
        yield commands.Log(f"refused with {error.status}: {error.message}")
        if self.conn.state & ConnectionState.CAN_WRITE and not self._has_begun():
            yield commands.SendData(self.conn, as_bytes(error))
        yield from self._end()
        if self.request is not None:
            yield ReceiveHttp(
                RequestProtocolError(self.stream_id, error.message, ErrorCode.GENERIC_CLIENT_ERROR)
            )

    def _end(self) -> layer.CommandGenerator[None]:
        self._ended = True
        self._handle_event = self._linger  # type: ignore[method-assign] # as mitmproxy's HTTP/2 does
        self.buf = HeadBuffer()
        self._hold_back()
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        yield commands.RequestWakeup(LINGER)

    def _linger(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing is read any more, but thrown away."""
        if isinstance(event, events.DataReceived):
            self._still_sends = True
        elif isinstance(event, events.Wakeup) and self._still_sends and self._lingers:
            self._still_sends = False
            self._lingers -= 1
            yield commands.RequestWakeup(LINGER)
        elif isinstance(event, events.ConnectionClosed | events.Wakeup):
            yield commands.CloseConnection(self.conn)
