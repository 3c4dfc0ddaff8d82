"""Killing an attempt, or its client's flow, while it is under way."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from mitmproxy import http
from mitmproxy.flow import Error
from mitmproxy.test import taddons, tflow

from llm_gateway.bridge.kill import wake_on_kill
from llm_gateway.errors import Retry, UpstreamConnectionError
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.patience import Patience
from llm_gateway.wire import JSON, UpstreamRequest, UpstreamResponse, read_whole
from support.fakes import LABEL, FakeResponse, FakeWire
from support.waiting import DEADLINE

REQUEST = UpstreamRequest("POST", "https://p.invalid/v1/chat/completions", (), b"{}", LABEL)


class House:
    """An addon that notes attempts and how they end, and the publisher of its master."""

    publisher: Publisher

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []
        self.over = asyncio.Event()
        self.in_hook: Callable[[http.HTTPFlow], None] = lambda flow: None

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self.in_hook(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self.over.set()

    async def failed(self) -> str:
        """Wait for the end of the only attempt, and return its error."""
        async with asyncio.timeout(DEADLINE):
            await self.over.wait()
        [flow] = self.flows
        assert flow.error is not None
        return flow.error.msg


@pytest.fixture
def house() -> Iterator[House]:
    wake_on_kill()
    house = House()
    with taddons.context(house) as context:
        house.publisher = Publisher(context.master.addons, lambda: True)
        yield house


def send(house: House, wire: FakeWire) -> asyncio.Future[UpstreamResponse]:
    return asyncio.ensure_future(house.publisher.wrap(wire).send(REQUEST, Patience()))


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


def check(error: BaseException | None) -> None:
    """It was ended by hand, so nobody tries again."""
    assert isinstance(error, UpstreamConnectionError)
    assert error.retry is Retry.NEVER
    assert error.message == "The attempt was killed by hand."


async def test_an_attempt_that_waits_for_its_provider(house: House) -> None:
    wire = FakeWire(asyncio.Event())
    call = send(house, wire)
    await soon(wire.waiting)
    house.flows[0].kill()
    await asyncio.wait([call])
    check(call.exception())
    assert await house.failed() == Error.KILLED_MESSAGE


async def test_an_attempt_that_reads_a_whole_answer(house: House) -> None:
    response = FakeResponse(b"{", asyncio.Event(), content_type=JSON)
    call = send(house, FakeWire(response))
    await soon(response.waiting)
    house.flows[0].kill()
    await asyncio.wait([call])
    check(call.exception())
    assert response.closed


@pytest.mark.parametrize("reading", [True, False])
async def test_a_stream_ends_whether_it_is_read_or_not(house: House, reading: bool) -> None:
    upstream = FakeResponse(b"data: 1\n\n", asyncio.Event())
    response = await send(house, FakeWire(upstream))
    assert await response.read() == b"data: 1\n\n"
    read = asyncio.ensure_future(response.read()) if reading else None
    if reading:
        await soon(upstream.waiting)
    house.flows[0].kill()
    assert upstream.closed
    assert await house.failed() == Error.KILLED_MESSAGE
    read = read or asyncio.ensure_future(response.read())
    await asyncio.wait([read])
    check(read.exception())
    response.close()
    assert house.flows[0].response is not None
    assert house.flows[0].response.content == b"data: 1\n\n"


async def test_a_stream_that_is_over_cannot_be_killed(house: House) -> None:
    response = await send(house, FakeWire(FakeResponse(b"data: 1\n\n")))
    await read_whole(response)
    assert not house.flows[0].killable


@pytest.mark.parametrize("stream", [True, False])
async def test_an_attempt_says_that_its_clients_flow_was_killed(house: House, stream: bool) -> None:
    client = tflow.tflow()
    client.live = True
    house.publisher.client(LABEL.exchange, client)
    upstream = FakeResponse(b"data: 1\n\n", asyncio.Event())
    wire = FakeWire(upstream) if stream else FakeWire(asyncio.Event())
    call = send(house, wire)
    await (asyncio.wait([call]) if stream else soon(wire.waiting))
    client.kill()
    if stream:
        (await call).close()
    else:
        call.cancel()
    assert await house.failed() == "broken off: the client's flow was killed by hand"


async def test_an_attempt_that_nobody_waits_for_is_not_left_held(house: House) -> None:
    """A stream has passed by the time that its response can be intercepted."""
    house.in_hook = lambda flow: flow.intercept()
    response = await send(house, FakeWire(FakeResponse(b"data: 1\n\n")))
    await read_whole(response)
    assert not house.flows[0].intercepted


async def test_an_attempt_that_was_broken_off_while_it_was_held_is_not_left_held(
    house: House,
) -> None:
    house.in_hook = lambda flow: flow.intercept()
    call = send(house, FakeWire(FakeResponse(b"{}", content_type=JSON)))
    await asyncio.sleep(0)
    assert house.flows[0].intercepted
    call.cancel()
    await house.failed()
    assert not house.flows[0].intercepted
