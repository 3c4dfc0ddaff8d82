"""The wire below the gateway: bounds hold in a real process, whatever a client does to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from support.echo import echo
from support.http2 import Http2Client
from support.process import free_port
from support.raw_http import RawConnection, plain_request
from support.scene import (
    BEARER,
    HOST,
    MODEL,
    Scene,
    chat_body,
    chat_request,
    config_text,
    error_of,
    get_request,
    open_scene,
)
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH_BYTES = 300
STREAMS = 5
BOUNDS = f"bounds: {{path_bytes: {PATH_BYTES}B, streams: {STREAMS}}}\n  passthrough: true"
LONG = f"/v1/models/{'a' * PATH_BYTES}"
MIB = 1024 * 1024
PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway with small bounds, whose reverse target is closed."""
    directory = tmp_path_factory.mktemp("gateway")
    mode = f"reverse:http://127.0.0.1:{free_port()}"
    async with open_scene(directory, gateway=BOUNDS, mode=mode) as it:
        it.provider.script(MODEL, echo)
        yield it


def connect(scene: Scene) -> Http2Client:
    return Http2Client(scene.gateway.port, http2_context(scene.ca_file))


async def test_a_head_without_end_takes_no_memory(scene: Scene) -> None:
    async with scene.connect() as honest, AsyncExitStack() as stack:
        await honest.exchange(get_request("/ping"))
        clients = [await stack.enter_async_context(scene.connect()) for _ in range(10)]
        before = scene.gateway.rss()
        for client in clients:
            await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            for _ in range(5):
                await client.send(b"a" * MIB)
        for client in clients:
            head = await client.read_head()
            assert (head.status, head.header("connection")) == (431, "close")
            assert error_of(await client.read_json(head))["type"] == "invalid_request_error"
            assert await client.read_to_end() == b""
        assert scene.gateway.rss() - before < 25 * MIB, "of the 50 that were sent"
        head, _ = await honest.exchange(chat_request("still served"))
        assert head.status == 200


async def test_a_request_may_come_byte_by_byte(scene: Scene) -> None:
    body = json.dumps(chat_body("slow", stream=False)).encode()
    chunks = b"".join(b"%x;x=y\r\n%c\r\n" % (1, byte) for byte in body)
    head = plain_request(
        "POST",
        "/v1/chat/completions",
        ("Host", HOST),
        BEARER,
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    )
    sent = b"\r\n" + head + chunks + b"0\r\nX-Trailer: a\r\n\r\n"
    async with scene.connect() as client:
        for place in range(len(sent)):
            await client.send(sent[place : place + 1])
        answer = await client.read_head()
        assert answer.status == 200
        assert b"slow" in await client.read_body(answer)
        again, _ = await client.exchange(get_request("/ping"))
        assert again.status == 200


async def test_a_server_that_is_not_there_is_told_in_json(scene: Scene) -> None:
    request = plain_request("GET", "/", ("Host", "elsewhere.example"))
    async with scene.connect() as client:
        head = await _answer(client, request)
        assert head == (502, "bad_gateway")


async def _answer(client: RawConnection, request: bytes) -> tuple[int, object]:
    head, body = await client.exchange(request)
    assert head.header("content-type") == "application/json"
    return head.status, error_of(json.loads(body))["code"]


async def test_http2_has_the_same_bounds(scene: Scene) -> None:
    async with connect(scene) as client:
        long = await client.exchange("GET", LONG, [BEARER], authority=HOST)
        many = [BEARER, *[("x", "a")] * 200]
        crowded = await client.exchange("GET", "/v1/models", many, authority=HOST)
        served = await client.exchange("GET", "/v1/models", [BEARER], authority=HOST)
        for stream, status in ((long, 414), (crowded, 431), (served, 200)):
            await stream.finished()
            assert stream.status == status
            assert stream.header("content-type") == "application/json"
        assert error_of(long.json)["type"] == "invalid_request_error"


async def test_a_flood_of_frames_ends_its_connection_and_no_other(scene: Scene) -> None:
    async with connect(scene) as honest, connect(scene) as flood:
        await flood.send_raw(PING * 5000)
        await flood.until(lambda: flood.terminated)
        assert flood.told_to_go
        stream = await honest.exchange("GET", "/v1/models", [BEARER], authority=HOST)
        await stream.finished()
        assert stream.status == 200
        assert not honest.told_to_go


async def test_streams_that_are_taken_back_again_and_again_are_no_harm(scene: Scene) -> None:
    async with connect(scene) as client:
        for _ in range(10):
            streams = [
                await client.exchange("GET", "/v1/models", [BEARER], authority=HOST)
                for _ in range(STREAMS)
            ]
            await asyncio.gather(*(stream.reset() for stream in streams))
        last = await client.exchange("GET", "/v1/models", [BEARER], authority=HOST)
        await last.finished()
        assert last.status == 200


async def test_a_new_configuration_binds_connections_that_are_there(scene: Scene) -> None:
    """The last of the module, since it changes what the others have."""
    config = scene.ca_file.with_name("provider_config.yaml")
    async with scene.connect() as client, scene.connect() as other:
        head, _ = await client.exchange(get_request("/v1/models"))
        assert head.status == 200
        assert (await _answer(other, get_request(LONG)))[0] == 414
        config.write_text(config_text(scene.provider.base_url, models=(MODEL,)))
        await scene.gateway.wait_output("was read again")
        assert await _answer(client, get_request(LONG)) == (404, "model_not_found")
