"""The self-check says in words which inner part of mitmproxy is not as the bridge expects."""

from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.version import MITMPROXY

from llm_gateway.bridge.check import self_check
from support.live import proxy_options


def complaints(proxyserver: Any = None) -> list[str]:
    return list(self_check(proxyserver or Proxyserver(), proxy_options()))


def test_this_mitmproxy_is_as_expected() -> None:
    assert complaints() == []


def test_the_check_can_be_repeated() -> None:
    assert complaints() == complaints() == []


@pytest.mark.parametrize("name", ["server_event", "drain_writers"])
def test_a_method_of_the_handler_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(ConnectionHandler, name)
    assert complaints() == [f"{MITMPROXY}: ConnectionHandler has no {name}"]


def test_both_methods_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ConnectionHandler, "server_event")
    monkeypatch.delattr(ConnectionHandler, "drain_writers")
    assert complaints() == [
        f"{MITMPROXY}: ConnectionHandler has no server_event and no drain_writers"
    ]


def test_the_connections_are_missing() -> None:
    assert complaints(object()) == [f"{MITMPROXY}: the proxyserver addon keeps no connections"]


def test_the_layer_looks_servers_up_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: HttpLayer, event: object, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        raise RuntimeError(f"no way to connect for {type(event).__name__}, {reuse}")
        yield

    monkeypatch.setattr(HttpLayer, "get_connection", refuse)
    [complaint] = complaints()
    assert complaint.startswith(f"{MITMPROXY}: its HTTP layer failed with RuntimeError: no way")


def test_the_layer_keeps_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        HttpLayer, "streams", property(lambda _: {}, lambda *_: None), raising=False
    )
    [complaint] = complaints()
    assert f"{MITMPROXY}: its HTTP layer failed with" in complaint


def test_the_stream_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow(_: HttpStream, event: object) -> Iterator[Any]:
        del event
        yield from ()

    monkeypatch.setattr(HttpStream, "state_stream_response_body", swallow)
    assert complaints() == [f"{MITMPROXY}: its HTTP layer did not stream the answer"]


def test_several_things_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ConnectionHandler, "server_event")
    assert len(complaints(object())) == 2
