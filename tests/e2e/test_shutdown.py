"""How the gateway ends: it takes nothing new, lets streams finish, and cuts none without a word."""

import json
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support import behaviours
from support.gate import Gate
from support.http2 import Http2Client, Http2Stream
from support.mitmweb import Mitmweb
from support.openai_shapes import completion, message, usage
from support.process import Gateway
from support.raw_http import Head, RawConnection
from support.recording_server import Handler, Received, Reply
from support.scene import (
    BEARER,
    HOST,
    MODEL,
    Scene,
    chat_body,
    chat_request,
    error_of,
    get_request,
    open_scene,
)
from support.tls import http2_context

STREAMS = 50
SOON = 1.5
"""Seconds in which what is to happen at once has happened, on a machine that has other work."""
BOUND = 1.0
LONG = "drain: 60s"
SHORT = f"drain: {BOUND:g}s"
MEGABYTES = 4 * 1024 * 1024
SHUTDOWN = {
    "message": "The gateway is shutting down.",
    "type": "server_error",
    "param": None,
    "code": "gateway_shutdown",
}


async def stop(gateway: Gateway, waiting: int, by: signal.Signals = signal.SIGTERM) -> None:
    """Tell it to stop, and wait until it says for how many requests it waits."""
    gateway.signal(by)
    plural = "" if waiting == 1 else "s"
    await gateway.wait_output(f"Stopping after {waiting} request{plural} under way")


class Clients:
    """Connections that are closed in the end."""

    def __init__(self, scene: Scene, stack: AsyncExitStack) -> None:
        self._scene = scene
        self._stack = stack

    async def connect(self, **options: Any) -> RawConnection:
        return await self._stack.enter_async_context(self._scene.connect(**options))

    async def ask(self, request: bytes, **options: Any) -> RawConnection:
        client = await self.connect(**options)
        await client.send(request)
        return client

    async def connect_http2(self) -> Http2Client:
        tls = http2_context(self._scene.ca_file)
        return await self._stack.enter_async_context(Http2Client(self._scene.gateway.port, tls))


async def begin_http2(client: Http2Client, text: str) -> Http2Stream:
    body = json.dumps(chat_body(text)).encode()
    fields = [BEARER, ("content-type", "application/json")]
    return await client.exchange("POST", "/v1/chat/completions", fields, body, authority=HOST)


async def events_of(client: RawConnection, head: Head) -> list[str]:
    """The rest of a stream that ends as streams do: with [DONE] and a proper last chunk."""
    *events, done = [event async for event in client.events(head)]
    assert done == "[DONE]"
    return events


def texts_of(*events: str) -> list[str]:
    choices = [json.loads(event)["choices"] for event in events]
    return [choice[0]["delta"]["content"] for choice in choices if choice[0]["delta"]]


def check_503(head: Head, answer: Any) -> None:
    assert head.status == 503
    assert error_of(answer) == SHUTDOWN
    assert head.header("retry-after") == "1"
    assert head.header("connection") == "close"


async def test_streams_under_way_finish_and_nothing_new_is_taken(tmp_path: Path) -> None:
    """The process ends as soon as the last of them has its end."""
    gate = Gate()
    async with open_scene(tmp_path, gateway=LONG) as scene, AsyncExitStack() as stack:
        scene.provider.script(MODEL, behaviours.numbered_events(2, gate))
        clients = Clients(scene, stack)
        idle = await clients.connect()
        assert (await idle.exchange(get_request("/ping")))[0].status == 200
        streams = [await clients.ask(chat_request(f"s{n}")) for n in range(STREAMS)]
        gate.allow()
        heads = [await client.read_head() for client in streams]
        await stop(scene.gateway, STREAMS)
        with pytest.raises(ConnectionRefusedError):
            await clients.connect()
        head, body = await idle.exchange(chat_request())
        check_503(head, json.loads(body))
        assert await idle.read_to_end() == b""
        gate.open()
        for number, (client, head) in enumerate(zip(streams, heads, strict=True)):
            texts = texts_of(*await events_of(client, head))
            assert texts == [f"s{number}#1 ", f"s{number}#2 "]
        began = time.monotonic()
        assert await scene.gateway.wait_exit() == 0
        assert time.monotonic() - began < SOON
        assert len(scene.provider.requests) == STREAMS
        assert "still under way" not in scene.gateway.output()


