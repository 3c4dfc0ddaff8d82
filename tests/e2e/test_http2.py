"""HTTP/2 over TLS to the gateway."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from support import behaviours
from support.echo import EVENT_STREAM, echo
from support.http2 import Http2Client, Http2Stream
from support.openai_shapes import JSONObject, completion, last_chunk, message, text_chunk, usage
from support.recording_server import Received, Reply
from support.scene import BEARER, HOST, MODEL, TOKEN, Scene, chat_body, error_of
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = 100
CHAT = "/v1/chat/completions"
JSON = ("content-type", "application/json")
LIMIT = 32 * 1024 * 1024


def whole_answer(text: str) -> JSONObject:
    return completion(MODEL, [message(text)], "stop", usage(1, 1))


def connect(scene: Scene) -> Http2Client:
    return Http2Client(scene.gateway.port, http2_context(scene.ca_file))


async def begin(client: Http2Client, text: str) -> Http2Stream:
    body = json.dumps(chat_body(text)).encode()
    return await client.exchange("POST", CHAT, [BEARER, JSON], body, authority=HOST)


class InStep:
    """A provider's script whose streams go from event to event together."""

    def __init__(self, streams: int, events: int) -> None:
        self._barriers = [asyncio.Barrier(streams) for _ in range(events)]

    async def __call__(self, received: Received, reply: Reply) -> None:
        text = received.json["messages"][0]["content"]
        await reply.head(200, EVENT_STREAM)
        for number, barrier in enumerate(self._barriers):
            await barrier.wait()
            await reply.event(text_chunk(MODEL, f"{text}#{number}"))
        await reply.event(last_chunk(MODEL))
        await reply.event("[DONE]")


async def test_100_streams_of_one_connection_go_on_together(scene: Scene) -> None:
    """None waits for another: the provider sends an event only when all calls are there."""
    scene.provider.script(MODEL, InStep(STREAMS, 3))
    async with connect(scene) as client, asyncio.timeout(30):
        streams = [await begin(client, f"s{number}") for number in range(STREAMS)]
        for number, stream in enumerate(streams):
            *chunks, _, done = (await stream.finished()).events
            texts = [json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks]
            assert texts == [f"s{number}#{event}" for event in range(3)]
            assert done == "[DONE]"
            assert stream.status == 200


async def test_a_stream_has_its_headers_and_no_chunks(scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.numbered_events(1))
    async with connect(scene) as client:
        stream = await (await begin(client, "one")).finished()
        assert stream.header("content-type") == "text/event-stream"
        assert stream.header("x-ai-proxy-model") == f"fake/{MODEL}"
        assert stream.header("transfer-encoding") is None
        assert stream.body.startswith(b"data: {")


async def test_a_stream_that_dies_says_so_and_the_others_go_on(scene: Scene) -> None:
    table = {"dies": behaviours.dies_after(1, "reset"), "lives": behaviours.numbered_events(3)}
    scene.provider.script(MODEL, behaviours.by_text(table))
    async with connect(scene) as client:
        dies, lives = [await begin(client, text) for text in table]
        *_, error, done = (await dies.finished()).events
        assert error_of(json.loads(error))["code"] == "upstream_connection_error"
        assert done == "[DONE]"
        assert len((await lives.finished()).events) == 5


@pytest.mark.parametrize(
    ("method", "path", "authority", "fields", "body", "status"),
    [
        ("POST", CHAT, HOST, [JSON], b"{}", 401),
        ("POST", CHAT, HOST, [("authorization", "Bearer wrong"), JSON], b"{}", 401),
        ("POST", CHAT, HOST, [BEARER, BEARER, JSON], b"{}", 400),
        ("POST", CHAT, "example.com", [BEARER, JSON], b"{}", 421),
        ("POST", CHAT, HOST, [BEARER, JSON, ("content-length", str(LIMIT + 1))], b"", 413),
        ("POST", CHAT, HOST, [BEARER, ("content-type", "text/plain")], b"{}", 415),
        ("POST", CHAT, HOST, [BEARER, JSON], b"{}", 400),
        ("GET", CHAT, HOST, [BEARER], b"", 405),
        ("GET", "/none", HOST, [BEARER], b"", 404),
        ("GET", "/v1/models", HOST, [BEARER], b"", 200),
        ("GET", "/v1/models", f"{HOST}:1234", [BEARER, ("host", f"{HOST}:1234")], b"", 200),
    ],
)
async def test_refusals_and_whole_answers(
    scene: Scene,
    method: str,
    path: str,
    authority: str,
    fields: list[tuple[str, str]],
    body: bytes,
    status: int,
) -> None:
    async with connect(scene) as client:
        if ("content-length", str(LIMIT + 1)) in fields:
            stream = await client.request(method, path, fields, authority=authority)
        else:
            stream = await client.exchange(method, path, fields, body, authority=authority)
        assert (await stream.answered()).status == status
        await client.until(lambda: len(stream.body) == int(stream.header("content-length") or -1))
        if status != 200:
            error_of(stream.json)
        ping = await client.exchange("GET", "/ping", [], authority=HOST)
        assert (await ping.finished()).body == b"OK"


async def test_a_refusal_is_whole_before_the_body_is_sent(scene: Scene) -> None:
    """mitmproxy ends the stream only with the request; all of the answer is there before."""
    async with connect(scene) as client:
        stream = await client.request("POST", CHAT, [JSON], authority=HOST)
        assert (await stream.answered()).status == 401
        await client.until(lambda: len(stream.body) == int(stream.header("content-length") or -1))
        error_of(stream.json)
        await stream.send(b'{"model":')
        await stream.send(b"", end=True)
        await stream.finished()


async def test_a_body_without_length_is_put_together(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    body = json.dumps(chat_body("in pieces", stream=False)).encode()
    async with connect(scene) as client:
        stream = await client.request("POST", CHAT, [BEARER, JSON], authority=HOST)
        for at in range(0, len(body), 10):
            await stream.send(body[at : at + 10])
        await stream.send(b"", end=True)
        answer = (await stream.finished()).json
    assert answer["choices"][0]["message"]["content"] == "You said: in pieces"


async def test_a_body_without_length_is_refused_when_it_becomes_too_much(scene: Scene) -> None:
    async def pieces() -> Any:
        for _ in range(LIMIT // 1_000_000 + 2):
            yield bytes(1_000_000)

    async with httpx.AsyncClient(
        http2=True, verify=http2_context(scene.ca_file), timeout=20
    ) as client:
        url = f"https://{HOST}:{scene.gateway.port}{CHAT}"
        reply = await client.post(url, headers=[BEARER, JSON], content=pieces())
    assert (reply.http_version, reply.status_code) == ("HTTP/2", 413)
    assert error_of(reply.json())["code"] == "request_too_large"


async def test_the_sdk_over_http2(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    transport = openai.DefaultAsyncHttpxClient(http2=True, verify=http2_context(scene.ca_file))
    async with openai.AsyncOpenAI(
        base_url=f"https://{HOST}:{scene.gateway.port}/v1",
        api_key=TOKEN,
        max_retries=0,
        timeout=10,
        http_client=transport,
    ) as client:

        async def say(text: str) -> str:
            stream = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": text}], stream=True
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        said = await asyncio.gather(*(say(f"number {n}") for n in range(20)))
        assert said == [f"You said: number {n}" for n in range(20)]
        scene.provider.script(MODEL, behaviours.error_json(200, whole_answer("short")))
        assert await say("word " * 500_000) == "short"
