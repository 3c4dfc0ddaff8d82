"""How much of a request's body is waited for, kept and refused."""

import asyncio
import json

import pytest

from support import behaviours
from support.echo import echo
from support.gate import Gate
from support.raw_http import RawConnection, plain_request, request_bytes
from support.scene import BEARER, HOST, MODEL, Scene, chat_body, chat_request, error_of, get_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
MUCH = 100_000_000
LIMIT = 32 * 1024 * 1024
LONG = 30_000_000
GROWTH = 20_000_000
"""Bytes of memory that a body which nobody wants may cost."""

JSON = ("Content-Type", "application/json")


async def test_a_refusal_does_not_wait_for_the_body_and_does_not_keep_it(scene: Scene) -> None:
    before = scene.gateway.rss()
    async with scene.connect() as client:
        fields = [("Host", HOST), JSON, ("Content-Length", str(MUCH))]
        await client.send(plain_request("POST", CHAT, *fields, ("Authorization", "Bearer wrong")))
        head = await client.read_head()
        assert head.status == 401
        assert head.header("connection") == "close"
        assert error_of(await client.read_json(head))["code"] == "invalid_api_key"
        await send_much(client)
        assert await client.read_to_end() == b""
    assert scene.gateway.rss() - before < GROWTH


async def test_what_is_sent_ahead_waits_on_the_client_s_side(scene: Scene) -> None:
    gate = Gate()
    scene.provider.script(MODEL, behaviours.numbered_events(1, gate))
    length = ("Content-Length", str(LONG))
    ahead = plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, length) + b" " * LONG
    before, asked = scene.gateway.rss(), len(scene.provider.requests)
    async with scene.connect() as client, scene.connect() as other:
        await client.send(chat_request())
        await scene.provider.request(asked + 1)
        sending = asyncio.ensure_future(client.send(ahead))
        for _ in range(30):
            await other.exchange(get_request("/ping"))
        assert not sending.done()
        assert scene.gateway.rss() - before < GROWTH
        gate.open()
        head = await client.read_head()
        assert (await client.read_body(head)).endswith(b"data: [DONE]\n\n")
        head = await client.read_head()
        assert error_of(await client.read_json(head))["code"] is None
        assert head.status == 400
        await sending


async def send_much(client: RawConnection) -> None:
    piece = bytes(1_000_000)
    for _ in range(MUCH // len(piece)):
        await client.send(piece)


async def test_a_body_whose_announced_length_is_too_much_is_refused_before_it_is_sent(
    scene: Scene,
) -> None:
    async with scene.connect() as client:
        length = ("Content-Length", str(LIMIT + 1))
        await client.send(plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, length))
        head = await client.read_head()
        assert head.status == 413
        assert head.header("connection") == "close"
        assert error_of(await client.read_json(head))["code"] == "request_too_large"


async def test_a_chunked_body_is_refused_when_it_becomes_too_much(scene: Scene) -> None:
    before = scene.gateway.rss()
    coding = ("Transfer-Encoding", "chunked")
    piece = b"%x\r\n%b\r\n" % (1_000_000, bytes(1_000_000))
    async with scene.connect() as client:
        await client.send(plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, coding))
        for _ in range(LIMIT // 1_000_000 + 1):
            await client.send(piece)
        head = await client.read_head()
        assert head.status == 413
        assert error_of(await client.read_json(head))["code"] == "request_too_large"
        for _ in range(60):
            await client.send(piece)
        await client.send(b"0\r\n\r\n")
        assert await client.read_to_end() == b""
    assert scene.gateway.rss() - before < LIMIT + GROWTH


@pytest.mark.parametrize(
    ("target", "fields"), [("/ping", ()), ("/v1/models", (BEARER,))], ids=["ping", "models"]
)
async def test_a_body_that_no_route_takes_is_not_kept(
    scene: Scene, target: str, fields: tuple[tuple[str, str], ...]
) -> None:
    before = scene.gateway.rss()
    length = ("Content-Length", str(MUCH))
    async with scene.connect() as client:
        await client.send(plain_request("GET", target, ("Host", HOST), *fields, length))
        await send_much(client)
        assert scene.gateway.rss() - before < GROWTH
        assert (await client.read_head()).status in {200, 413}


async def test_a_chunked_body_is_put_together(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    body = json.dumps(chat_body("one two three", stream=False)).encode()
    pieces = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
    coding = ("Transfer-Encoding", "chunked")
    request = (
        plain_request("POST", CHAT, ("Host", HOST), BEARER, JSON, coding) + pieces + b"0\r\n\r\n"
    )
    async with scene.connect() as client:
        for _ in range(2):
            head, answer = await client.exchange(request)
            assert head.status == 200
            assert b"You said: one two three" in answer


async def test_a_client_that_expects_100_is_told_to_go_on(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    request = chat_request(stream=False).replace(b"\r\n", b"\r\nExpect: 100-continue\r\n", 1)
    head_bytes, _, body = request.partition(b"\r\n\r\n")
    async with scene.connect() as client:
        await client.send(head_bytes + b"\r\n\r\n")
        assert (await client.read_head()).status == 100
        await client.send(body)
        head = await client.read_head()
        assert head.status == 200
        assert b"You said: hello" in await client.read_body(head)


async def test_a_client_that_expects_100_is_refused_at_once(scene: Scene) -> None:
    fields = (("Expect", "100-continue"), ("Content-Length", "1000"), JSON)
    async with scene.connect() as client:
        await client.send(plain_request("POST", CHAT, ("Host", HOST), *fields))
        assert (await client.read_head()).status == 401


@pytest.mark.parametrize(
    "fields",
    [
        (("Content-Type", "text/plain"),),
        (("Content-Type", "application/x-www-form-urlencoded"),),
        (("Content-Type", "application/json; charset=latin-1"),),
        (JSON, ("Content-Encoding", "gzip")),
    ],
    ids=str,
)
async def test_a_body_that_is_no_json_in_utf_8_is_unsupported(
    scene: Scene, fields: tuple[tuple[str, str], ...]
) -> None:
    body = json.dumps(chat_body()).encode()
    head, answer = await scene.json(request_bytes("POST", CHAT, [BEARER, *fields], body, host=HOST))
    assert (head.status, error_of(answer)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", None, None),
        (b"{", None, None),
        (b'{"model": "\xff"}', None, None),
        (b'{"model": NaN}', None, None),
        (b"[]", "invalid_type", None),
        (b"{}", "missing_required_parameter", "model"),
        (b'{"model": 1, "messages": []}', "invalid_type", "model"),
        (b'{"model": "gpt-test"}', "missing_required_parameter", "messages"),
        (b'{"model": "gpt-test", "messages": "hi"}', "invalid_type", "messages"),
        (b'{"model": "gpt-test", "messages": []}', "empty_array", "messages"),
        (b'{"model": "gpt-test", "messages": [1]}', "invalid_type", "messages[0]"),
        (
            b'{"model": "gpt-test", "messages": [{"role": "user"}], "stream": "yes"}',
            "invalid_type",
            "stream",
        ),
    ],
)
async def test_a_bad_body_is_told_what_is_wrong_and_the_connection_stays(
    scene: Scene, body: bytes, code: str | None, param: str | None
) -> None:
    before = len(scene.provider.requests)
    async with scene.connect() as client:
        for _ in range(2):
            head, answer = await client.exchange(
                request_bytes("POST", CHAT, [BEARER, JSON], body, host=HOST)
            )
            error = error_of(json.loads(answer))
            assert (head.status, error["code"], error["param"]) == (400, code, param)
    assert len(scene.provider.requests) == before