@pytest.mark.parametrize("by", ["the bound", "SIGTERM", "SIGINT"])
async def test_what_outstays_the_bound_or_a_second_signal_ends_in_words(
    tmp_path: Path, by: str
) -> None:
    """A stream with an error event, what has not begun with a 503; the provider is left."""
    number = signal.SIGTERM if by == "the bound" else signal.Signals[by]
    drain, least = (SHORT, BOUND) if by == "the bound" else (LONG, 0.0)
    stalls = {"stream": behaviours.stalls_after(1), "silent": behaviours.never_answers()}
    async with open_scene(tmp_path, gateway=drain) as scene, AsyncExitStack() as stack:
        scene.provider.script(MODEL, behaviours.by_text(stalls))
        clients = Clients(scene, stack)
        streams = [await clients.ask(chat_request("stream")) for _ in range(STREAMS)]
        heads = [await client.read_head() for client in streams]
        silent = [await clients.ask(chat_request("silent", stream=s)) for s in (True, False)]
        http2 = await clients.connect_http2()
        stream = await begin_http2(http2, "stream")
        await stream.received(1)
        calls = STREAMS + len(silent) + 1
        await scene.provider.request(calls)

        began = time.monotonic()
        await stop(scene.gateway, calls, number)
        refused = await (await begin_http2(http2, "stream")).finished()
        assert (refused.status, refused.header("retry-after")) == (503, "1")
        assert error_of(refused.json) == SHUTDOWN
        if by != "the bound":
            scene.gateway.signal(number)
        for client, head in zip(streams, heads, strict=True):
            first, error = await events_of(client, head)
            assert texts_of(first) == ["stream#1 "]
            assert error_of(json.loads(error)) == SHUTDOWN
        _, error, done = (await stream.finished()).events
        assert (error_of(json.loads(error)), done) == (SHUTDOWN, "[DONE]")
        for client in silent:
            head = await client.read_head()
            check_503(head, await client.read_json(head))
        assert await scene.gateway.wait_exit() == 0
        assert least < time.monotonic() - began < least + SOON

        await scene.provider.until(lambda: scene.provider.open_connections == 0)
        assert len(scene.provider.requests) == calls
        output = scene.gateway.output()
        assert f"Ending {calls} requests still under way" in output
        assert output.count(" 200 gateway_shutdown ttft ") == STREAMS + 1
        assert output.count(" 503 gateway_shutdown total ") == len(silent) + 1


def megabytes(gate: Gate) -> Handler:
    """An answer that no socket takes at once."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.unless_gone(gate.hold(1))
        answer = message("x" * MEGABYTES)
        await reply.json(200, completion(MODEL, [answer], "stop", usage(1, 1)))

    return handler


async def test_a_request_on_its_way_in_and_an_answer_on_its_way_out_are_waited_for(
    tmp_path: Path,
) -> None:
    """Also where all is done for the gateway, and only the client takes its time."""
    gate = Gate()
    async with open_scene(tmp_path, gateway=LONG) as scene, AsyncExitStack() as stack:
        table = {"megabytes": megabytes(gate), "late": behaviours.numbered_events(1)}
        scene.provider.script(MODEL, behaviours.by_text(table))
        clients = Clients(scene, stack)
        slow = await clients.ask(chat_request("megabytes", stream=False), receive_buffer=4096)
        await scene.provider.request()
        upload = chat_request("late")
        late = await clients.ask(upload[:-10])
        await stop(scene.gateway, 2)
        await late.send(upload[-10:])
        head = await late.read_head()
        assert head.header("connection") == "close"
        assert texts_of(*await events_of(late, head)) == ["late#1 "]
        gate.open()
        await scene.gateway.wait_output(f"{MODEL} 200 total ")
        assert scene.gateway.returncode is None
        head = await slow.read_head()
        assert head.header("connection") == "close"
        answer = await slow.read_json(head)
        assert len(answer["choices"][0]["message"]["content"]) == MEGABYTES
        assert await scene.gateway.wait_exit() == 0


async def test_in_mitmweb_a_stream_finishes_and_a_request_that_a_person_holds_is_let_go_of(
    tmp_path: Path,
) -> None:
    gate = Gate()
    async with (
        open_scene(tmp_path, gateway=SHORT, tool="mitmweb") as scene,
        Mitmweb(scene.gateway) as web,
        AsyncExitStack() as stack,
    ):
        scene.provider.script(MODEL, behaviours.numbered_events(2, gate))
        clients = Clients(scene, stack)
        stream = await clients.ask(chat_request("s"))
        gate.allow()
        head = await stream.read_head()
        async with web.options(intercept="~q"):
            held = await clients.ask(chat_request("held"))
            await web.held()
            await stop(scene.gateway, 2)
        gate.open()
        assert texts_of(*await events_of(stream, head)) == ["s#1 ", "s#2 "]
        head = await held.read_head()
        check_503(head, await held.read_json(head))
        assert await scene.gateway.wait_exit() == 0
        assert len(scene.provider.requests) == 1
