"""HttpWire against real servers on loopback: the request and the answer."""

import pytest

from llm_gateway.secret import Secret
from llm_gateway.wire import (
    STANDARD_HEADERS,
    UpstreamRequest,
    read_whole,
)
from support.behaviours import (
    gzip_anyway,
    numbered_events,
    redirect,
)
from support.fake_openai import FakeOpenAI
from support.fakes import KEY, LABEL
from support.gate import Gate
from support.http1 import values
from support.recording_server import Received, RecordingServer, Reply
from support.wires import (
    CHAT,
    HEAD,
    STREAM,
    bearer,
    clear_proxies,
    fine,
    post,
    raw,
    send,
    wire_to,
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_the_request_goes_out_as_given() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        request = post(server.url, CHAT, ("accept", "text/event-stream"), ("x-two", "a"))
        await read_whole(await send(wire, request))
    [received] = server.requests
    assert (received.method, received.target, received.body) == (
        "POST",
        "/v1/chat/completions",
        CHAT,
    )
    assert sorted((name.lower(), value) for name, value in received.headers) == sorted(
        [
            *STANDARD_HEADERS,
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("x-two", "a"),
            ("authorization", bearer(KEY)),
            ("host", f"127.0.0.1:{server.port}"),
            ("content-length", str(len(CHAT))),
        ]
    )


async def test_the_http_client_adds_no_headers_of_its_own() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        url = f"{server.url}/v1/chat/completions"
        await read_whole(await send(wire, UpstreamRequest("POST", url, (), CHAT, LABEL)))
    names = {name.lower() for name, _ in server.requests[0].headers}
    assert names == {"host", "content-length"}


@pytest.mark.parametrize("path", ["/v1/a%2Fb", "/v1/%2e%2e/x", "/v1/../x", "/v1//x", "/v1/x?a=%20"])
async def test_the_path_is_sent_as_it_is_written(path: str) -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        request = UpstreamRequest("POST", server.url + path, (), CHAT, LABEL)
        await read_whole(await send(wire, request))
    assert server.requests[0].target == path


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with RecordingServer(fine) as other:
        async with (
            RecordingServer(redirect(f"{other.url}/stolen", status)) as server,
            wire_to(server.url) as wire,
        ):
            response = await send(wire, post(server.url))
            assert response.status == status
            response.close()
        assert other.requests == []
        assert len(server.requests) == 1


async def test_cookies_are_neither_kept_nor_sent() -> None:
    async def sets_cookie(_received: Received, reply: Reply) -> None:
        await reply.json(200, "fine", [("set-cookie", "session=canary; Path=/")])

    async with RecordingServer(sets_cookie) as server, wire_to(server.url) as wire:
        for _ in range(2):
            await read_whole(await send(wire, post(server.url)))
    assert [values(each.headers, "cookie") for each in server.requests] == [[], []]


async def test_the_body_comes_in_pieces_as_it_arrives() -> None:
    gate = Gate()
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", numbered_events(3, gate))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        for number in (1, 2, 3):
            await gate.release()
            assert f"#{number} ".encode() in await response.read()
        gate.open()
        rest = b""
        while data := await response.read():
            rest += data
        assert rest.endswith(b"data: [DONE]\n\n")
        assert await response.read() == b""


async def test_header_names_of_the_answer_compare_without_case() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        assert response.headers.get("Content-TYPE") == "application/json"
        response.close()


async def test_an_answer_that_is_compressed_all_the_same_is_unpacked() -> None:
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", gzip_anyway())
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        body = await read_whole(await send(wire, request))
    assert body.endswith(b"data: [DONE]\n\n")


async def test_answers_before_the_answer_are_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    handler = raw(early + HEAD + b"content-length: 2\r\n\r\n{}")
    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        assert (response.status, await read_whole(response)) == (200, b"{}")
