"""An HTTP proxy on loopback: tunnels for CONNECT, one fixed answer for anything else."""

import asyncio
from contextlib import suppress
from typing import Self

from support.http1 import Headers, Malformed, read_head

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nvia proxy"


class FakeProxy:
    """`async with FakeProxy() as proxy:` serves at `proxy.url`.

    With a `refusal` (a whole HTTP answer) it lets nothing through.
    """

    def __init__(self, refusal: bytes | None = None) -> None:
        self._refusal = refusal
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[tuple[str, Headers]] = []
        """Start line and header fields of every request, in order."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The proxy's origin."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def start_lines(self) -> list[str]:
        """The start line of every request, in order."""
        return [line for line, _ in self.requests]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await read_head(reader)
            if head is None:
                return
            self.requests.append(head)
            method, target, _ = head[0].split(" ")
            if self._refusal is not None:
                writer.write(self._refusal)
            elif method == "CONNECT":
                await self._tunnel(target, reader, writer)
            else:
                writer.write(ANSWER)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, Malformed):
            pass  # What came before is recorded; the test judges that.
        finally:
            writer.close()

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back))
                both.create_task(_copy(there, writer))
        finally:
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
