"""A client that reads slowly slows the provider down, and the gateway keeps little in between."""

import asyncio
import json
from pathlib import Path

import pytest

from support.echo import EVENT_STREAM
from support.http2 import Http2Client
from support.openai_shapes import last_chunk, text_chunk
from support.recording_server import Received, Reply
from support.scene import BEARER, HOST, MODEL, Scene, chat_body, chat_request, open_scene
from support.tls import http2_context

MEGABYTE = 1_000_000
SIZE = 100 * MEGABYTE
STOPS = 4
STILL = 0.2
"""Seconds without a byte after which the provider counts as held up; nothing tells of that."""


class Counting:
    """A provider's script that sends `size` bytes of events and counts what went out."""

    def __init__(self, size: int, text_size: int) -> None:
        frame = json.dumps(text_chunk(MODEL, "x" * text_size)).encode()
        self._frame = b"data: " + frame + b"\n\n"
        self._count = -(-size // len(self._frame))
        self.sent = 0

    async def __call__(self, _received: Received, reply: Reply) -> None:
        await reply.head(200, EVENT_STREAM)
        for _ in range(self._count):
            await reply.send(self._frame)
            self.sent += len(self._frame)
        await reply.event(last_chunk(MODEL))
        await reply.event("[DONE]")

    async def stands_still(self) -> None:
        """Wait until no more goes out."""
        while True:
            before = self.sent
            await asyncio.sleep(STILL)
            if before and self.sent == before:
                return


async def warm_up(scene: Scene) -> int:
    """Serve a little of the same, so that what is made once is there; return the memory."""
    scene.provider.script(MODEL, Counting(5 * MEGABYTE, 64 * 1024))
    async with scene.connect() as client:
        await client.exchange(chat_request())
    return scene.gateway.rss()


@pytest.mark.parametrize("args", [["-q"], []], ids=["quiet", "plain"])
async def test_a_slow_reader_costs_no_memory(tmp_path: Path, args: list[str]) -> None:
    async with open_scene(tmp_path, args=args) as scene:
        base = await warm_up(scene)
        script = Counting(SIZE, 64 * 1024)
        scene.provider.script(MODEL, script)
        growth = got = stops = 0
        async with scene.connect(receive_buffer=64 * 1024) as client:
            await client.send(chat_request())
            head = await client.read_head()
            assert head.status == 200
            async for piece in client.body(head):
                got += len(piece)
                if got * STOPS > SIZE * stops:
                    stops += 1
                    await script.stands_still()
                    assert script.sent - got < 20 * MEGABYTE
                    growth = max(growth, scene.gateway.rss() - base)
        assert got > SIZE
        assert stops == STOPS + 1
        assert growth <= 20 * MEGABYTE
        await closed_window(scene, 64 * 1024)
        await closed_window(scene, 10)


async def closed_window(scene: Scene, text_size: int) -> None:
    """A client of HTTP/2 that opens no window holds the provider up as well."""
    base = scene.gateway.rss()
    script = Counting(SIZE // 2, text_size)
    scene.provider.script(MODEL, script)
    tls = http2_context(scene.ca_file)
    body = json.dumps(chat_body()).encode()
    fields = [BEARER, ("content-type", "application/json")]
    async with Http2Client(scene.gateway.port, tls, window=1000) as client:
        stream = await client.exchange("POST", "/v1/chat/completions", fields, body, authority=HOST)
        await client.until(lambda: len(stream.body) == 1000)
        await script.stands_still()
        assert script.sent < 20 * MEGABYTE
        assert scene.gateway.rss() - base < 40 * MEGABYTE
        ping = await client.exchange("GET", "/ping", [], authority=HOST)
        assert (await ping.finished()).body == b"OK"
