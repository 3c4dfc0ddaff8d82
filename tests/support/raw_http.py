"""A raw HTTP/1.1 client on asyncio streams: exact bytes out, exact bytes in.

Every wait has a deadline (TimeoutError), so that a test fails rather than hangs.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from support.http1 import (
    MAX_HEAD,
    PIECE,
    Headers,
    Malformed,
    body_length,
    chunked_body,
    is_chunked,
    length_body,
    read_head,
    values,
)
from support.recording_server import RESET_ON_CLOSE, HeaderList
from support.waiting import DEADLINE


@dataclass(frozen=True)
class Head:
    """The status line and header fields of an answer."""

    status: int
    reason: str
    headers: Headers = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the value of the only field called `name`; raises ValueError when repeated."""
        found = values(self.headers, name)
        if len(found) > 1:
            raise ValueError(f"{len(found)} {name} fields, expected at most one")
        return found[0] if found else None


def request_bytes(
    method: str, target: str, headers: HeaderList = (), body: bytes = b"", *, host: str
) -> bytes:
    """Return a request with Host and content-length put before `headers`."""
    fields = [("Host", host), ("Content-Length", str(len(body))), *headers]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def plain_request(
    method: str, target: str, *fields: tuple[str, str], version: str = "HTTP/1.1"
) -> bytes:
    """Return a request with exactly these fields and no body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} {version}\r\n{lines}\r\n".encode("latin-1")


def json_request(
    target: str, content: object, *, host: str, token: str | None = None, headers: HeaderList = ()
) -> bytes:
    """Return a POST of `content` as JSON, with a bearer token if given."""
    bearer = [("Authorization", f"Bearer {token}")] if token is not None else []
    fields = [("Content-Type", "application/json"), *bearer, *headers]
    return request_bytes("POST", target, fields, json.dumps(content).encode(), host=host)


class RawConnection:
    """`async with RawConnection(port) as client:` is one connection to 127.0.0.1.

    `receive_buffer` (bytes) keeps the kernel's and our own buffers small, for a slow reader.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        deadline: float = DEADLINE,
        receive_buffer: int | None = None,
    ) -> None:
        self._port = port
        self._tls = tls
        self._deadline = deadline
        self._receive_buffer = receive_buffer

    async def __aenter__(self) -> Self:
        sock = socket.socket()
        if self._receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(self._deadline):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, ("127.0.0.1", self._port))
                self._reader, self._writer = await asyncio.open_connection(
                    sock=sock,
                    ssl=self._tls,
                    server_hostname="127.0.0.1" if self._tls else None,
                    limit=self._receive_buffer or MAX_HEAD,
                )
        except BaseException:
            sock.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @property
    def ended(self) -> bool:
        """Whether the server has closed its side, and all that it sent was read."""
        return self._reader.at_eof()

    async def send(self, data: bytes) -> None:
        """Send exactly `data`."""
        async with asyncio.timeout(self._deadline):
            self._writer.write(data)
            await self._writer.drain()

    async def read_head(self) -> Head:
        """Read the head of the next answer; raises ConnectionError when none comes."""
        async with asyncio.timeout(self._deadline):
            head = await read_head(self._reader)
        if head is None:
            raise ConnectionError("the server closed the connection without an answer")
        version, status, reason = (*head[0].split(" ", 2), "")[:3]
        if version != "HTTP/1.1" or not status.isdecimal():
            raise Malformed("expected an HTTP/1.1 status line")
        return Head(int(status), reason, head[1])

    async def body(self, head: Head) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives: chunk by chunk, else in pieces.

        Raises asyncio.IncompleteReadError when the connection ends inside the body.
        """
        async with aclosing(self._pieces(head)) as pieces:
            while True:
                async with asyncio.timeout(self._deadline):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece

    async def events(self, head: Head) -> AsyncGenerator[str]:
        """Yield the data of each SSE event of an answer whose lines end with a line feed."""
        pending = b""
        async with aclosing(self.body(head)) as pieces:
            async for piece in pieces:
                *whole, pending = (pending + piece).split(b"\n\n")
                for event in whole:
                    lines = event.decode().split("\n")
                    yield "\n".join(line[6:] for line in lines if line.startswith("data: "))
        if pending:
            raise Malformed(f"the stream ends inside an event, after {len(pending)} bytes")

    async def read_body(self, head: Head) -> bytes:
        """Read the rest of the body."""
        return b"".join([piece async for piece in self.body(head)])

    async def exchange(self, request: bytes) -> tuple[Head, bytes]:
        """Send a request and read its whole answer."""
        await self.send(request)
        head = await self.read_head()
        return head, await self.read_body(head)

    async def read_json(self, head: Head) -> Any:
        """Read the rest of the body as JSON."""
        return json.loads(await self.read_body(head))

    async def read_to_end(self) -> bytes:
        """Read whatever else comes until the server closes; raises ConnectionError on a reset."""
        async with asyncio.timeout(self._deadline):
            return await self._reader.read()

    async def read_some(self) -> bytes:
        """Read what comes next; empty when the server closes instead."""
        async with asyncio.timeout(self._deadline):
            return await self._reader.read(PIECE)

    async def close(self) -> None:
        """Close the connection (FIN)."""
        self._writer.close()
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(self._deadline):
                await self._writer.wait_closed()

    def end(self) -> None:
        """Close our side alone (FIN); what the server still sends can be read."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Reset the connection (RST)."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._writer.transport.abort()

    def _pieces(self, head: Head) -> AsyncGenerator[bytes]:
        length = body_length(head.headers)
        if head.status in {204, 304}:
            return length_body(self._reader, 0)
        if is_chunked(head.headers):
            return chunked_body(self._reader)
        return length_body(self._reader, length) if length is not None else self._until_end()

    async def _until_end(self) -> AsyncGenerator[bytes]:
        while piece := await self._reader.read(PIECE):
            yield piece
