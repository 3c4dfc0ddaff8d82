"""Ending a client's connection, or one request on it, in the words of its protocol.

mitmproxy's layers send what they are told to send, and the client's own layer may lie below TLS. So
what is to be said is put in at the top, like the bridge's answers, and finds a layer of ours beside
the client's (see :mod:`llm_gateway.bridge`).
"""

from dataclasses import dataclass
from typing import override

import h2.errors
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpConnection,
    HttpLayer,
    HttpStream,
    ReceiveHttp,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    SendHttp,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.bridge.refusals import new_id
from llm_gateway.bridge.responses import error_response
from llm_gateway.errors import RequestError

LINGER = 2.0
"""Seconds in which a client that still sends may notice that it was answered."""
NOBODY = ("parting.invalid", 0)
"""The address of the layer's connection, which is none (RFC 6761 §6.4)."""


@dataclass
class Parting(events.ConnectionEvent):
    """Carries down what is to end: this stream, or the connection."""

    stream: HttpStream | None
    error: RequestError | None


class PartingLayer(HttpConnection):
    """Speaks for a connection that does not exist, and says the last words on the client's."""

    def __init__(self, http_layer: HttpLayer) -> None:
        connection = Server(address=NOBODY, state=ConnectionState.CLOSED)
        super().__init__(http_layer.context.fork(), connection)
        self._http_layer = http_layer

    @override
    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            yield commands.CloseConnection(self.context.client)
        if not isinstance(event, Parting):
            return
        client = self._http_layer.connections[self.context.client]
        if isinstance(client, Http2Server):
            yield from self._http2(client, event)
        elif isinstance(client, Http1Server):
            yield from self._http1(client, event)
        else:
            yield commands.CloseConnection(self.context.client)

    def _http1(self, client: Http1Server, event: Parting) -> layer.CommandGenerator[None]:
        if event.error is not None and client.response is None and _has_begun(client, event.stream):
            response = error_response(event.error, new_id())
            response.headers["connection"] = "close"
            number, body = client.stream_id, response.content or b""
            yield SendHttp(ResponseHeaders(number, response), self.context.client)
            yield SendHttp(ResponseData(number, body), self.context.client)
            # Closed at once, its system might throw the answer away (RFC 9112 §9.6).
            yield commands.CloseTcpConnection(self.context.client, half_close=True)
            yield commands.RequestWakeup(LINGER)
        else:
            yield commands.CloseConnection(self.context.client)
        # What still comes is nobody's.
        client._handle_event = self._overhear  # type: ignore[method-assign] # as mitmproxy's HTTP/2 does
        if event.stream is not None:
            yield from self._broken_off(event.stream, event.error)

    def _overhear(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.context.client)

    def _http2(self, client: Http2Server, event: Parting) -> layer.CommandGenerator[None]:
        if event.stream is None:
            client.h2_conn.close_connection()
            yield commands.SendData(self.context.client, client.h2_conn.data_to_send())
            yield commands.CloseConnection(self.context.client)
            return
        number = event.stream.stream_id
        if not client.is_closed(number):
            client.h2_conn.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            yield commands.SendData(self.context.client, client.h2_conn.data_to_send())
        client.streams.pop(number, None)
        yield from self._broken_off(event.stream, event.error)

    def _broken_off(
        self, stream: HttpStream, error: RequestError | None
    ) -> layer.CommandGenerator[None]:
        words = error.message if error is not None else "closed"
        code = ErrorCode.GENERIC_CLIENT_ERROR
        yield ReceiveHttp(RequestProtocolError(stream.stream_id, words, code))


def _has_begun(client: Http1Server, stream: HttpStream | None) -> bool:
    """Whether something of a request is there that can be answered."""
    return stream is not None or (client.state == client.read_headers and bool(client.buf))


Way = list[tuple[HttpLayer, HttpStream | None]]


async def part(handler: ConnectionHandler, way: Way, error: RequestError | None) -> None:
    """End the stream that ``way`` leads to, or all of a connection where it leads to no stream.

    Over HTTP/1 both are one: ``error`` is answered unless an answer has begun. Over HTTP/2 a stream
    is reset, and a connection says that it goes away.
    """
    *tunnels, (http_layer, stream) = way
    conn = _parting_layer(http_layer).conn
    for outer, tunnel in tunnels:
        if tunnel is not None:
            outer.connections[conn] = tunnel
    await handler.server_event(Parting(conn, stream, error))


def _parting_layer(http_layer: HttpLayer) -> PartingLayer:
    for each in http_layer.connections.values():
        if isinstance(each, PartingLayer):
            return each
    new = PartingLayer(http_layer)
    http_layer.connections[new.conn] = new
    return new
