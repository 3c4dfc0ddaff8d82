"""Does this mitmproxy work inside the way the bridge expects?

The bridge stands on parts of mitmproxy that are nobody's promise. This runs them once at start,
without a network: a request goes through a real HTTP layer into a real in-process server and a
streamed answer comes back out as bytes. It takes about a millisecond.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HTTPMode,
    HttpRequestHeadersHook,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.server import ConnectionHandler, TimeoutWatchdog
from mitmproxy.version import MITMPROXY

from llm_gateway.bridge.attach import find_stream
from llm_gateway.bridge.responses import make_response
from llm_gateway.bridge.server import Exchange, Inject, InProcessServer, in_process_connection

_ADDRESS = ("self-check.invalid", 80)
_REQUEST = b"GET / HTTP/1.1\r\nhost: self-check.invalid\r\n\r\n"
_ANSWER = b"streamed"
_HANDLER_METHODS = ("server_event", "drain_writers")


def self_check(proxyserver: Proxyserver, options: Options) -> Iterator[str]:
    """What is not as expected, in words; nothing when all is well."""
    missing = [name for name in _HANDLER_METHODS if not hasattr(ConnectionHandler, name)]
    if missing:
        yield f"{MITMPROXY}: ConnectionHandler has no {' and no '.join(missing)}"
    if not hasattr(TimeoutWatchdog, "disarm"):
        yield f"{MITMPROXY}: TimeoutWatchdog has no disarm"
    if not isinstance(getattr(proxyserver, "connections", None), dict):
        yield f"{MITMPROXY}: the proxyserver addon keeps no connections"
    try:
        sent = _exchange(options)
    except Exception as error:
        yield f"{MITMPROXY}: its HTTP layer failed with {type(error).__name__}: {error}"
    else:
        if not (sent.startswith(b"HTTP/1.1 200") and sent.endswith(_ANSWER)):
            yield f"{MITMPROXY}: its HTTP layer did not stream the answer"


def _exchange(options: Options) -> bytes:
    """One request and its answer; the bytes that the client would get."""
    client = Client(peername=("", 0), sockname=("", 0), state=ConnectionState.OPEN)
    context = Context(client, options)
    context.server.address = _ADDRESS
    http_layer = HttpLayer(context, HTTPMode.transparent)
    connection = in_process_connection(_ADDRESS, tls=False)
    begun: list[Exchange] = []
    server = InProcessServer(context.fork(), connection, begun.append, begun.remove, _fail)
    http_layer.connections[connection] = server
    _drive(http_layer, server, [events.Start(), events.DataReceived(client, _REQUEST)])
    (exchange,) = begun
    response = make_response(200, (("content-length", str(len(_ANSWER))),))
    response.stream = True
    answer = (
        ResponseHeaders(exchange.stream_id, response),
        ResponseData(exchange.stream_id, _ANSWER),
        ResponseEndOfMessage(exchange.stream_id),
    )
    return _drive(http_layer, server, [Inject(connection, (event,)) for event in answer])


def _drive(http_layer: HttpLayer, server: InProcessServer, given: Iterable[events.Event]) -> bytes:
    """Feed events, answer every hook, and collect what is sent."""
    sent = b""
    queue = list(given)
    while queue:
        for command in http_layer.handle_event(queue.pop(0)):
            if isinstance(command, HttpRequestHeadersHook):
                _attach(http_layer, server, command.flow)
            if isinstance(command, commands.StartHook):
                queue.insert(0, events.HookCompleted(command, None))
            elif isinstance(command, commands.SendData):
                sent += command.data
    return sent


def _attach(http_layer: HttpLayer, server: InProcessServer, flow: Any) -> None:
    path = find_stream(http_layer, flow)
    if not path:
        raise LookupError("a live flow is not found in its layer")
    stream_id = path[-1][1].stream_id
    server.exchanges[stream_id] = Exchange(flow, 80, server, stream_id, _no_answer, False, None)


def _fail(_: int, error: Exception) -> None:
    raise error


async def _no_answer(_: object) -> None:
    """The check answers by itself."""
