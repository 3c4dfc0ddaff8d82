"""Steps of the fault server that go wrong inside a stream, or send a good one strangely."""

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

from support.echo import EVENT_STREAM
from support.fault_attempt import PIECES, Attempt, Script
from support.openai_shapes import chunk, text_chunk, tool_call
from support.recording_server import Reply

MEGABYTE = 1_000_000

type Ending = Callable[[Reply], Awaitable[None]]


async def _reset(reply: Reply) -> None:
    reply.abort()


async def _close(reply: Reply) -> None:
    await reply.close()


async def _eof(_reply: Reply) -> None:
    """The body ends well."""


async def _silence(reply: Reply) -> None:
    await reply.client_gone()


_ENDINGS: dict[str, Ending] = {"rst": _reset, "close": _close, "eof": _eof, "silence": _silence}


def _headers_then(ending: Ending) -> Script:
    async def script(attempt: Attempt) -> None:
        await attempt.reply.head(200, EVENT_STREAM)
        await ending(attempt.reply)

    return script


def _role_then(ending: Ending) -> Script:
    async def script(attempt: Attempt) -> None:
        await attempt.begin()
        await ending(attempt.reply)

    return script


def _content_then(ending: Ending) -> Script:
    async def script(attempt: Attempt) -> None:
        await attempt.begin()
        await attempt.pieces()
        await ending(attempt.reply)

    return script


def _call_then(ending: Ending) -> Script:
    """It breaks off in the middle of a tool call's arguments."""

    async def script(attempt: Attempt) -> None:
        await attempt.begin()
        call: Any = {**tool_call("get_weather", '{"pla'), "index": 0}
        await attempt.reply.event(chunk(attempt.model, {"tool_calls": [call]}))
        await ending(attempt.reply)

    return script


async def _comments_forever(attempt: Attempt) -> None:
    await attempt.reply.head(200, EVENT_STREAM)
    while True:
        await attempt.reply.send(b": still at it\n\n")
        await attempt.pause(0.02)


async def error_first(attempt: Attempt, code: int) -> None:
    """The first event is an error with this code."""
    await attempt.reply.head(200, EVENT_STREAM)
    await attempt.reply.event(attempt.error(code))


async def content_then_error(attempt: Attempt, code: int) -> None:
    """There is content, and then an error with this code."""
    await attempt.begin()
    await attempt.pieces()
    await attempt.reply.event(attempt.error(code))
    await attempt.reply.event("[DONE]")


async def _no_done(attempt: Attempt) -> None:
    await attempt.begin()
    await attempt.pieces()
    await attempt.reply.event(json.loads(list(attempt.frames())[-2].removeprefix("data: ")))


async def _two_dones(attempt: Attempt) -> None:
    await attempt.begin()
    await attempt.pieces()
    await attempt.finish()
    await attempt.pieces(PIECES)
    await attempt.reply.event("[DONE]")


def _bytewise(end: str) -> Script:
    """Every byte in a chunk of its own, lines ended by `end`."""

    async def script(attempt: Attempt) -> None:
        await attempt.reply.head(200, EVENT_STREAM)
        for byte in "".join(attempt.frames(end)).encode():
            await attempt.reply.send(bytes([byte]))

    return script


async def _noise(attempt: Attempt) -> None:
    """All that a reader of events must pass over: a BOM, comments, events without data."""
    await attempt.reply.head(200, EVENT_STREAM)
    await attempt.reply.send(b"\xef\xbb\xbf: hello\n\nretry: 3000\n\n")
    for number, frame in enumerate(attempt.frames()):
        noise = f": keep-alive\n\ndata:\n\nid: {number}\n\nevent: ping\n\n:\n\n\n\n"
        await attempt.reply.send(noise.encode() + f"id: {number}\n: inside\n{frame}".encode())


async def _bad_utf8(attempt: Attempt) -> None:
    await attempt.begin()
    await attempt.pieces()
    broken = json.dumps(text_chunk(attempt.model, "BYTES")).encode().replace(b"BYTES", b"\xff\xfe")
    await attempt.reply.send(b"data: " + broken + b"\n\n")
    await attempt.finish()


async def big_event(attempt: Attempt, megabytes: int) -> None:
    """One event of this size stands before the pieces."""
    await attempt.begin()
    await attempt.reply.event(text_chunk(attempt.model, "x" * (megabytes * MEGABYTE)))
    await attempt.pieces()
    await attempt.finish()


async def _endless_line(attempt: Attempt) -> None:
    await attempt.begin()
    await attempt.pieces()
    await attempt.reply.send(b"data: ")
    while True:
        await attempt.reply.send(b"x" * 65536)


async def _flood(attempt: Attempt) -> None:
    """Content without end, as fast as it is taken."""
    await attempt.begin()
    frame = b"data: " + json.dumps(text_chunk(attempt.model, "x" * 65536)).encode() + b"\n\n"
    while True:
        await attempt.reply.send(frame)


async def burst(attempt: Attempt, count: int) -> None:
    """So many small pieces at once."""
    await attempt.begin()
    frames = [f"data: {json.dumps(attempt.piece(place))}\n\n" for place in range(count)]
    for first in range(0, count, 1000):
        await attempt.reply.send("".join(frames[first : first + 1000]).encode())
    await attempt.finish()


async def held_after(attempt: Attempt, count: int) -> None:
    """So many pieces, the others when the test lets them go."""
    await attempt.begin()
    await attempt.pieces(0, count)
    await attempt.released()
    await attempt.pieces(count, PIECES - count)
    await attempt.finish()


async def _gzip(attempt: Attempt) -> None:
    if attempt.stream:
        text, content_type = "".join(attempt.frames()), EVENT_STREAM[0][1]
    else:
        text, content_type = json.dumps(attempt.whole()), "application/json"
    packed = gzip.compress(text.encode(), mtime=0)
    await attempt.reply.whole(200, packed, content_type, [("content-encoding", "gzip")])


async def _json_always(attempt: Attempt) -> None:
    await attempt.reply.json(200, attempt.whole())


async def _stream_always(attempt: Attempt) -> None:
    await attempt.begin()
    await attempt.pieces()
    await attempt.finish()


STREAMS: dict[str, Script] = {
    **{f"headers-then-{name}": _headers_then(ending) for name, ending in _ENDINGS.items()},
    **{f"role-then-{name}": _role_then(ending) for name, ending in _ENDINGS.items()},
    **{f"content-then-{name}": _content_then(ending) for name, ending in _ENDINGS.items()},
    **{f"call-then-{name}": _call_then(ending) for name, ending in _ENDINGS.items()},
    "comments-forever": _comments_forever,
    "no-done": _no_done,
    "two-dones": _two_dones,
    "bytewise": _bytewise("\n"),
    "bytewise-cr": _bytewise("\r"),
    "bytewise-crlf": _bytewise("\r\n"),
    "noise": _noise,
    "bad-utf8": _bad_utf8,
    "endless-line": _endless_line,
    "flood": _flood,
    "gzip": _gzip,
    "json-always": _json_always,
    "stream-always": _stream_always,
}
NUMBERED_STREAMS = {
    "error-first": error_first,
    "content-then-error": content_then_error,
    "big-event": big_event,
    "burst": burst,
    "held-after": held_after,
}
"""Those that take a number."""
