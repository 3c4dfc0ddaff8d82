"""Ready scripts for a provider's answers: `provider.script("model", numbered_events(5))`.

Each function returns a handler. Where one takes a gate, step k of the gate is event k (from 1) and
the step after the last event is whatever ends the answer.
"""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from support.compatible_answers import user_text
from support.echo import EVENT_STREAM
from support.gate import Gate
from support.openai_shapes import (
    JSONObject,
    completion,
    error_body,
    last_chunk,
    message,
    numbered_chunk,
    text_chunk,
    usage,
)
from support.recording_server import Handler, HeaderList, Received, Reply

type Ending = Callable[[str, Reply], Awaitable[None]]
type Cut = Literal["reset", "close"]

SERVER_ERROR = error_body("The server had an error.", "server_error", code="server_error")


def numbered_text(received: Received, number: int) -> str:
    """Return the text of event `number`: the user's own text and the number."""
    return f"{user_text(received.json)}#{number} "


def ended_by(count: int, ending: Ending, gate: Gate | None = None) -> Handler:
    """Stream `count` numbered text events, then do `ending(model, reply)`."""

    async def handler(received: Received, reply: Reply) -> None:
        model = received.json["model"]
        await reply.head(200, EVENT_STREAM)
        for number in range(1, count + 1):
            async with _step(gate, number, reply):
                await reply.event(numbered_chunk(model, user_text(received.json), number))
        async with _step(gate, count + 1, reply):
            await ending(model, reply)

    return handler


@asynccontextmanager
async def _step(gate: Gate | None, number: int, reply: Reply) -> AsyncIterator[None]:
    if gate is None:
        yield
        return
    await reply.unless_gone(gate.hold(number))
    yield
    gate.mark(number)


def numbered_events(count: int, gate: Gate | None = None) -> Handler:
    """Stream `count` numbered text events and end well."""
    return ended_by(count, _good_ending, gate)


async def _good_ending(model: str, reply: Reply) -> None:
    await reply.event(last_chunk(model))
    await reply.event("[DONE]")


