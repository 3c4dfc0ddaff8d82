"""Sends a row's input, and holds what comes of it against what is right."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from support.bad_input.case import After, Answer, Request, Row, get
from support.bad_input.stage import SECRETS, Stage
from support.http2 import Http2Client
from support.raw_http import Head, RawConnection

KEYS = {"message", "type", "param", "code"}
WORDS_FOR_MITMPROXY = (
    "Its request line or a header is not of the right form.",
    "Its Content-Length or Transfer-Encoding is not valid.",
    "The request is malformed: its host, the name of a header or the length of its body is "
    "missing, not valid or not clear.",
    "This gateway opens no tunnels (CONNECT).",
)
"""How messages end where mitmproxy has found the fault, and the gateway the words for it."""
LONGEST = 600
"""Characters that a message may have: what a client wrote is never repeated at length."""


async def play(stage: Stage, row: Row, pieces: Iterable[bytes]) -> None:
    """Send a row's input in these pieces over a connection of its own. Raises AssertionError."""
    async with watched(stage, row), RawConnection(stage.gateway.port) as client:
        sending = asyncio.ensure_future(_send(client, pieces, row.ends))
        try:
            await _answers(client, row)
            await _afterwards(client, row)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def play_http2(stage: Stage, row: Row, request: Request, client: Http2Client) -> None:
    """Send a row's request over a connection that others use as well. Raises AssertionError."""
    async with watched(stage, row):
        asked = (request.method, request.target, request.fields, request.body)
        stream = await (await client.exchange(*asked, authority=request.host)).finished()
        head = Head(stream.status or 0, "", stream.headers)
        check(row, row.answers[0], head, stream.body)


@asynccontextmanager
async def watched(stage: Stage, row: Row) -> AsyncIterator[None]:
    """What the row says of its time, and of what reaches providers and the log."""
    before = [len(provider.requests) for provider in stage.providers]
    async with asyncio.timeout(row.within):
        yield
    fresh = [
        request
        for provider, count in zip(stage.providers, before, strict=True)
        for request in provider.requests[count:]
    ]
    assert len(fresh) == row.calls, f"{len(fresh)} calls, expected {row.calls}"
    for request in fresh:
        assert row.forwarded is None or row.forwarded(request), (request.headers, request.body)
    assert not stage.complaints()


async def _send(client: RawConnection, pieces: Iterable[bytes], ends: bool) -> None:
    for piece in pieces:
        await client.send(piece)
    if ends:
        client.end()


async def _answers(client: RawConnection, row: Row) -> None:
    for expected in row.answers:
        head = await client.read_head()
        nothing = expected.bodiless or head.status < 200
        body = b"" if nothing else await client.read_body(head)
        check(row, expected, head, body)


async def _afterwards(client: RawConnection, row: Row) -> None:
    if row.after is After.CLOSED:
        # It may be closed while much of what we sent is still under way.
        with suppress(ConnectionResetError):
            assert await client.read_to_end() == b""
        return
    if row.after is After.USABLE:
        head, body = await client.exchange(get().bytes())
        assert head.status == 200, body


def check(row: Row, expected: Answer, head: Head, body: bytes) -> None:
    """Hold one answer against what is right."""
    assert head.status == expected.status, (head.status, head.headers, body[:500])
    for name, pattern in expected.fields.items():
        if name == "connection" and head.header(":status"):
            # HTTP/2 has no such field.
            continue
        value = head.header(name)
        if pattern is None:
            assert value is None, (name, value)
        else:
            assert re.fullmatch(pattern, value or ""), (name, value)
    text = repr(head.headers).encode() + body
    assert not [secret for secret in (*SECRETS, *row.hidden) if secret in text]
    if expected.type:
        message = _check_error(expected, head, body)
        assert row.by_mitmproxy is message.endswith(WORDS_FOR_MITMPROXY), message


def _check_error(expected: Answer, head: Head, body: bytes) -> str:
    assert head.header("content-type") == "application/json", (head.headers, body[:500])
    content = json.loads(body)
    assert set(content) == {"error"}
    error = content["error"]
    assert set(error) == KEYS
    assert (error["type"], error["code"]) == (expected.type, expected.code), error
    assert expected.param in (error["param"], ...), error
    assert expected.says in error["message"], error
    assert 0 < len(error["message"]) <= LONGEST
    assert error["message"].isprintable()
    return str(error["message"])
