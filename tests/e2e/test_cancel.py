"""A client that leaves takes its call to the provider with it, within a second, in every phase."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from support import behaviours
from support.gate import Gate
from support.http2 import Http2Client, Http2Stream
from support.raw_http import RawConnection
from support.recording_server import Handler, Received
from support.scene import BEARER, HOST, MODEL, Scene, chat_body, chat_request
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN = 2.0
"""Seconds: the promise is one, the other is for a machine that does other things as well."""

JSON = ("content-type", "application/json")


@dataclass(frozen=True)
class Phase:
    """A moment in the life of an answer: how the provider gets there and stays."""

    handler: Callable[[], Handler]
    stream: bool
    events: int
    """How many events the client has when it leaves."""


PHASES = {
    "waiting for headers": Phase(behaviours.never_answers, stream=True, events=0),
    "before the first event": Phase(lambda: behaviours.stalls_after(0), stream=True, events=0),
    "mid-stream": Phase(lambda: behaviours.stalls_after(2), stream=True, events=2),
    "waiting for a whole answer": Phase(behaviours.never_answers, stream=False, events=0),
    "mid-answer": Phase(lambda: behaviours.json_cut("stall"), stream=False, events=0),
}
phases = pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)


async def gone(received: Received) -> None:
    """Wait until the gateway has closed this call's connection."""
    async with asyncio.timeout(WITHIN):
        await received.closed.wait()


async def next_request(scene: Scene, before: int) -> Received:
    return await scene.provider.request(before + 1)


async def read_events(client: RawConnection, count: int) -> None:
    if count:
        events = client.events(await client.read_head())
        for _ in range(count):
            assert json.loads(await anext(events))["object"] == "chat.completion.chunk"


@phases
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_client_that_leaves_over_http1(
    scene: Scene, phase: Phase, way: Literal["close", "reset"]
) -> None:
    scene.provider.script(MODEL, phase.handler())
    before = len(scene.provider.requests)
    async with scene.connect() as client:
        await client.send(chat_request(stream=phase.stream))
        received = await next_request(scene, before)
        await read_events(client, phase.events)
        assert not received.closed.is_set()
        if way == "close":
            await client.close()
        else:
            client.abort()
        await gone(received)


@pytest.mark.parametrize("ahead", [50_000, 300_000])
async def test_a_client_that_has_sent_ahead_and_leaves_is_noticed(scene: Scene, ahead: int) -> None:
    scene.provider.script(MODEL, behaviours.never_answers())
    before = len(scene.provider.requests)
    async with scene.connect() as client:
        await client.send(chat_request() + chat_request("x" * ahead))
        received = await next_request(scene, before)
        await client.close()
        await gone(received)


async def test_a_client_that_leaves_in_the_middle_of_much_unread_data(scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.big_stream(50_000_000))
    before = len(scene.provider.requests)
    async with scene.connect(receive_buffer=16 * 1024) as client:
        await client.send(chat_request())
        received = await next_request(scene, before)
        await client.read_head()
        client.abort()
        await gone(received)


async def test_a_client_that_leaves_while_it_sends_is_forgotten(scene: Scene) -> None:
    request = chat_request()
    async with scene.connect() as client:
        await client.send(request[:-5])
    async with scene.connect() as client:
        head, _ = await client.exchange(request)
        assert head.status == 200


async def begin(client: Http2Client, text: str, **fields: Any) -> Http2Stream:
    body = json.dumps(chat_body(text, **fields)).encode()
    return await client.exchange(
        "POST", "/v1/chat/completions", [BEARER, JSON], body, authority=HOST
    )


@phases
async def test_a_stream_that_is_reset_over_http2(scene: Scene, phase: Phase) -> None:
    gate = Gate()
    table = {"leaves": phase.handler(), "stays": behaviours.numbered_events(3, gate)}
    scene.provider.script(MODEL, behaviours.by_text(table))
    before = len(scene.provider.requests)
    async with Http2Client(scene.gateway.port, http2_context(scene.ca_file)) as client:
        leaves = await begin(client, "leaves", stream=phase.stream)
        received = await next_request(scene, before)
        stays = await begin(client, "stays")
        await gate.release()
        await stays.received(1)
        await leaves.received(phase.events)
        await leaves.reset()
        await gone(received)
        gate.open()
        assert (await stays.finished()).events[-1] == "[DONE]"
        assert not leaves.ended


@phases
@pytest.mark.parametrize("way", ["close", "goaway"])
async def test_a_connection_that_ends_over_http2(
    scene: Scene, phase: Phase, way: Literal["close", "goaway"]
) -> None:
    scene.provider.script(MODEL, phase.handler())
    before = len(scene.provider.requests)
    async with Http2Client(scene.gateway.port, http2_context(scene.ca_file)) as client:
        streams = [await begin(client, f"{n}", stream=phase.stream) for n in range(2)]
        calls = [await scene.provider.request(before + n) for n in (1, 2)]
        for stream in streams:
            await stream.received(phase.events)
        if way == "close":
            await client.close()
        else:
            await client.go_away()
        for received in calls:
            await gone(received)


async def test_a_stream_that_is_reset_while_its_window_is_closed(scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.big_stream(20_000_000))
    before = len(scene.provider.requests)
    context = http2_context(scene.ca_file)
    async with Http2Client(scene.gateway.port, context, window=1000) as client:
        stream = await begin(client, "much")
        received = await next_request(scene, before)
        await client.until(lambda: len(stream.body) == 1000)
        await stream.reset()
        await gone(received)


async def test_nothing_is_left_open_afterwards(scene: Scene) -> None:
    """The gateway gives every connection back or closes it: a last call finds a clean house."""
    scene.provider.script(MODEL, behaviours.numbered_events(1))
    async with scene.connect() as client:
        head, _ = await client.exchange(chat_request())
        assert head.status == 200
    await scene.provider.until(lambda: scene.provider.open_connections <= 1, WITHIN)
