"""Puts our own HTTP/1 and HTTP/2 servers in the place of mitmproxy's, and tries whether they work.

mitmproxy's HTTP layer makes one of them for each client's connection, by the names that stand in
its module. They are parts that nobody promises: on another mitmproxy the check says what is
different, and its own ones are put back, which bound nothing.
"""

from collections.abc import Callable, Iterator
from functools import partial

from mitmproxy.connection import Client, ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import HttpRequestHeadersHook
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.version import MITMPROXY

from llm_gateway.bridge.http1 import ClientHttp1
from llm_gateway.bridge.http2 import ClientHttp2
from llm_gateway.config.values import Gateway

_HTTP1 = b"GET / HTTP/1.1\r\nhost: self-check.invalid\r\n"
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
_HTTP2_PINGS = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
_PINGS = 4000


def guard_clients(gateway: Callable[[], Gateway]) -> None:
    """Serve connections by bounds from now on: those of ``gateway``, the current configuration."""
    layers.Http1Server = partial(ClientHttp1, gateway)  # type: ignore[misc,assignment] # a name in mitmproxy's module
    layers.Http2Server = partial(ClientHttp2, gateway)  # type: ignore[misc,assignment] # as above


def unguard_clients() -> None:
    """Serve them as mitmproxy does."""
    layers.Http1Server = Http1Server  # type: ignore[misc] # a name in mitmproxy's module
    layers.Http2Server = Http2Server  # type: ignore[misc] # as above


def guard_check(options: Options) -> Iterator[str]:
    """What of it does not work in this mitmproxy, in words; nothing when all is well.

    It is tried with the default bounds; what stood in mitmproxy's module stands there again.
    """
    before = layers.Http1Server, layers.Http2Server
    guard_clients(Gateway)
    try:
        yield from _complaints(options)
    finally:
        layers.Http1Server, layers.Http2Server = before  # type: ignore[misc] # as above


def _complaints(options: Options) -> Iterator[str]:
    endless = _HTTP1 + b"x: " + b"y" * Gateway().bounds.header_bytes
    checks: tuple[tuple[str, bytes | None, bytes, bytes], ...] = (
        ("HTTP/1 request", None, _HTTP1 + b"\r\n", HttpRequestHeadersHook.name.encode()),
        ("endless head", None, endless, b"HTTP/1.1 431 "),
        ("HTTP/2 connection", b"h2", _HTTP2, b"\x04\x01"),
        ("flood of frames", b"h2", _HTTP2 + _HTTP2_PINGS * _PINGS, b"too many frames"),
    )
    for name, alpn, sent, expected in checks:
        try:
            answer = _answer(options, alpn, sent)
        except Exception as error:
            yield f"{MITMPROXY}: {name}: {type(error).__name__}: {error}"
        else:
            if expected not in answer:
                yield f"{MITMPROXY}: {name}: not answered as it should be"


def _answer(options: Options, alpn: bytes | None, sent: bytes) -> bytes:
    """What a connection answers to these bytes, and the names of the hooks that it comes to."""
    client = Client(peername=("", 0), sockname=("", 0), state=ConnectionState.OPEN, alpn=alpn)
    http_layer = layers.HttpLayer(Context(client, options), layers.HTTPMode.transparent)
    http_layer.context.server.address = ("self-check.invalid", 80)
    answer = b""
    for event in (events.Start(), events.DataReceived(client, sent)):
        for command in http_layer.handle_event(event):
            if isinstance(command, commands.SendData):
                answer += command.data
            elif isinstance(command, commands.StartHook):
                answer += command.name.encode()
    return answer
