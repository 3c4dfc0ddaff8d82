"""HttpWire against real servers on loopback: the key, the request, the answer."""

import asyncio

import pytest

from llm_gateway.errors import (
    UpstreamInvalidResponse,
)
from llm_gateway.secret import Secret
from llm_gateway.wire import (
    MAX_REPLY_BYTES,
    STANDARD_HEADERS,
    UpstreamRequest,
    bearer,
    is_event_stream,
    read_whole,
)
from support.behaviours import (
    gzip_anyway,
    numbered_events,
    redirect,
)
from support.fake_openai import FakeOpenAI
from support.fakes import KEY, LABEL, FakeResponse
from support.gate import Gate
from support.http1 import values
from support.recording_server import Received, RecordingServer, Reply
from support.wires import (
    CHAT,
    HEAD,
    MASKED,
    STREAM,
    clear_proxies,
    fine,
    post,
    raw,
    send,
    whole,
    wire_to,
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_the_key_is_put_where_its_masked_form_stands(provider: FakeOpenAI) -> None:
    async with wire_to(provider.url, key="sk-test") as wire:
        request = post(provider.url, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        assert response.status == 200
        await read_whole(response)
    [received] = provider.requests
    assert values(received.headers, "authorization") == ["Bearer sk-test"]


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer another", "Bearer ***", MASKED.lower(), f"{MASKED}0", f"x {MASKED}"],
)
async def test_without_the_masked_form_the_request_is_sent_as_it_is(
    authorization: str | None,
) -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await read_whole(await send(wire, post(server.url, authorization=authorization)))
    [received] = server.requests
    expected = [] if authorization is None else [authorization.strip()]
    assert values(received.headers, "authorization") == expected


async def test_another_key_s_masked_form_stands_for_the_key_as_well() -> None:
    """A recorded request may have been made with the key of that time."""
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url, authorization="Bearer ***0123abcd"))
    assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


async def test_the_header_s_name_may_be_spelled_in_any_case() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        request = post(server.url, CHAT, ("Authorization", MASKED), authorization=None)
        await read_whole(await send(wire, request))
    assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


async def test_a_provider_without_a_key_is_sent_none() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url, key=None) as wire:
        await read_whole(await send(wire, post(server.url, authorization=None)))
    assert values(server.requests[0].headers, "authorization") == []


async def test_a_request_that_was_pointed_elsewhere_travels_without_the_key() -> None:
    async with (
        RecordingServer(fine) as other,
        RecordingServer(fine) as server,
        wire_to(server.url) as wire,
    ):
        await read_whole(await send(wire, post(other.url)))
    [received] = other.requests
    assert values(received.headers, "authorization") == []
    assert server.requests == []


async def test_another_name_of_the_same_host_is_elsewhere() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await read_whole(await send(wire, post(f"http://localhost:{server.port}")))
    assert values(server.requests[0].headers, "authorization") == []


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


async def test_a_key_that_the_provider_repeats_is_masked_in_head_and_body() -> None:
    async def repeats(received: Received, reply: Reply) -> None:
        given = values(received.headers, "authorization")[0]
        await reply.head(401, [("x-repeated", given)])
        for piece in (f"You sent: {given[:12]}", f"{given[12:]}, which is wrong."):
            await reply.send(piece.encode())

    async with RecordingServer(repeats) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        assert response.headers["X-Repeated"] == MASKED
        assert await read_whole(response) == f"You sent: {MASKED}, which is wrong.".encode()


@pytest.mark.parametrize("key", ["test", "EMPTY", "ollama", "none", "x"])
async def test_a_key_that_is_a_plain_word_does_not_change_answers(key: str) -> None:
    """Local servers take any key, and people write such words for it."""
    answer = (
        f'{{"id": "x", "content": "A test: the ollama server is EMPTY, there is none: {key}."}}'
    )
    handler = raw(HEAD + f"content-length: {len(answer)}\r\n\r\n{answer}".encode())
    async with RecordingServer(handler) as server, wire_to(server.url, key=key) as wire:
        assert await read_whole(await send(wire, post(server.url))) == answer.encode()


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


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("Text/Event-Stream ;charset=utf-8", True),
        ("application/json", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_content_type(content_type: str, expected: bool) -> None:
    assert is_event_stream(FakeResponse(content_type=content_type)) is expected


async def test_a_whole_body_is_all_its_pieces_and_closes_the_response() -> None:
    response = FakeResponse(b"a", b"b", b"c")
    assert await read_whole(response) == b"abc"
    assert response.closed


async def test_a_body_just_within_the_limit_is_taken_and_one_above_it_is_not() -> None:
    most = b"x" * MAX_REPLY_BYTES
    assert len(await read_whole(FakeResponse(most))) == MAX_REPLY_BYTES
    response = FakeResponse(most, b"x", asyncio.Event())
    with pytest.raises(UpstreamInvalidResponse):
        await read_whole(response)
    assert response.closed
