"""An HTTP/1.1 server on loopback that records every request and gives full control of the answer.

It reads with its own small parser (support.http1), so that the test sees the bytes that the
client under test really sent, and it writes what the handler says, wrong or not.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, override

from support.http1 import (
    MAX_HEAD,
    Headers,
    Malformed,
    read_head,
    read_request_body,
    values,
)
from support.waiting import DEADLINE, Changes

type HeaderList = Sequence[tuple[str, str]]
type Handler = Callable[[Received, Reply], Awaitable[None]]

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Received:
    """One request as it came over the wire; header names keep their case."""

    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    connection_id: int
    closed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when the peer closes its side while the answer is being made."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is not."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """Return the value of the only field called `name`; raises ValueError when repeated."""
        found = values(self.headers, name)
        if len(found) > 1:
            raise ValueError(f"{len(found)} {name} fields, expected at most one")
        return found[0] if found else None


class Connection(asyncio.StreamReaderProtocol):
    """A server-side connection that notices at once when the peer leaves.

    A half-closed peer counts as gone: no client under test does that while it wants an answer.
    """

    def __init__(self, serve: "Callable[[Connection], int]", changes: Changes) -> None:
        self.reader = asyncio.StreamReader(limit=MAX_HEAD)
        self.gone = asyncio.Event()
        self.current: Received | None = None
        self._serve = serve
        self._changes = changes
        super().__init__(self.reader, self._accepted)

    def _accepted(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.number = self._serve(self)

    @override
    def eof_received(self) -> bool | None:
        self._leave()
        return super().eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self.gone.set()
        if self.current is not None:
            self.current.closed.set()
        self._changes.tell()

    @property
    def is_open(self) -> bool:
        """Neither side has closed."""
        return not self.gone.is_set() and not self.writer.is_closing()


class Reply:
    """The answer to one request, down to the byte."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writer = connection.writer
        self._started = False
        self._chunked = False
        self._left: int | None = None
        self.sent: list[tuple[float, int]] = []
        """When something was sent, by the event loop's clock, and how many bytes."""

    @property
    def is_open(self) -> bool:
        """Neither side has closed the connection."""
        return self._connection.is_open

    async def head(
        self, status: int = 200, headers: HeaderList = (), *, chunked: bool | None = None
    ) -> None:
        """Send the status line and `headers`.

        Without a content-length or transfer-encoding among them the body is chunked; with
        `chunked=False` it then ends with the connection.
        """
        lengths = values(list(headers), "content-length")
        codings = values(list(headers), "transfer-encoding")
        self._chunked = bool(codings) or (not lengths if chunked is None else chunked)
        self._left = int(lengths[0]) if lengths else None
        framing = [("transfer-encoding", "chunked")] if self._chunked and not codings else []
        lines = [f"{name}: {value}\r\n" for name, value in [*headers, *framing]]
        start = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"
        await self.raw((start + "".join(lines) + "\r\n").encode("latin-1"))

    async def send(self, data: bytes) -> None:
        """Send body bytes, as one chunk when the body is chunked."""
        if self._left is not None:
            self._left -= len(data)
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self.raw(data)

    async def event(self, data: object, *, end: str = "\n") -> None:
        """Send one SSE event whose data is `data`, as JSON unless it is a str."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        await self.send(f"data: {text}{end}{end}".encode())

    async def json(self, status: int, content: object, headers: HeaderList = ()) -> None:
        """Send a whole JSON answer with its length."""
        await self.whole(status, json.dumps(content).encode(), "application/json", headers)

    async def whole(
        self, status: int, body: bytes, content_type: str, headers: HeaderList = ()
    ) -> None:
        """Send a whole answer with its length."""
        framing = [("content-type", content_type), ("content-length", str(len(body)))]
        await self.head(status, [*framing, *headers])
        await self.send(body)

    async def raw(self, data: bytes) -> None:
        """Write bytes straight to the socket; raises ConnectionError when the peer is gone."""
        self._started = True
        self.sent.append((asyncio.get_running_loop().time(), len(data)))
        self._writer.write(data)
        await self._writer.drain()

    def abort(self) -> None:
        """Reset the connection (RST): the peer's next read or write fails."""
        self._started = True
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection cleanly (FIN), whatever is missing from the body."""
        self._started = True
        self._writer.close()

    async def client_gone(self) -> None:
        """Wait until the peer has closed its side."""
        await self._connection.gone.wait()

    async def unless_gone(self, wait: Coroutine[Any, Any, None]) -> None:
        """Await `wait`; raises ConnectionResetError when the peer leaves first."""
        waiting = asyncio.ensure_future(wait)
        leaving = asyncio.ensure_future(self._connection.gone.wait())
        try:
            await asyncio.wait([waiting, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ConnectionResetError("the peer left during a wait")
            waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)

    async def finish(self) -> bool:
        """End the body; tell whether the connection can carry another request."""
        if not self._started:
            raise AssertionError("the handler sent nothing and did not close the connection")
        if not self._connection.is_open:
            return False
        if self._chunked:
            self._chunked = False
            await self.raw(b"0\r\n\r\n")
            return True
        return self._left == 0


class RecordingServer:
    """`async with RecordingServer(handler) as server:` answers each request with `handler`.

    Leaving the block raises an ExceptionGroup of whatever handlers raised and of malformed
    requests, so neither goes unseen.
    """

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._connections: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changes = Changes()
        self._failures: list[Exception] = []
        self.requests: list[Received] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connect, "127.0.0.1", 0, ssl=self._tls, backlog=1024
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self._connections:
            connection.writer.transport.abort()
        await self._server.wait_closed()
        if self._failures and error is None:
            raise ExceptionGroup("the recording server failed", self._failures)

    @property
    def url(self) -> str:
        """The server's origin."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def count_connections(self) -> int:
        """How many connections were ever accepted."""
        return len(self._connections)

    @property
    def open_connections(self) -> int:
        """How many connections are open, as far as neither side has closed them."""
        return sum(connection.is_open for connection in self._connections)

    async def until(self, fact: Callable[[], bool], within: float = DEADLINE) -> None:
        """Wait for a fact about the requests or connections of this server."""
        await self._changes.until(fact, within)

    async def request(self, number: int = 1, within: float = DEADLINE) -> Received:
        """Wait for the `number`-th request (from 1) and return it."""
        await self.until(lambda: len(self.requests) >= number, within)
        return self.requests[number - 1]

    async def answer(self, received: Received, reply: Reply) -> None:
        """Answer one request."""
        await self._handler(received, reply)

    def _connect(self) -> Connection:
        return Connection(self._start, self._changes)

    def _start(self, connection: Connection) -> int:
        self._connections.append(connection)
        self._changes.tell()
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return len(self._connections)

    async def _serve(self, connection: Connection) -> None:
        try:
            while (received := await self._receive(connection)) is not None:
                if not await self._exchange(connection, received):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The peer left: that is recorded in the request's `closed`.
        except Malformed as error:
            self._failures.append(error)
            connection.writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        except Exception as error:
            self._failures.append(error)
        finally:
            connection.writer.close()
            self._changes.tell()

    async def _exchange(self, connection: Connection, received: Received) -> bool:
        reply = Reply(connection)
        connection.current = received
        if connection.gone.is_set():
            received.closed.set()
        self.requests.append(received)
        self._changes.tell()
        await self.answer(received, reply)
        reusable = await reply.finish()
        connection.current = None
        return reusable

    @staticmethod
    async def _receive(connection: Connection) -> Received | None:
        head = await read_head(connection.reader)
        if head is None:
            return None
        start, headers = head
        method, target = _request_line(start)
        if len(values(headers, "host")) != 1:
            raise Malformed("expected exactly one Host field (RFC 9112 §3.2)")
        body = await read_request_body(connection.reader, headers)
        return Received(method, target, headers, body, connection.number)


def _request_line(line: str) -> tuple[str, str]:
    match line.split(" "):
        case [method, target, "HTTP/1.1"] if method and target.startswith("/"):
            return method, target
        case _:
            raise Malformed("expected METHOD /target HTTP/1.1")
