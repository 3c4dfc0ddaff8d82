"""Who takes the time of a gateway, or its connections, loses them; nobody else notices.

The bounds are short here, and the close that a client waits for is the only clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from support import behaviours
from support.gate import Gate
from support.http2 import Http2Client
from support.raw_http import RawConnection, plain_request
from support.scene import (
    BEARER,
    HOST,
    MODEL,
    Scene,
    chat_request,
    error_of,
    get_request,
    open_scene,
)
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
JSON = ("Content-Type", "application/json")
HEAD, BODY, IDLE = 2.0, 2.0, 2.5
CANCEL = 8
PER_ADDRESS = 50
BOUNDS = f"bounds: {{head_time: {HEAD}s, body_time: {BODY}s, body_rate: 1MiB, idle: {IDLE}s}}"
LENGTH = plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, ("Content-Length", "100"))
CHUNKED = plain_request(
    "POST", CHAT, ("Host", HOST), BEARER, JSON, ("Transfer-Encoding", "chunked")
)
PING = get_request("/ping")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway with short bounds."""
    directory = tmp_path_factory.mktemp("gateway")
    async with open_scene(directory, gateway=BOUNDS, models=(MODEL, "slow")) as scene:
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway with few connections for each address."""
    directory = tmp_path_factory.mktemp("crowded")
    bounds = f"bounds: {{per_address: {PER_ADDRESS}}}"
    async with open_scene(directory, gateway=bounds, models=("slow",)) as scene:
        yield scene


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes connections in the end."""
    async with AsyncExitStack() as stack:
        yield stack


async def check_timeout(client: RawConnection, what: str) -> None:
    head = await client.read_head()
    assert head.status == 408
    assert head.header("connection") == "close"
    assert head.header("content-type") == "application/json"
    error = error_of(await client.read_json(head))
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_timeout")
    assert f"gateway.bounds.{what}" in error["message"]
    assert await client.read_to_end() == b""


async def ping(client: RawConnection) -> None:
    assert (await client.exchange(PING))[0].status == 200


def http2(scene: Scene) -> Http2Client:
    return Http2Client(scene.gateway.port, http2_context(scene.ca_file))


async def a_new_connection_without_a_request_is_closed_without_a_word(scene: Scene) -> None:
    async with scene.connect() as client:
        assert await client.read_to_end() == b""


async def a_connection_that_is_kept_alive_is_closed_without_a_word(scene: Scene) -> None:
    async with scene.connect() as client:
        await ping(client)
        assert await client.read_to_end() == b""


