"""What a client gets of a provider's stream, however the provider sends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from support import behaviours
from support.gate import Gate
from support.openai_shapes import (
    JSONObject,
    completion,
    error_body,
    last_chunk,
    message,
    numbered_chunk,
    usage,
)
from support.raw_http import Head
from support.recording_server import Handler
from support.scene import MODEL, SPARES, Scene, chat_request, open_scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = 200
EVENTS = 50


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway with little patience, so that a stalled stream ends within a test."""
    directory = tmp_path_factory.mktemp("gateway")
    http = "max_connections: 400, idle: 300ms"
    async with open_scene(directory, http=http, models=(MODEL, *SPARES)) as scene:
        yield scene


@dataclass(frozen=True)
class Answer:
    """A whole answer: its head and its body."""

    head: Head
    body: bytes

    @property
    def error(self) -> JSONObject:
        """The error of a JSON answer."""
        error: JSONObject = json.loads(self.body)["error"]
        return error


async def ask(
    scene: Scene, handler: Handler, text: str = "hello", *, model: str = MODEL, **fields: Any
) -> Answer:
    scene.provider.script(model, handler)
    async with scene.connect() as client:
        head, body = await client.exchange(chat_request(text, model=model, **fields))
        return Answer(head, body)


def frames(*chunks: JSONObject | str) -> bytes:
    """The bytes of a stream as the fake provider sends chunks and as the gateway passes them."""
    texts = [c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for c in chunks]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def numbered(count: int, text: str = "hello") -> list[JSONObject]:
    return [numbered_chunk(MODEL, text, number) for number in range(1, count + 1)]


def split_tail(answer: Answer, chunks: list[JSONObject]) -> JSONObject:
    """Check that the stream is `chunks`, one error event and [DONE]; return the error."""
    assert answer.head.status == 200
    begin = frames(*chunks)
    assert answer.body.startswith(begin)
    tail = answer.body[len(begin) :]
    assert tail.endswith(b"\n\ndata: [DONE]\n\n")
    assert tail.count(b"\n\n") == 2
    error: JSONObject = json.loads(tail.split(b"\n\n")[0].removeprefix(b"data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_the_client_has_event_k_before_the_provider_sends_the_next(scene: Scene) -> None:
    gate = Gate()
    scene.provider.script(MODEL, behaviours.numbered_events(5, gate))
    async with scene.connect() as client:
        await client.send(chat_request("hi"))
        await gate.release()
        head = await client.read_head()
        assert (head.status, head.header("transfer-encoding")) == (200, "chunked")
        events = client.events(head)
        for number in range(1, 6):
            chunk = json.loads(await anext(events))
            assert chunk["choices"][0]["delta"]["content"] == f"hi#{number} "
            assert gate.sent_count == number
            gate.allow()
        assert [event async for event in events][-1] == "[DONE]"


async def test_headers_are_held_until_the_first_event(scene: Scene) -> None:
    gate = Gate()
    scene.provider.script(MODEL, behaviours.error_after(0, gate=gate))
    async with scene.connect() as client:
        await client.send(chat_request())
        await gate.reached(1)
        gate.open()
        head = await client.read_head()
        assert head.status == 500


async def test_200_concurrent_streams_are_complete_in_order_and_apart(scene: Scene) -> None:
    arrived = 0
    all_here = asyncio.Event()
    numbered_events = behaviours.numbered_events(EVENTS)

    async def handler(received: Any, reply: Any) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == STREAMS:
            all_here.set()
        await reply.unless_gone(all_here.wait())
        await numbered_events(received, reply)

    scene.provider.script(MODEL, handler)

    async def one(name: str) -> None:
        async with scene.connect(deadline=30) as client:
            head, body = await client.exchange(chat_request(name))
            assert head.status == 200
            assert body == frames(*numbered(EVENTS, name), last_chunk(MODEL), "[DONE]")

    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        for number in range(STREAMS):
            group.create_task(one(f"stream-{number}"))


GOOD = [*numbered(3, "né"), last_chunk(MODEL)]


@pytest.mark.parametrize(
    "handler",
    [
        behaviours.line_ends(3, "\n"),
        behaviours.line_ends(3, "\r\n"),
        behaviours.line_ends(3, "\r"),
        behaviours.byte_by_byte(3),
        behaviours.byte_by_byte(3, "\r\n"),
    ],
    ids=["lf", "crlf", "cr", "bytes", "bytes-crlf"],
)
async def test_line_ends_and_cuts_do_not_matter(scene: Scene, handler: Handler) -> None:
    answer = await ask(scene, handler, "né")
    assert answer.head.status == 200
    assert answer.head.header("content-type") == "text/event-stream"
    assert answer.body == frames(*GOOD, "[DONE]")


async def test_noise_is_dropped(scene: Scene) -> None:
    answer = await ask(scene, behaviours.noisy_stream(3), "né")
    ascii_frames = [json.dumps(chunk) for chunk in GOOD]
    assert answer.body == frames(*ascii_frames, "[DONE]")


@pytest.mark.parametrize(
    "handler",
    [
        behaviours.numbered_events(3),
        behaviours.ends_without_done(3),
        behaviours.two_dones(3),
    ],
    ids=["done", "no-done", "two-dones"],
)
async def test_there_is_exactly_one_done(scene: Scene, handler: Handler) -> None:
    answer = await ask(scene, handler)
    assert answer.body == frames(*numbered(3), last_chunk(MODEL), "[DONE]")


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (behaviours.dies_after(2, "reset"), "upstream_connection_error"),
        (behaviours.dies_after(2, "close"), "upstream_connection_error"),
        (behaviours.stalls_after(2), "upstream_timeout"),
        (behaviours.ends_without_finish(2), "upstream_stream_incomplete"),
    ],
    ids=["reset", "close", "stall", "no-finish"],
)
async def test_a_stream_that_fails_after_content_says_so_and_ends(
    scene: Scene, handler: Handler, code: str
) -> None:
    answer = await ask(scene, handler)
    error = split_tail(answer, numbered(2))
    assert (error["type"], error["code"]) == ("server_error", code)