def big_stream(size: int, text_size: int = 64 * 1024) -> Handler:
    """Stream at least `size` bytes of events as fast as the peer takes them, and end well."""

    async def handler(received: Received, reply: Reply) -> None:
        model = received.json["model"]
        frame = b"data: " + json.dumps(text_chunk(model, "x" * text_size)).encode() + b"\n\n"
        await reply.head(200, EVENT_STREAM)
        for _ in range(-(-size // len(frame))):
            await reply.send(frame)
        await _good_ending(model, reply)

    return handler


def error_json(status: int, content: object = SERVER_ERROR, headers: HeaderList = ()) -> Handler:
    """Answer `status` with a JSON body."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.json(status, content, headers)

    return handler


def error_in_200(content: object = SERVER_ERROR) -> Handler:
    """Answer 200 with an error as the JSON body, as OpenRouter does."""
    return error_json(200, content)


def error_first(content: JSONObject = SERVER_ERROR) -> Handler:
    """Stream an error as the first event."""
    return error_after(0, content)


def error_after(
    count: int, content: JSONObject = SERVER_ERROR, gate: Gate | None = None
) -> Handler:
    """Stream `count` events, then an error event and [DONE]."""

    async def ending(_model: str, reply: Reply) -> None:
        await reply.event(content)
        await reply.event("[DONE]")

    return ended_by(count, ending, gate)


def dies_after(count: int, cut: Cut, gate: Gate | None = None) -> Handler:
    """Stream `count` events, then reset the connection or close it inside the chunked body."""

    async def ending(_model: str, reply: Reply) -> None:
        await _cut(reply, cut)

    return ended_by(count, ending, gate)


async def _cut(reply: Reply, cut: Cut) -> None:
    if cut == "reset":
        reply.abort()
    else:
        await reply.close()


def ends_without_finish(count: int, gate: Gate | None = None) -> Handler:
    """Stream `count` events, then end the body well: no finish reason, no [DONE]."""

    async def ending(_model: str, _reply: Reply) -> None:
        return

    return ended_by(count, ending, gate)


def ends_without_done(count: int, gate: Gate | None = None) -> Handler:
    """Stream `count` events and a finish reason, then end the body well without [DONE]."""

    async def ending(model: str, reply: Reply) -> None:
        await reply.event(last_chunk(model))

    return ended_by(count, ending, gate)


def two_dones(count: int, gate: Gate | None = None) -> Handler:
    """Stream `count` events, end well, then send more text and a second [DONE]."""

    async def ending(model: str, reply: Reply) -> None:
        await _good_ending(model, reply)
        await reply.event(text_chunk(model, "after the end"))
        await reply.event("[DONE]")

    return ended_by(count, ending, gate)


def stalls_after(count: int, gate: Gate | None = None) -> Handler:
    """Stream `count` events, then send nothing until the peer leaves."""

    async def ending(_model: str, reply: Reply) -> None:
        await reply.client_gone()

    return ended_by(count, ending, gate)


def never_answers() -> Handler:
    """Send nothing at all until the peer leaves."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.client_gone()
        await reply.close()

    return handler


def closes_before_head(cut: Cut = "close") -> Handler:
    """Drop the connection without a byte."""

    async def handler(_received: Received, reply: Reply) -> None:
        await _cut(reply, cut)

    return handler


def _frames(received: Received, count: int) -> list[JSONObject | str]:
    model = received.json["model"]
    text = user_text(received.json)
    texts = [numbered_chunk(model, text, number) for number in range(1, count + 1)]
    return [*texts, last_chunk(model), "[DONE]"]


def _text(frame: JSONObject | str) -> str:
    return frame if isinstance(frame, str) else json.dumps(frame)


def noisy_stream(count: int) -> Handler:
    """Mix comments, keep-alives, `retry:`, `id:`, `event:` and empty data into a good stream."""

    async def handler(received: Received, reply: Reply) -> None:
        await reply.head(200, EVENT_STREAM)
        await reply.send(b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\nretry: 3000\n\n")
        for number, frame in enumerate(_frames(received, count)):
            noise = f": keep-alive {number}\n\ndata:\n\nid: {number}\n\nevent: ping\n\n:\n\n\n\n"
            await reply.send(noise.encode())
            await reply.send(f"id: {number}\n: inside\ndata:{_text(frame)}\n\n".encode())

    return handler


def line_ends(count: int, end: Literal["\n", "\r\n", "\r"]) -> Handler:
    """End every line of a good stream with `end`; all three are lines to SSE."""

    async def handler(received: Received, reply: Reply) -> None:
        await reply.head(200, EVENT_STREAM)
        for frame in _frames(received, count):
            await reply.event(frame, end=end)

    return handler


def byte_by_byte(count: int, end: Literal["\n", "\r\n", "\r"] = "\n") -> Handler:
    """Send a good stream one byte to a chunk, non-ASCII characters as UTF-8."""

    async def handler(received: Received, reply: Reply) -> None:
        await reply.head(200, EVENT_STREAM)
        for frame in _frames(received, count):
            text = frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False)
            for byte in f"data: {text}{end}{end}".encode():
                await reply.send(bytes([byte]))

    return handler


def body_200(body: bytes, content_type: str) -> Handler:
    """Answer 200 with any body and content type."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.whole(200, body, content_type)

    return handler


def html_200() -> Handler:
    """Answer 200 with an HTML page, as captive portals and bad base URLs do."""
    return body_200(b"<!doctype html><title>Welcome</title>", "text/html; charset=utf-8")


def invalid_json_200() -> Handler:
    """Answer 200 with JSON that breaks off, its length being right."""
    return body_200(b'{"id": "chatcmpl-fake", "choices": [', "application/json")


def empty_choices() -> Handler:
    """Answer 200 with a completion that has no choice."""
    return error_json(200, completion("any", [], "stop", usage(1, 0)))


def json_cut(cut: Cut | Literal["stall"]) -> Handler:
    """Send the head and half of a JSON answer, then reset, close or stall until the peer leaves."""

    async def handler(received: Received, reply: Reply) -> None:
        body = json.dumps(_good_answer(received)).encode()
        length = [("content-type", "application/json"), ("content-length", str(len(body)))]
        await reply.head(200, length)
        await reply.send(body[: len(body) // 2])
        if cut == "stall":
            await reply.client_gone()
        else:
            await _cut(reply, cut)

    return handler


def _good_answer(received: Received) -> JSONObject:
    answer = message(numbered_text(received, 1))
    return completion(received.json["model"], [answer], "stop", usage(1, 1))


def redirect(location: str, status: int = 302) -> Handler:
    """Redirect elsewhere: following it would carry the key to another server."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.head(status, [("location", location), ("content-length", "0")])

    return handler


def gzip_anyway() -> Handler:
    """Answer well but gzipped, whatever was asked."""

    async def handler(received: Received, reply: Reply) -> None:
        streamed = received.json.get("stream")
        frames = "".join(f"data: {_text(frame)}\n\n" for frame in _frames(received, 2))
        text = frames if streamed else json.dumps(_good_answer(received))
        content_type = EVENT_STREAM[0][1] if streamed else "application/json"
        packed = gzip.compress(text.encode(), mtime=0)
        await reply.whole(200, packed, content_type, [("content-encoding", "gzip")])

    return handler


def by_turn(*handlers: Handler) -> Handler:
    """Use the handlers one after the other, one for each request, and the last from then on."""
    left = list(handlers)

    async def handler(received: Received, reply: Reply) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(received, reply)

    return handler


def by_text(table: Mapping[str, Handler]) -> Handler:
    """Choose the handler by the text of the last user message."""

    async def handler(received: Received, reply: Reply) -> None:
        await table[user_text(received.json)](received, reply)

    return handler
