"""A bug of ours is a 500 in JSON: nothing is forwarded, and the next request works."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from support import behaviours
from support.echo import echo
from support.gate import Gate
from support.http2 import Http2Client
from support.process import ADDON, free_port
from support.raw_http import Head, RawConnection, plain_request, request_bytes
from support.recording_server import Received, RecordingServer, Reply
from support.scene import (
    BEARER,
    HOST,
    KEY,
    MODEL,
    TOKEN,
    Scene,
    chat_body,
    chat_request,
    error_of,
    open_scene,
)
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

BREAKING = Path(__file__).parents[1] / "support" / "breaking.py"
CHAT = "/v1/chat/completions"
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class House:
    """A gateway that can be broken; requests for other hosts would pass to `target`."""

    scene: Scene
    target: RecordingServer
    proxy_port: int


async def forwarded(_received: Received, reply: Reply) -> None:
    await reply.whole(200, b"forwarded", "text/plain")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    port = free_port()
    async with (
        RecordingServer(forwarded) as target,
        open_scene(
            tmp_path_factory.mktemp("gateway"),
            gateway="passthrough: true",
            mode=f"reverse:{target.url}",
            scripts=[ADDON, BREAKING],
            args=["--mode", f"regular@127.0.0.1:{port}"],
            expect_clean=False,
        ) as scene,
    ):
        # An error that is logged before mitmproxy's start is over would end the process.
        await scene.gateway.wait_output("llm-gateway")
        async with scene.connect() as client:
            await client.exchange(request_bytes("GET", "/ping", host=HOST))
        yield House(scene, target, port)
    output = scene.gateway.output()
    assert "Broken" in output
    assert "mitmproxy has crashed" not in output
    assert "Addon error" not in output
    assert TOKEN not in output
    assert KEY not in output


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def closed(house: House) -> AsyncIterator[None]:
    """After each test the target is as it was, and the gateway works."""
    house.scene.provider.script(MODEL, echo)
    before = house.target.count_connections
    yield
    assert house.target.count_connections == before
    house.scene.provider.script(MODEL, echo)
    async with house.scene.connect() as client:
        head, body = await client.exchange(chat_request("fine"))
        assert head.status == 200
        assert b"fine" in body


def check_500(head: Head, body: bytes) -> None:
    assert head.status == 500
    assert head.header("content-type") == "application/json"
    assert error_of(json.loads(body))["code"] == "internal_error"


def chunked(request: bytes) -> bytes:
    """The same request with its body in chunks of two bytes."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    pieces = (body[at : at + 2] for at in range(0, len(body), 2))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + chunks + b"0\r\n\r\n"


def asking(where: str, request: bytes) -> bytes:
    """The same request with the header that breaks `where`."""
    return request.replace(b"\r\n", b"\r\nx-break: %b\r\n" % where.encode(), 1)


HTTP_SIDE = ["requestheaders", "request", "attach", "receive", "sink"]


@pytest.mark.parametrize(
    ("where", "host"),
    [
        *((where, HOST) for where in HTTP_SIDE),
        ("requestheaders", "example.com"),
        ("request", "example.com"),
    ],
)
async def test_a_request_without_body(house: House, where: str, host: str) -> None:
    request = request_bytes("GET", "/v1/models", [BEARER], host=host)
    async with house.scene.connect() as client:
        check_500(*await client.exchange(asking(where, request)))


@pytest.mark.parametrize("where", HTTP_SIDE)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_with_a_body(house: House, where: str, stream: bool) -> None:
    request = chat_request(stream=stream)
    before = len(house.scene.provider.requests)
    async with house.scene.connect() as client:
        check_500(*await client.exchange(asking(where, request)))
    if where != "sink":
        assert len(house.scene.provider.requests) == before


@pytest.mark.parametrize("where", HTTP_SIDE)
async def test_a_request_with_a_body_in_chunks(house: House, where: str) -> None:
    async with house.scene.connect(deadline=3) as client:
        check_500(*await client.exchange(chunked(asking(where, chat_request()))))