async def test_an_error_event_after_content_says_so_and_ends(scene: Scene) -> None:
    """Had it come together with the first content, the answer would not have begun at all."""
    gate = Gate()
    scene.provider.script(MODEL, behaviours.error_after(2, gate=gate))
    async with scene.connect() as client:
        await client.send(chat_request())
        await gate.release()
        head = await client.read_head()
        assert head.status == 200
        events = client.events(head)
        first = await anext(events)
        gate.open()
        *content, error, done = [first, *[event async for event in events]]
    assert [json.loads(event)["choices"][0]["delta"].get("content") for event in content] == [
        "hello#1 ",
        "hello#2 ",
    ]
    assert (json.loads(error)["error"]["code"], done) == ("upstream_unavailable", "[DONE]")


async def test_a_stalled_stream_is_closed_at_the_provider(scene: Scene) -> None:
    before = len(scene.provider.requests)
    await ask(scene, behaviours.stalls_after(1))
    received = await scene.provider.request(before + 1)
    async with asyncio.timeout(2):
        await received.closed.wait()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        (behaviours.error_in_200(), 500, "upstream_unavailable"),
        (
            behaviours.error_in_200(error_body("slow down", "x", code=429)),
            429,
            "rate_limit_exceeded",
        ),
        (behaviours.html_200(), 502, "upstream_invalid_response"),
        (behaviours.invalid_json_200(), 502, "upstream_invalid_response"),
        (behaviours.empty_choices(), 502, "upstream_invalid_response"),
        (behaviours.closes_before_head("reset"), 502, "upstream_connection_error"),
        (behaviours.closes_before_head("close"), 502, "upstream_connection_error"),
        (behaviours.json_cut("reset"), 502, "upstream_connection_error"),
        (behaviours.json_cut("close"), 502, "upstream_connection_error"),
        (behaviours.redirect("http://127.0.0.1:1/"), 502, "upstream_invalid_response"),
    ],
    ids=[
        "error-in-200",
        "429-in-200",
        "html",
        "broken-json",
        "no-choices",
        "reset",
        "close",
        "json-reset",
        "json-close",
        "redirect",
    ],
)
async def test_what_is_no_answer_is_an_error_with_its_own_status(
    scene: Scene, handler: Handler, status: int, code: str, stream: bool
) -> None:
    answer = await ask(scene, handler, model=scene.spare(), stream=stream)
    assert answer.head.status == status
    assert answer.head.header("content-type") == "application/json"
    assert answer.head.header("x-ai-proxy-attempts") == "1"
    assert answer.error["code"] == code
    assert set(answer.error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        (behaviours.error_first(), 500, "upstream_unavailable"),
        (behaviours.error_first(error_body("no", "x", code=503)), 503, "upstream_unavailable"),
        (behaviours.error_first(error_body("no", "x", code=401)), 502, "upstream_auth_error"),
        (behaviours.dies_after(0, "reset"), 502, "upstream_connection_error"),
        (behaviours.ends_without_finish(0), 502, "upstream_stream_incomplete"),
    ],
    ids=["error", "code-503", "code-401", "reset", "empty"],
)
async def test_a_stream_that_fails_before_its_first_event_is_an_error_with_its_own_status(
    scene: Scene, handler: Handler, status: int, code: str
) -> None:
    answer = await ask(scene, handler)
    assert answer.head.status == status
    assert answer.error["code"] == code


