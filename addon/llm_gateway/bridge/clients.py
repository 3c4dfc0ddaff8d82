"""What clients still wait for, seen in mitmproxy's own state.

The task that answers a request is done before its answer has left: the hooks of other addons come
after it, and then the bytes wait for the client's socket or, over HTTP/2, for its window.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import TCPLayer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.bridge.server import InProcessServer


class LiveClients:
    """The clients that are connected now, as far as they talk to us."""

    def __init__(
        self, handlers: Mapping[Any, ConnectionHandler], counts: Callable[[http.HTTPFlow], bool]
    ) -> None:
        """``handlers`` as for the bridge; ``counts`` tells which flows are waited for."""
        self._handlers = handlers
        self._counts = counts
        self._transports: set[asyncio.WriteTransport] = set()

    def waiting(self) -> int:
        """How many flows that count have no complete answer."""
        return sum(1 for _ in self._flows())

    def busy(self) -> bool:
        """Whether somebody waits, or part of an answer waits for its client to take it.

        To be asked again and again: it keeps in mind what it has seen.
        """
        behind_window = [self._look(handler) for handler in self._handlers.values()]
        # Those of connections that were closed meanwhile as well: mitmproxy has forgotten them,
        # and what they hold is still on its way.
        behind_socket = [transport.get_write_buffer_size() for transport in self._transports]
        return bool(self.waiting()) or any(behind_window) or any(behind_socket)

    def let_go(self) -> None:
        """Resume every flow that counts and is intercepted."""
        for flow in list(self._flows()):
            flow.resume()

    def hang_up(self) -> None:
        """Close every connection, as mitmproxy itself does with those that are silent too long."""
        for handler in list(self._handlers.values()):
            transport = handler.transports.get(handler.client)
            if transport is not None and transport.handler is not None:
                transport.handler.cancel("the gateway stops")

    def connected(self) -> bool:
        """Whether mitmproxy has anything left to do for a connection."""
        return bool(self._handlers)

    def _flows(self) -> Iterator[http.HTTPFlow]:
        for handler in self._handlers.values():
            for http_layer in http_layers(handler.layer.context.layers):
                for stream in http_layer.streams.values():
                    flow = getattr(stream, "flow", None)
                    # One that was killed is no longer live, but stays with its connection.
                    if flow is not None and flow.live and self._counts(flow):
                        yield flow

    def _look(self, handler: ConnectionHandler) -> bool:
        """Whether something waits for this connection's windows; its socket is kept in mind."""
        ours = [
            http_layer
            for http_layer in http_layers(handler.layer.context.layers)
            if any(isinstance(each, InProcessServer) for each in http_layer.connections.values())
        ]
        transport = transport_of(handler)
        if ours and transport is not None:
            self._transports.add(transport)
        return any(map(_behind_window, ours))


def transport_of(handler: ConnectionHandler) -> asyncio.WriteTransport | None:
    """The client's socket; None if it has been closed, or is no TCP."""
    io = handler.transports.get(handler.client)
    writer = io.writer if io is not None else None
    return writer.transport if isinstance(writer, asyncio.StreamWriter) else None


def unsent(handler: ConnectionHandler, transport: asyncio.WriteTransport | None) -> int:
    """The bytes that wait for the client's socket, or over HTTP/2 for its windows."""
    waiting = transport.get_write_buffer_size() if transport is not None else 0
    return waiting + sum(map(_behind_window, http_layers(handler.layer.context.layers)))


def _behind_window(http_layer: HttpLayer) -> int:
    client_layer = http_layer.connections.get(http_layer.context.client)
    if not isinstance(client_layer, Http2Server):
        return 0
    buffers = client_layer.h2_conn.stream_buffers.values()
    return sum(len(each.data) for buffered in buffers for each in buffered)


def http_layers(stack: Sequence[layer.Layer]) -> Iterator[HttpLayer]:
    """The HTTP layers of a connection, those in its CONNECT tunnels included."""
    return (each for each in _layers(stack) if isinstance(each, HttpLayer))


def is_ignored(stack: Sequence[layer.Layer]) -> bool:
    """Whether mitmproxy passes on what it does not look at (``ignore_hosts``): no hook tells."""
    return any(isinstance(each, TCPLayer) and each.flow is None for each in _layers(stack))


def _layers(stack: Sequence[layer.Layer]) -> Iterator[layer.Layer]:
    for candidate in stack:
        yield candidate
        if not isinstance(candidate, HttpLayer):
            continue
        for stream in candidate.streams.values():
            if stream.child_layer is not None:
                inner = stream.context.layers
                yield from _layers(inner[inner.index(stream) + 1 :])
