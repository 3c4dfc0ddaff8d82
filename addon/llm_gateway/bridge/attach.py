"""Attaching flows of live client connections to in-process servers, and ending what was begun."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.flow import Error, Flow
from mitmproxy.proxy import layer, mode_specs
from mitmproxy.proxy.layers.http import ErrorCode, HttpLayer, HttpStream, ResponseProtocolError
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge.kill import when_killed
from llm_gateway.bridge.responses import error_response, whole_events
from llm_gateway.bridge.server import (
    Answer,
    Exchange,
    Inject,
    InProcessServer,
    in_process_connection,
)
from llm_gateway.bridge.sinks import StreamSink
from llm_gateway.errors import InternalError
from llm_gateway.inspect.bodies import BodyTap
from llm_gateway.tasks import spawn

logger = logging.getLogger(__name__)

Path = list[tuple[HttpLayer, HttpStream]]


NOBODY = "llm-gateway.invalid"
"""The host of requests that name none of ours (RFC 6761 §6.4 reserves the top-level domain)."""


class Bridge:
    """Attaches flows to in-process servers, one per client connection and virtual host."""

    def __init__(self, handlers: Mapping[Any, ConnectionHandler]) -> None:
        """``handlers`` by client connection id: the proxyserver addon's ``connections``."""
        self._handlers = handlers
        self._exchanges: dict[str, Exchange] = {}
        self._enabled = True
        self.closing = False
        """Whether answers that begin now are the last of their connections."""

    def disable(self) -> None:
        """Attach nothing from now on: everything is answered whole."""
        self._enabled = False

    def attach(
        self,
        flow: http.HTTPFlow,
        answer: Answer,
        tap: BodyTap | None,
        *,
        at_once: bool = False,
        host: str = NOBODY,
    ) -> bool:
        """Have ``answer`` serve the flow, which must be in its ``requestheaders`` hook.

        False where the flow's layer cannot be found, as for a replayed flow: then it has to be
        answered whole. See :class:`Exchange` for ``tap`` and ``at_once``. ``host`` is what other
        addons see as the request's host; of few names, since each has a server of its own.
        """
        handler = self._handlers.get(flow.client_conn.id) if self._enabled else None
        path = find_stream(handler.layer, flow) if handler else []
        if handler is None or not path:
            return False
        _, stream = path[-1]
        regular = isinstance(flow.client_conn.proxy_mode, mode_specs.RegularMode)
        port_asked_for = flow.request.port if regular else _own_port(flow)
        server = self._server_for(handler, path, flow, host)
        exchange = Exchange(flow, port_asked_for, server, stream.stream_id, answer, at_once, tap)
        server.exchanges[stream.stream_id] = exchange
        self._exchanges[flow.id] = exchange
        when_killed(flow, self._kill)
        return True

    def answer_now(self, flow: http.HTTPFlow, answer: Answer) -> None:
        """Have another ``answer`` serve an attached flow, without waiting for its body."""
        exchange = self._exchanges.get(flow.id)
        if exchange is not None and not exchange.begun:
            exchange.answer = answer
            exchange.at_once = True
            exchange.server.begin(exchange)

    def answer_streamed(self, flow: http.HTTPFlow, response: http.Response) -> bool:
        """Answer a flow with this response from one of its hooks, where only we can.

        mitmproxy ignores ``flow.response`` once it passes a request's body on as it comes. False
        where it does not yet: then the flow is let go of, and its response can simply be set.
        """
        exchange = self._exchanges.get(flow.id)
        if exchange is None:
            return bool(flow.request.stream) and flow.response is not None
        if not flow.request.stream or not exchange.announced:
            self._cancel(exchange)
            return False
        if not exchange.begun:
            self.answer_now(flow, partial(_send, response))
        return True

    def settle(self, flow: http.HTTPFlow) -> None:
        """The flow has its response: forget it if another addon gave that."""
        exchange = self._exchanges.get(flow.id)
        if exchange is not None and not exchange.begun:
            self._forget(exchange)
            _show_address_asked_for(exchange)

    def cancel(self, flow: http.HTTPFlow) -> None:
        """Stop answering this flow, if it is being answered."""
        exchange = self._exchanges.get(flow.id)
        if exchange is not None:
            self._cancel(exchange)

    def client_gone(self, client: Client) -> None:
        """Stop answering everything that this client asked for."""
        for exchange in list(self._exchanges.values()):
            if exchange.flow.client_conn is client:
                try:
                    self._cancel(exchange)
                except Exception:
                    logger.exception("Stopping the answer to a client that left failed.")

    def _server_for(
        self, handler: ConnectionHandler, path: Path, flow: http.HTTPFlow, host: str
    ) -> InProcessServer:
        *tunnels, (http_layer, _) = path
        # At our own port, which mitmproxy never connects to: so no real connection of this client
        # has the address.
        address = (host, _own_port(flow))
        tls = flow.client_conn.tls_established
        # Not the property setters: they would rewrite the client's Host header.
        flow.request.data.host, flow.request.data.port = address
        flow.request.data.scheme = b"https" if tls else b"http"
        for server in http_layer.connections.values():
            if isinstance(server, InProcessServer) and server.conn.address == address:
                return server
        connection = in_process_connection(address, tls=tls)
        server = InProcessServer(
            http_layer.context.fork(),
            connection,
            partial(self._begin, handler, http_layer),
            self._cancel,
            lambda stream_id, error: self._fail(handler, connection, stream_id, error),
        )
        http_layer.connections[connection] = server
        for outer, tunnel in tunnels:
            # So that our events find their way down: through a tunnel by its own stream.
            outer.connections[connection] = tunnel
        return server

    def _begin(
        self,
        handler: ConnectionHandler,
        http_layer: HttpLayer,
        exchange: Exchange,
    ) -> None:
        exchange.begun = True
        if exchange.tap is not None:
            exchange.tap.begin()
        _show_address_asked_for(exchange)
        sink = StreamSink(handler, http_layer, exchange, lambda: self.closing)
        exchange.task = spawn(self._run(sink, exchange), f"answer {exchange.flow.id}")

    async def _run(self, sink: StreamSink, exchange: Exchange) -> None:
        try:
            with sink.waiting():
                await exchange.answer(sink)
        except Exception as error:
            logger.exception("Answering a request failed.")
            await sink.fail(InternalError(type(error).__name__))
        finally:
            self._forget(exchange)

    def _fail(
        self, handler: ConnectionHandler, conn: Server, stream_id: int, error: Exception
    ) -> None:
        events = whole_events(stream_id, error_response(InternalError(type(error).__name__)))
        spawn(handler.server_event(Inject(conn, events)), "answer that the bridge failed")

    def _cancel(self, exchange: Exchange) -> None:
        if exchange.tap is not None:
            exchange.tap.store()
        if exchange.task is not None:
            exchange.task.cancel()
        else:
            self._forget(exchange)

    def _kill(self, flow: Flow) -> None:
        """End both sides of a flow that was killed, if its answer is still being made."""
        exchange = self._exchanges.get(flow.id)
        handler = self._handlers.get(flow.client_conn.id)
        if exchange is not None and handler is not None:
            self._cancel(exchange)
            spawn(_cut_off(handler, exchange), "end a killed flow")

    def _forget(self, exchange: Exchange) -> None:
        exchange.server.exchanges.pop(exchange.stream_id, None)
        self._exchanges.pop(exchange.flow.id, None)


