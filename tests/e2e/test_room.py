"""All bodies under way have a bound together, and a request gives its part back whatever happens.

The bound is such that one request leaves no room for another of its size.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from support import behaviours
from support.echo import echo
from support.http2 import Http2Client
from support.raw_http import RawConnection, plain_request
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
from support.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
JSON = ("content-type", "application/json")
GATEWAY = "max_request_bytes: 20000\n  bounds: {all_bodies: 40000}"
TEXT = "x" * 15_000
LARGE = chat_request(TEXT, stream=False)
STREAMED = chat_request(TEXT)
CHUNKED = plain_request(
    "POST", CHAT, ("Host", HOST), BEARER, JSON, ("Transfer-Encoding", "chunked")
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway with little room."""
    directory = tmp_path_factory.mktemp("gateway")
    async with open_scene(directory, gateway=GATEWAY, models=(MODEL, "slow")) as scene:
        scene.provider.script(MODEL, echo)
        scene.provider.script("slow", behaviours.stalls_after(1))
        yield scene


def chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b" " * size)


async def answered(scene: Scene) -> None:
    async with scene.connect() as client:
        for request in (LARGE, STREAMED):
            head, _ = await client.exchange(request)
            assert head.status == 200


async def in_the_body(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(LARGE[:-5000])


async def in_a_chunked_body(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(CHUNKED + chunk(15_000))


async def in_the_answer(scene: Scene) -> None:
    before = len(scene.provider.requests)
    async with scene.connect() as client:
        await client.send(chat_request(TEXT, model="slow"))
        await scene.provider.request(before + 1)
        client.abort()


async def in_a_stream_of_http2(scene: Scene) -> None:
    async with Http2Client(scene.gateway.port, http2_context(scene.ca_file)) as client:
        for length in ((("content-length", "15000"),), ()):
            stream = await client.request("POST", CHAT, [BEARER, JSON, *length], authority=HOST)
            await stream.send(b" " * 11_000)
            await stream.reset()
        stream = await client.exchange("GET", "/ping", [], authority=HOST)
        await stream.finished()


async def too_large(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(CHUNKED + chunk(15_000) + chunk(15_000))
        assert (await client.read_head()).status == 413


async def not_valid(scene: Scene) -> None:
    body = json.dumps(chat_body(TEXT, messages=[TEXT])).encode()
    length = ("Content-Length", str(len(body)))
    async with scene.connect() as client:
        head, _ = await client.exchange(
            plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, length) + body
        )
        assert head.status == 400


type Course = Callable[[Scene], Awaitable[None]]
COURSES: list[Course] = [
    answered,
    in_the_body,
    in_a_chunked_body,
    in_the_answer,
    in_a_stream_of_http2,
    too_large,
    not_valid,
]


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.__name__)
async def test_whatever_becomes_of_a_request_its_room_is_given_back(
    scene: Scene, course: Course
) -> None:
    await course(scene)
    # It may take the gateway a moment to notice that somebody has left.
    async with asyncio.timeout(DEADLINE):
        while await status_of_large(scene) != 200:
            pass


async def status_of_large(scene: Scene) -> int:
    async with scene.connect() as client:
        await client.send(LARGE)
        head = await client.read_head()
        return head.status


async def test_where_there_is_no_room_the_next_one_is_refused(scene: Scene) -> None:
    async with scene.connect() as first:
        before = len(scene.provider.requests)
        await first.send(chat_request(TEXT, model="slow"))
        await scene.provider.request(before + 1)
        for request in (LARGE[: LARGE.index(b"\r\n\r\n") + 4], CHUNKED + chunk(11_000)):
            await is_refused(scene, request)
        async with scene.connect() as small:
            assert (await small.exchange(chat_request(stream=False)))[0].status == 200
            assert (await small.exchange(get_request("/v1/models")))[0].status == 200


async def is_refused(scene: Scene, request: bytes) -> None:
    async with scene.connect() as client:
        await client.send(request)
        head = await client.read_head()
        assert (head.status, head.header("retry-after")) == (503, "1")
        assert head.header("connection") == "close"
        error = error_of(await client.read_json(head))
        assert (error["type"], error["code"]) == ("server_error", "bodies_full")


async def test_requests_that_are_sent_ahead_wait_for_no_room(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(LARGE * 3)
        for _ in range(3):
            assert await next_status(client) == 200


async def next_status(client: RawConnection) -> int:
    head = await client.read_head()
    await client.read_body(head)
    return head.status
