"""Our servers stand in mitmproxy's place, and where they cannot, that is noticed."""

from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.version import MITMPROXY

from llm_gateway.bridge import guard
from llm_gateway.bridge.guard import guard_check, guard_clients, unguard_clients
from llm_gateway.bridge.http1 import ClientHttp1
from llm_gateway.bridge.http2 import ClientHttp2
from llm_gateway.config.values import Gateway
from support.live import proxy_options

GATEWAY = Gateway()


@pytest.fixture(autouse=True)
def stock_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with mitmproxy's own servers, and leave what was there."""
    monkeypatch.setattr(layers, "Http1Server", Http1Server)
    monkeypatch.setattr(layers, "Http2Server", Http2Server)


def complaints() -> list[str]:
    return list(guard_check(proxy_options()))


def test_this_mitmproxy_is_as_expected() -> None:
    assert complaints() == []


def test_the_check_leaves_what_was_there() -> None:
    guard_clients(lambda: GATEWAY)
    before = layers.Http1Server, layers.Http2Server
    assert complaints() == []
    assert (layers.Http1Server, layers.Http2Server) == before


def test_mitmproxy_alone_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "guard_clients", lambda _: None)
    assert complaints() == [
        f"{MITMPROXY}: endless head: not answered as it should be",
        f"{MITMPROXY}: flood of frames: not answered as it should be",
    ]


def test_it_can_be_taken_back() -> None:
    guard_clients(lambda: GATEWAY)
    unguard_clients()
    assert (layers.Http1Server, layers.Http2Server) == (Http1Server, Http2Server)


def test_a_server_that_cannot_be_made_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("other arguments")

    monkeypatch.setattr(ClientHttp2, "__init__", fail)
    assert complaints() == [
        f"{MITMPROXY}: HTTP/2 connection: TypeError: other arguments",
        f"{MITMPROXY}: flood of frames: TypeError: other arguments",
    ]


def test_a_server_that_reads_heads_elsewhere_is_a_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ignore(_: ClientHttp1, __: object) -> Iterator[Any]:
        yield from ()

    monkeypatch.setattr(ClientHttp1, "read_headers", ignore)
    assert complaints() == [
        f"{MITMPROXY}: HTTP/1 request: not answered as it should be",
        f"{MITMPROXY}: endless head: not answered as it should be",
    ]