async def a_first_head_that_does_not_end_is_answered_408(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(PING[:-2])
        await check_timeout(client, "head_time")


async def another_head_that_does_not_end_is_answered_408(scene: Scene) -> None:
    async with scene.connect() as client:
        await ping(client)
        await client.send(PING[:-2])
        await check_timeout(client, "head_time")


async def a_body_that_does_not_begin_is_answered_408(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(LENGTH)
        await check_timeout(client, "body_time")


async def a_body_that_does_not_end_is_answered_408(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(LENGTH + b"{")
        await check_timeout(client, "body_time")


async def a_chunked_body_that_does_not_end_is_answered_408(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(CHUNKED + b"1\r\n{\r\n")
        await check_timeout(client, "body_time")


async def a_body_that_nobody_wants_keeps_no_connection_busy(scene: Scene) -> None:
    request = plain_request("POST", CHAT, ("Host", HOST), JSON, ("Content-Length", "100"))
    async with scene.connect() as client:
        await client.send(request)
        head = await client.read_head()
        assert head.status == 401
        await client.read_body(head)
        assert await client.read_to_end() == b""


async def a_client_that_trickles_gets_no_more_time(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(PING[:10])
        reading = asyncio.ensure_future(client.read_head())
        while not reading.done():
            await client.send(b"x")
            await asyncio.wait([reading], timeout=0.05)
        assert reading.result().status == 408


async def a_tls_handshake_that_does_not_end_is_closed(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(b"\x16\x03\x01\x02\x00\x01")
        assert await client.read_to_end() == b""


async def an_idle_http2_connection_is_told_to_go_away(scene: Scene) -> None:
    async with http2(scene) as client:
        stream = await client.exchange("GET", "/ping", [], authority=HOST)
        await stream.finished()
        await client.until(lambda: client.terminated)
        assert client.told_to_go


async def an_http2_connection_that_never_asks_is_told_to_go_away(scene: Scene) -> None:
    async with http2(scene) as client:
        await client.until(lambda: client.terminated)
        assert client.told_to_go


async def a_late_body_over_http2_costs_its_stream_and_no_other(scene: Scene) -> None:
    async with http2(scene) as client:
        admitted = await client.request("POST", CHAT, [BEARER, JSON], authority=HOST)
        refused = await client.request("POST", CHAT, [JSON], authority=HOST)
        await client.until(lambda: admitted.reset_code == refused.reset_code == CANCEL)
        assert (admitted.status, refused.status) == (None, 401)
        other = await client.exchange("GET", "/ping", [], authority=HOST)
        assert (await other.finished()).status == 200


async def an_answer_takes_as_long_as_it_takes(scene: Scene) -> None:
    """Nobody closes a connection whose client waits for a provider, or for the next event."""
    gate = Gate()
    scene.provider.script("slow", behaviours.numbered_events(2, gate))
    async with scene.connect() as client:
        await client.send(chat_request(model="slow"))
        for _ in range(2):
            async with scene.connect() as other:
                await ping(other)
                assert await other.read_to_end() == b"", "so much time is over"
            gate.allow()
        gate.open()
        assert len([event async for event in client.events(await client.read_head())]) > 2


FACTS = (
    a_new_connection_without_a_request_is_closed_without_a_word,
    a_connection_that_is_kept_alive_is_closed_without_a_word,
    a_first_head_that_does_not_end_is_answered_408,
    another_head_that_does_not_end_is_answered_408,
    a_body_that_does_not_begin_is_answered_408,
    a_body_that_does_not_end_is_answered_408,
    a_chunked_body_that_does_not_end_is_answered_408,
    a_body_that_nobody_wants_keeps_no_connection_busy,
    a_client_that_trickles_gets_no_more_time,
    a_tls_handshake_that_does_not_end_is_closed,
    an_idle_http2_connection_is_told_to_go_away,
    an_http2_connection_that_never_asks_is_told_to_go_away,
    a_late_body_over_http2_costs_its_stream_and_no_other,
    an_answer_takes_as_long_as_it_takes,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waiting(scene: Scene) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """All of them at once, since each mostly waits."""
    await open_connections(scene)
    tasks = {fact.__name__: asyncio.ensure_future(fact(scene)) for fact in FACTS}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def open_connections(scene: Scene) -> None:
    """What the first client of a process pays for is paid: a certificate, above all."""
    async with http2(scene) as client:
        await (await client.exchange("GET", "/ping", [], authority=HOST)).finished()


@pytest.mark.parametrize("fact", [fact.__name__ for fact in FACTS])
async def test_time_is_bounded(fact: str, waiting: dict[str, asyncio.Task[None]]) -> None:
    await waiting[fact]


async def test_what_was_late_went_to_no_provider(
    scene: Scene, waiting: dict[str, asyncio.Task[None]]
) -> None:
    await asyncio.gather(*waiting.values())
    assert len(scene.provider.requests) == 1, "the one that was slow itself"


async def begin(client: RawConnection) -> None:
    """Ask for an answer that begins and does not end."""
    await client.send(chat_request(model="slow"))
    assert (await client.read_head()).status == 200


async def test_who_has_waited_longest_without_a_request_makes_room(
    crowded: Scene, stack: AsyncExitStack
) -> None:
    crowded.provider.script("slow", behaviours.stalls_after(1))
    clients = [await stack.enter_async_context(crowded.connect()) for _ in range(PER_ADDRESS)]
    await begin(clients[0])
    for expected in clients[1:3]:
        one_more = await stack.enter_async_context(crowded.connect())
        assert await expected.read_to_end() == b""
        await begin(one_more)
        clients.append(one_more)
    for client in clients[3:PER_ADDRESS]:
        await begin(client)
    async with crowded.connect() as one_more:
        assert await one_more.read_to_end() == b"", "all have requests"
    await crowded.gateway.wait_output("1 to make room")