def _own_port(flow: http.HTTPFlow) -> int:
    sockname = flow.client_conn.sockname
    return sockname[1] if sockname else 0


def _show_address_asked_for(exchange: Exchange) -> None:
    """mitmproxy has looked our address up by now; what people see is that of the request."""
    request = exchange.flow.request
    host = request.pretty_host
    if not host.isascii():
        # Bytes that are no UTF-8 would keep mitmproxy from saving the flow, and all with it.
        host = host.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    request.data.host, request.data.port = host, exchange.port_asked_for


async def _cut_off(handler: ConnectionHandler, exchange: Exchange) -> None:
    """End the client's stream, or over HTTP/1 its connection."""
    client = exchange.flow.client_conn
    transport = handler.transports.get(client)
    # With mitmproxy's own words: what is given here becomes the flow's error.
    killed = ResponseProtocolError(exchange.stream_id, Error.KILLED_MESSAGE, ErrorCode.KILL)
    await handler.server_event(Inject(exchange.server.conn, (killed,)))
    writer = transport.writer if transport else None
    if client.alpn != b"h2" and isinstance(writer, asyncio.StreamWriter):
        # mitmproxy would wait until the client has taken what was written so far.
        writer.transport.abort()


async def _send(response: http.Response, sink: Sink) -> None:
    headers = [(n, v) for n, v in response.headers.items() if n.lower() != "content-length"]
    await sink.whole(response.status_code, tuple(headers), response.content or b"")


def find_stream(top: layer.Layer, flow: http.HTTPFlow) -> Path:
    """The HTTP layers and streams that lead to a live flow, from ``top`` downwards.

    One pair where the flow's stream is in the connection's own stack, more where it is inside the
    streams of CONNECT tunnels; empty where it cannot be found.
    """
    return _find_in(top.context.layers, flow)


def _find_in(stack: Sequence[layer.Layer], flow: http.HTTPFlow) -> Path:
    for candidate in reversed(stack):
        if not isinstance(candidate, HttpLayer):
            continue
        for stream in reversed(candidate.streams.values()):
            if getattr(stream, "flow", None) is flow:
                return [(candidate, stream)]
            inner = stream.context.layers
            below = inner[inner.index(stream) + 1 :] if stream.child_layer else []
            if path := _find_in(below, flow):
                return [(candidate, stream), *path]
    return []