async def test_a_stream_where_none_was_asked_for_is_refused(scene: Scene) -> None:
    answer = await ask(scene, behaviours.numbered_events(2), stream=False)
    assert (answer.head.status, answer.error["code"]) == (502, "upstream_invalid_response")


async def test_json_where_a_stream_was_asked_for_becomes_a_stream(scene: Scene) -> None:
    whole = completion(MODEL, [message("all of it")], "stop", usage(1, 3))
    answer = await ask(scene, behaviours.error_json(200, whole))
    assert answer.head.status == 200
    assert answer.head.header("content-type") == "text/event-stream"
    chunk, done = answer.body.removesuffix(b"\n\n").split(b"\n\n")
    content = json.loads(chunk.removeprefix(b"data: "))
    assert content["object"] == "chat.completion.chunk"
    assert content["choices"][0]["delta"]["content"] == "all of it"
    assert content["choices"][0]["finish_reason"] == "stop"
    assert done == b"data: [DONE]"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_gzipped_unasked_is_unpacked(scene: Scene, stream: bool) -> None:
    answer = await ask(scene, behaviours.gzip_anyway(), stream=stream)
    assert answer.head.status == 200
    assert answer.head.header("content-encoding") is None
    assert b"hello#1 " in answer.body


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
async def test_the_end_of_a_stream_is_told_in_the_clients_version_of_http(
    scene: Scene, version: Literal["HTTP/1.0", "HTTP/1.1"]
) -> None:
    scene.provider.script(MODEL, behaviours.numbered_events(2))
    request = chat_request().replace(b"HTTP/1.1", version.encode(), 1)
    async with scene.connect() as client:
        await client.send(request)
        head = await client.read_head()
        coding = "chunked" if version == "HTTP/1.1" else None
        assert head.header("transfer-encoding") == coding
        assert await client.read_body(head) == frames(*numbered(2), last_chunk(MODEL), "[DONE]")


async def test_a_connection_carries_one_stream_after_another(scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.numbered_events(2))
    async with scene.connect() as client:
        for name in ("first", "second", "third"):
            _, body = await client.exchange(chat_request(name))
            assert body == frames(*numbered(2, name), last_chunk(MODEL), "[DONE]")


async def test_an_answer_names_its_exchange_and_target(scene: Scene) -> None:
    answers = [await ask(scene, behaviours.numbered_events(1)) for _ in range(2)]
    ids = {answer.head.header("x-request-id") for answer in answers}
    assert len(ids) == 2
    assert None not in ids
    for answer in answers:
        assert answer.head.header("x-ai-proxy-model") == f"fake/{MODEL}"
        assert answer.head.header("x-ai-proxy-attempts") == "1"


async def test_a_provider_that_does_not_begin_in_time_is_given_up(tmp_path: Path) -> None:
    async with open_scene(tmp_path, gateway="deadline: 500ms", http="first_event: 300ms") as scene:
        for stream, limit in ((True, "0.3 s"), (False, "0.5 s")):
            answer = await ask(scene, behaviours.never_answers(), stream=stream)
            assert (answer.head.status, answer.error["code"]) == (504, "upstream_timeout")
            assert limit in answer.error["message"]
        answer = await ask(scene, behaviours.stalls_after(0))
        assert (answer.head.status, answer.error["code"]) == (504, "upstream_timeout")
        answer = await ask(scene, behaviours.json_cut("stall"), stream=False)
        assert (answer.head.status, answer.error["code"]) == (504, "upstream_timeout")
        for received in scene.provider.requests:
            await scene.provider.until(received.closed.is_set)
