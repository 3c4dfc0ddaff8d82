"""The in-process server takes requests from mitmproxy's layer and gives answers back to it."""

from collections.abc import Iterator

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    HttpEvent,
    ReceiveHttp,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
)
from mitmproxy.test import tflow, tutils

from llm_gateway.api.http import Sink
from llm_gateway.bridge.server import Exchange, Inject, InProcessServer, in_process_connection
from support.live import proxy_options

STREAM = 3


async def no_answer(_: Sink) -> None:
    """Never called here."""


class House:
    """A server with one exchange; notes what is begun, cancelled and failed."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.begun: list[Exchange] = []
        self.cancelled: list[Exchange] = []
        context = Context(tflow.tclient_conn(), proxy_options())
        connection = in_process_connection(("ai.localhost", 80), tls=False)
        self.failed: list[tuple[int, Exception]] = []
        self.server = InProcessServer(
            context,
            connection,
            self.begin,
            self.cancelled.append,
            lambda number, error: self.failed.append((number, error)),
        )
        self.exchange = Exchange(tflow.tflow(), 80, self.server, STREAM, no_answer, at_once, None)
        self.server.exchanges[STREAM] = self.exchange

    def begin(self, exchange: Exchange) -> None:
        exchange.begun = True
        self.begun.append(exchange)

    def feed(self, event: events.Event) -> list[HttpEvent]:
        """What the layer is told in reply."""
        return list(self._told(event))

    def _told(self, event: events.Event) -> Iterator[HttpEvent]:
        for command in self.server.handle_event(event):
            assert isinstance(command, ReceiveHttp)
            yield command.event


def head(stream_id: int = STREAM, *, end: bool = False) -> RequestHeaders:
    return RequestHeaders(stream_id, tutils.treq(), end)


def test_the_connection_looks_open_and_shared() -> None:
    """mitmproxy reuses it for all streams of an HTTP/2 client only if it speaks HTTP/2 itself."""
    connection = in_process_connection(("ai.localhost", 80), tls=True)
    assert connection.connected
    assert connection.state is ConnectionState.OPEN
    assert (connection.address, connection.tls, connection.alpn) == (
        ("ai.localhost", 80),
        True,
        b"h2",
    )


def test_an_answer_begins_when_the_request_is_complete() -> None:
    house = House()
    for event in (head(), RequestData(STREAM, b"body")):
        assert house.feed(event) == []
    assert house.begun == []
    assert house.feed(RequestEndOfMessage(STREAM)) == []
    assert house.begun == [house.exchange]


def test_an_answer_that_is_wanted_at_once_begins_with_the_head_and_only_once() -> None:
    house = House(at_once=True)
    for event in (head(), RequestData(STREAM, b"body"), RequestEndOfMessage(STREAM)):
        house.feed(event)
    assert house.begun == [house.exchange]


def test_a_client_that_leaves_cancels_its_exchange() -> None:
    house = House()
    house.feed(head())
    house.feed(RequestProtocolError(STREAM, "gone", ErrorCode.CLIENT_DISCONNECTED))
    assert house.cancelled == [house.exchange]


def test_events_that_come_late_are_ignored() -> None:
    house = House()
    house.server.exchanges.clear()
    for event in (
        RequestData(STREAM, b"x"),
        RequestEndOfMessage(STREAM),
        RequestProtocolError(STREAM, "gone", ErrorCode.CANCEL),
    ):
        assert house.feed(event) == []
    assert house.begun == house.cancelled == []


def test_injected_events_are_passed_to_the_layer_in_order() -> None:
    house = House()
    data = (ResponseData(STREAM, b"a"), ResponseData(STREAM, b"b"))
    assert house.feed(Inject(house.server.conn, data)) == list(data)


def test_the_exchange_knows_when_the_head_has_come() -> None:
    house = House()
    assert not house.exchange.announced
    house.feed(head())
    assert house.exchange.announced


@pytest.mark.parametrize("end", [True, False])
def test_a_request_that_was_never_attached_fails_once(
    end: bool, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    stream_id = STREAM + 2
    for event in (head(stream_id, end=end), RequestEndOfMessage(stream_id)):
        assert house.feed(event) == []
    [(number, error)] = house.failed
    assert number == stream_id
    assert isinstance(error, LookupError)
    assert "The bridge failed on RequestHeaders." in caplog.text


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_cannot_begin_fails_once_and_later(at_once: bool) -> None:
    """A second answer, or one in the middle of an event, would break mitmproxy's stream."""
    house = House(at_once=at_once)
    made_up = KeyError("made up")

    def fail(_: Exchange) -> None:
        raise made_up

    house.server.begin = fail
    for event in (head(), RequestData(STREAM, b"x"), RequestEndOfMessage(STREAM)):
        assert house.feed(event) == []
    assert house.failed == [(STREAM, made_up)]
    assert house.server.exchanges == {}
