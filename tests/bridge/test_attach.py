"""The bridge finds a flow's layer, answers through it, and ends what was begun."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import tflow

from llm_gateway.api.http import Sink
from llm_gateway.bridge.attach import Bridge, find_stream
from llm_gateway.bridge.server import Answer, InProcessServer
from llm_gateway.inspect.bodies import BodyTap
from support.live import live_layer
from support.raw_http import RawConnection, plain_request, request_bytes
from support.waiting import Changes

HOST = "ai.localhost"


class House:
    """An addon that attaches every flow to `answer`."""

    def __init__(self, bridge: Bridge, handlers: dict[str, ConnectionHandler]) -> None:
        self.bridge = bridge
        self.handlers = handlers
        self.port = 0
        self.flows: list[http.HTTPFlow] = []
        self.errors: list[str] = []
        self.tap: type[BodyTap] | None = None
        self.at_once = False
        self.answer: Answer = hello
        self.in_hook: Callable[[http.HTTPFlow], None] = lambda flow: None
        self.changes = Changes()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        assert self.bridge.attach(
            flow, self.answer, self.tap(flow) if self.tap else None, at_once=self.at_once
        )
        self.in_hook(flow)
        self.changes.tell()

    def error(self, flow: http.HTTPFlow) -> None:
        assert flow.error is not None
        self.errors.append(flow.error.msg)
        self.bridge.cancel(flow)
        self.changes.tell()

    def client_disconnected(self, client: Client) -> None:
        self.bridge.client_gone(client)
        self.changes.tell()

    @property
    def idle(self) -> bool:
        """Whether the bridge has forgotten every exchange."""
        return not self.bridge._exchanges

    def connect(self) -> RawConnection:
        return RawConnection(self.port)


async def hello(sink: Sink) -> None:
    await sink.start(200, (("content-type", "text/plain"),))
    await sink.write(b"hel")
    await sink.write(b"lo")
    await sink.end()


async def hello_whole(sink: Sink) -> None:
    await sink.whole(200, (), b"hello")


class Waiting:
    """An answer that begins, if told so, and then waits for ever."""

    def __init__(self, *, begun: bool = False) -> None:
        self._begin = begun
        self.running = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, sink: Sink) -> None:
        if self._begin:
            await sink.start(200, ())
            await sink.write(b"begun")
        self.running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    handlers: dict[str, ConnectionHandler] = {}
    house = House(Bridge(handlers), handlers)
    async with live_layer(house, handlers) as live:
        house.port = live.port
        yield house


def get(host: str = HOST) -> bytes:
    return request_bytes("GET", "/", host=host)


def servers(house: House) -> list[tuple[str, int] | None]:
    """The addresses of the in-process servers of the only connection."""
    [handler] = house.handlers.values()
    [layer] = handler.layer.context.layers
    connections = getattr(layer, "connections")  # noqa: B009 - an HttpLayer, which mypy cannot know
    return [s.conn.address for s in connections.values() if isinstance(s, InProcessServer)]


async def test_an_answer_is_streamed_in_its_pieces(house: House) -> None:
    async with house.connect() as client:
        for _ in range(2):
            await client.send(get())
            head = await client.read_head()
            assert head.header("transfer-encoding") == "chunked"
            assert [piece async for piece in client.body(head)] == [b"hel", b"lo"]
    assert house.idle


async def test_all_requests_of_a_connection_share_a_server(house: House) -> None:
    async with house.connect() as client:
        for host in (HOST, HOST, "localhost"):
            await client.exchange(get(host))
        assert servers(house) == [("llm-gateway.invalid", house.port)]


@pytest.mark.parametrize("at_once", [True, False], ids=["refused", "served"])
async def test_what_a_connection_keeps_does_not_grow_with_the_names_it_is_asked_for(
    house: House, at_once: bool
) -> None:
    """A refusal may name any host; one of ours may be spelt in many ways."""
    house.at_once = at_once
    names = [f"h{n}.example" for n in range(30)] if at_once else [HOST.upper(), HOST.title(), HOST]
    async with house.connect() as client:
        for name in names:
            await client.exchange(get(name))
        assert len(servers(house)) == 1


async def test_the_clients_host_header_stays_as_it_came(house: House) -> None:
    async with house.connect() as client:
        await client.exchange(get(f"{HOST.upper()}:1234"))
    [flow] = house.flows
    assert flow.request.headers.get_all("host") == [f"{HOST.upper()}:1234"]
    assert flow.request.scheme == "http"
    assert flow.server_conn.connected


async def test_a_streamed_body_is_in_the_flow_when_a_tap_was_given(house: House) -> None:
    house.tap = BodyTap
    async with house.connect() as client:
        await client.exchange(get())
    assert house.flows[0].response is not None
    assert house.flows[0].response.content == b"hello"


async def test_what_came_before_the_client_left_is_in_the_flow(house: House) -> None:
    house.tap = BodyTap
    house.answer = waiting = Waiting(begun=True)
    async with house.connect() as client:
        await client.send(get())
        await client.read_head()
        await soon(waiting.running)
    await soon(waiting.cancelled)
    await house.changes.until(lambda: house.idle)
    assert house.flows[0].response is not None
    assert house.flows[0].response.content == b"begun"


async def test_an_answer_waits_for_the_body_unless_it_is_wanted_at_once(house: House) -> None:
    fields = (("Host", HOST), ("Content-Length", "4"))
    async with house.connect() as client:
        await client.send(plain_request("POST", "/", *fields))
        await house.changes.until(lambda: len(house.flows) == 1)
        assert not house.idle
        await client.send(b"body")
        assert (await client.read_head()).status == 200
    house.at_once = True
    house.in_hook = lambda flow: setattr(flow.request, "stream", lambda data: [])
    async with house.connect() as client:
        await client.send(plain_request("POST", "/", *fields))
        assert (await client.read_head()).status == 200


@pytest.mark.parametrize("begun", [False, True])
async def test_an_answer_is_cancelled_when_the_client_leaves(house: House, begun: bool) -> None:
    house.answer = waiting = Waiting(begun=begun)
    async with house.connect() as client:
        await client.send(get())
        await soon(waiting.running)
    await soon(waiting.cancelled)
    await house.changes.until(lambda: house.idle)


async def test_a_flow_can_be_cancelled_from_outside(house: House) -> None:
    house.answer = waiting = Waiting()
    async with house.connect() as client:
        await client.send(get())
        await soon(waiting.running)
        house.bridge.cancel(house.flows[0])
        await soon(waiting.cancelled)
        assert house.idle
        house.bridge.cancel(house.flows[0])


async def test_only_the_answers_of_the_client_that_left_are_cancelled(house: House) -> None:
    house.answer = leaves = Waiting()
    async with house.connect() as one, house.connect() as other:
        await one.send(get())
        await soon(leaves.running)
        house.answer = stays = Waiting()
        await other.send(get())
        await soon(stays.running)
        house.bridge.client_gone(house.flows[0].client_conn)
        await soon(leaves.cancelled)
        assert not stays.cancelled.is_set()


async def test_another_answer_can_take_over_before_the_first_has_begun(house: House) -> None:
    house.answer = never = Waiting()

    def take_over(data: bytes) -> list[bytes]:
        house.bridge.answer_now(house.flows[0], hello_whole)
        return []

    house.in_hook = lambda flow: setattr(flow.request, "stream", take_over)
    async with house.connect() as client:
        coding = ("Transfer-Encoding", "chunked")
        await client.send(plain_request("POST", "/", ("Host", HOST), coding) + b"1\r\nx\r\n")
        head = await client.read_head()
        assert await client.read_body(head) == b"hello"
        assert not never.running.is_set()


async def test_an_answer_that_fails_before_it_begins_is_a_500(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(sink: Sink) -> None:
        raise KeyError("made up")

    house.answer = fail
    async with house.connect() as client:
        head, body = await client.exchange(get())
        assert head.status == 500
        assert b'"internal_error"' in body
        assert b"made up" not in body
        house.answer = hello
        _, body = await client.exchange(get())
        assert body == b"hello"
    assert house.idle
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == [
        "Answering a request failed."
    ]


async def test_an_answer_that_fails_after_it_began_is_cut(house: House) -> None:
    async def fail(sink: Sink) -> None:
        await sink.start(200, ())
        await sink.write(b"begun")
        raise KeyError("made up")

    house.answer = fail
    async with house.connect() as client:
        await client.send(get())
        head = await client.read_head()
        with pytest.raises(asyncio.IncompleteReadError):
            await client.read_body(head)
    await house.changes.until(lambda: house.idle)


async def test_a_flow_without_a_live_connection_is_not_attached() -> None:
    bridge = Bridge({})
    assert not bridge.attach(tflow.tflow(), hello, None)
    bridge.cancel(tflow.tflow())


async def test_a_flow_that_is_not_in_its_clients_layer_is_not_attached(house: House) -> None:
    async with house.connect() as client:
        await client.exchange(get())
        [handler] = house.handlers.values()
        replayed = house.flows[0].copy()
        replayed.client_conn = handler.client
        assert not house.bridge.attach(replayed, hello, None)


async def test_a_disabled_bridge_attaches_nothing(house: House) -> None:
    attached: list[bool] = []

    def answer_whole(flow: http.HTTPFlow) -> None:
        house.bridge.cancel(flow)
        house.bridge.disable()
        attached.append(house.bridge.attach(flow, hello, None))
        flow.response = http.Response.make(200, b"whole")

    house.in_hook = answer_whole
    async with house.connect() as client:
        _, body = await client.exchange(get())
    assert body == b"whole"
    assert attached == [False]


async def test_a_flow_is_found_inside_the_streams_of_a_tunnel() -> None:
    handlers: dict[str, ConnectionHandler] = {}
    house = House(Bridge(handlers), handlers)
    depths: list[int] = []

    def measure(flow: http.HTTPFlow) -> None:
        [handler] = handlers.values()
        depths.append(len(find_stream(handler.layer, flow)))

    house.in_hook = measure
    async with live_layer(house, handlers, mode=["regular"]) as live:
        async with RawConnection(live.port) as client:
            authority = f"{HOST}:80"
            await client.send(plain_request("CONNECT", authority, ("Host", authority)))
            assert (await client.read_head()).status == 200
            for _ in range(2):
                _, body = await client.exchange(get())
                assert body == b"hello"
        await house.changes.until(lambda: house.idle)
    assert depths == [2, 2]