@pytest.mark.parametrize("where", HTTP_SIDE)
async def test_a_refusal(house: House, where: str) -> None:
    """A request that would have been refused anyway gets one answer, whichever."""
    request = request_bytes("POST", CHAT, [JSON], b"{}", host=HOST)
    async with house.scene.connect(deadline=3) as client:
        head, body = await client.exchange(asking(where, request))
        assert head.status in {401, 500}
        error_of(json.loads(body))


@pytest.mark.parametrize("where", HTTP_SIDE)
async def test_a_request_over_http2(house: House, where: str) -> None:
    scene = house.scene
    fields = [BEARER, ("content-type", "application/json"), ("x-break", where)]
    body = json.dumps(chat_body()).encode()
    async with Http2Client(scene.gateway.port, http2_context(scene.ca_file)) as client:
        broken = await client.exchange("POST", CHAT, fields, body, authority=HOST)
        fine = await client.exchange("POST", CHAT, fields[:2], body, authority=HOST)
        assert (await fine.finished()).events[-1] == "[DONE]"
        await broken.finished()
        assert broken.status == 500
        assert error_of(broken.json)["code"] == "internal_error"


@pytest.mark.parametrize("where", ["validation", "dispatch", "encode", "wire"])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_engine_before_the_first_event(house: House, where: str, stream: bool) -> None:
    before = len(house.scene.provider.requests)
    async with house.scene.connect() as client:
        for _ in range(2):
            check_500(*await client.exchange(chat_request(f"break-{where}", stream=stream)))
    assert len(house.scene.provider.requests) == before


async def test_the_engine_on_a_whole_answer(house: House) -> None:
    async with house.scene.connect() as client:
        check_500(*await client.exchange(chat_request("break-decode", stream=False)))


async def test_the_engine_in_mid_stream(house: House) -> None:
    gate = Gate()
    house.scene.provider.script(MODEL, behaviours.stalls_after(3, gate))
    before = len(house.scene.provider.requests)
    async with house.scene.connect() as client:
        await client.send(chat_request("break-feed"))
        await gate.release()
        head = await client.read_head()
        assert head.status == 200
        events = client.events(head)
        assert "break-feed#1" in await anext(events)
        gate.open()
        error, done = [event async for event in events]
        assert error_of(json.loads(error))["code"] == "internal_error"
        assert done == "[DONE]"
    received = await house.scene.provider.request(before + 1)
    await house.scene.provider.until(received.closed.is_set)


async def test_the_bridge_in_mid_stream_cuts_the_answer(house: House) -> None:
    """The client must not take what it has for the whole answer."""
    house.scene.provider.script(MODEL, behaviours.numbered_events(1))
    async with house.scene.connect() as client:
        await client.send(chat_request("break-write"))
        head = await client.read_head()
        assert head.status == 200
        assert not (await client.read_to_end()).endswith(b"0\r\n\r\n")


async def test_an_upload(house: House) -> None:
    async with house.scene.connect(deadline=3) as client:
        request = chat_request("break-upload")
        head, _, body = chunked(request).partition(b"\r\n\r\n")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(request), request)
        check_500(*await client.exchange(head + b"\r\n\r\n" + body))


async def test_a_tunnel(house: House) -> None:
    for host in (HOST, "example.com"):
        fields = [("Host", f"{host}:443"), ("X-Break", "http_connect")]
        async with RawConnection(house.proxy_port) as client:
            request = plain_request("CONNECT", f"{host}:443", *fields)
            check_500(*await client.exchange(request))


async def test_a_connection_to_a_server(house: House) -> None:
    authority = f"127.0.0.3:{house.target.port}"
    async with RawConnection(house.proxy_port) as client:
        request = plain_request("GET", f"http://{authority}/", ("Host", authority))
        head, body = await client.exchange(request)
        assert head.status == 502
        assert b"forwarded" not in body


async def test_what_is_not_broken_passes(tmp_path: Path) -> None:
    """The other tests prove something only because requests for other hosts do pass here."""
    async with (
        RecordingServer(forwarded) as target,
        open_scene(tmp_path, gateway="passthrough: true", mode=f"reverse:{target.url}") as scene,
        scene.connect() as client,
    ):
        _, body = await client.exchange(request_bytes("GET", "/", host="example.com"))
        assert body == b"forwarded"
