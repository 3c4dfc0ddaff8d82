"""A fast fake provider: ``python -m bench.provider``.

Prints its two ports as one JSON line, and serves until its standard input ends. On the first port
it answers chat completions over HTTP/1.1. On the second it takes *credits*: the load generator
writes the number of a stream there when an event has arrived at the client, and the stream's next
event leaves. Without that, events would pile up in front of a busy proxy, which would then read
many of them at once and look cheaper than it is at the pace of a language model.
"""

import asyncio
import json
import re
import struct
import sys
from typing import override

from bench.sockets import Connected
from bench.traffic import Case, events, whole_answer

CREDIT = struct.Struct("!H")
"""A credit as bytes: the number of the connection, and thereby of its one stream."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"bench-([a-z]+)"')
_NUMBER = re.compile(rb'"user": ?"(\d+)"')


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole() -> bytes:
    body = whole_answer()
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _pieces() -> list[bytes]:
    """What is written for a stream, step by step: the head with the first event, …, the end."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"cache-control: no-cache\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    pieces = [_chunk(event) for event in events()]
    pieces[0] = head + pieces[0]
    pieces[-1] += _chunk(b"")
    return pieces


WHOLE = _whole()
PIECES = _pieces()
BURST = b"".join(PIECES)


class ProviderConnection(Connected):
    """Answers one request after the other."""

    def __init__(self, streams: dict[int, "ProviderConnection"]) -> None:
        """``streams``: the open streams by number, filled and emptied here."""
        super().__init__()
        self._streams = streams
        self._input = b""
        self._number = 0
        self._sent = 0

    @override
    def data_received(self, data: bytes) -> None:
        self._input += data
        end = self._input.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self._input, 0, end)
        if end < 4 or length is None or len(self._input) < end + int(length[1]):
            return
        body, self._input = self._input[end:], b""
        model, number = _MODEL.search(body), _NUMBER.search(body)
        if model is None or number is None:
            raise ValueError("not a request of this measurement")
        self._number = int(number[1])
        self._answer(Case(model[1].decode()))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._streams.get(self._number) is self:
            del self._streams[self._number]

    def _answer(self, case: Case) -> None:
        match case:
            case Case.WHOLE:
                self.transport.write(WHOLE)
            case Case.BURST:
                self.transport.write(BURST)
            case Case.HELD:
                self.transport.write(PIECES[0])
            case Case.STREAM:
                self._streams[self._number] = self
                self._sent = 0
                self.step()

    def step(self) -> None:
        """Write the next piece of the stream."""
        self.transport.write(PIECES[self._sent])
        self._sent += 1
        if self._sent == len(PIECES):
            del self._streams[self._number]


class Credits(asyncio.Protocol):
    """Lets streams go on. A credit for one that is over is no matter: the client judges."""

    def __init__(self, streams: dict[int, ProviderConnection]) -> None:
        """``streams``: the open streams by number."""
        self._streams = streams
        self._input = b""

    @override
    def data_received(self, data: bytes) -> None:
        data = self._input + data
        whole = len(data) - len(data) % CREDIT.size
        self._input = data[whole:]
        for (number,) in CREDIT.iter_unpack(data[:whole]):
            if stream := self._streams.get(number):
                stream.step()


async def serve() -> None:
    """Serve until standard input ends."""
    streams: dict[int, ProviderConnection] = {}
    loop = asyncio.get_running_loop()
    backlog = 1024
    http = await loop.create_server(
        lambda: ProviderConnection(streams), "127.0.0.1", 0, backlog=backlog
    )
    credit = await loop.create_server(lambda: Credits(streams), "127.0.0.1", 0)
    async with http, credit:
        ports = {
            "port": http.sockets[0].getsockname()[1],
            "credit_port": credit.sockets[0].getsockname()[1],
        }
        print(json.dumps(ports), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
