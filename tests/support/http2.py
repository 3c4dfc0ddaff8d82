"""An HTTP/2 client over TLS on asyncio streams, down to the frame (RFC 9113).

Every wait has a deadline (TimeoutError), so that a test fails rather than hangs.
"""

import asyncio
import json
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from support.http1 import PIECE, Headers
from support.waiting import DEADLINE, Changes


class Http2Stream:
    """One request and what has come of its answer so far."""

    def __init__(self, client: "Http2Client", number: int) -> None:
        self._client = client
        self.number = number
        self.status: int | None = None
        self.headers: Headers = []
        self.body = b""
        self.ended = False
        """The peer has ended its side."""
        self.reset_code: int | None = None
        """The error code the peer has reset the stream with."""

    def header(self, name: str) -> str | None:
        """Return the value of a field of the answer."""
        return dict(self.headers).get(name)

    @property
    def events(self) -> list[str]:
        """The data of each whole SSE event that has come."""
        whole = self.body.decode().split("\n\n")[:-1]
        return [event.removeprefix("data: ") for event in whole]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    async def answered(self) -> Self:
        """Wait for the head of the answer."""
        await self._client.until(lambda: self.status is not None)
        return self

    async def received(self, count: int) -> list[str]:
        """Wait until `count` SSE events have come; return all that have."""
        await self._client.until(lambda: len(self.events) >= count)
        return self.events

    async def finished(self) -> Self:
        """Wait until the peer has ended its side."""
        await self._client.until(lambda: self.ended)
        return self

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the request's body, which must fit the flow-control window."""
        await self._client.send_data(self.number, data, end=end)

    async def reset(self) -> None:
        """Cancel the stream."""
        await self._client.reset(self.number)


class Http2Client:
    """`async with Http2Client(port, tls) as client:` is one connection to 127.0.0.1.

    `tls` must offer h2, as support.tls.http2_context does.

    With `window` the stream windows begin that large (bytes) and never open again.
    """

    def __init__(self, port: int, tls: ssl.SSLContext, *, window: int | None = None) -> None:
        self._port = port
        self._tls = tls
        self._window = window
        self._changes = Changes()
        self._streams: dict[int, Http2Stream] = {}
        self._state = h2.connection.H2Connection(h2.config.H2Configuration())
        self.terminated = False
        self.told_to_go = False
        """The peer has sent GOAWAY."""

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(DEADLINE):
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls, server_hostname="localhost"
            )
        self._state.initiate_connection()
        if self._window is not None:
            initial = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
            self._state.update_settings({initial: self._window})
            self._state.increment_flow_control_window(2**30)
        await self._flush()
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.close()

    async def request(
        self, method: str, path: str, headers: Iterable[tuple[str, str]], *, authority: str
    ) -> Http2Stream:
        """Begin a request whose body is yet to be sent."""
        return await self._begin(method, path, headers, authority, end=False)

    async def exchange(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: bytes = b"",
        *,
        authority: str,
    ) -> Http2Stream:
        """Send a whole request; `body` must fit the flow-control window."""
        stream = await self._begin(method, path, headers, authority, end=not body)
        if body:
            await stream.send(body, end=True)
        return stream

    async def until(self, fact: Any) -> None:
        """Wait for a fact about the streams of this connection."""
        await self._changes.until(fact)

    async def send_data(self, number: int, data: bytes, *, end: bool) -> None:
        """Send a DATA frame."""
        self._state.send_data(number, data, end_stream=end)
        await self._flush()

    async def reset(self, number: int) -> None:
        """Send RST_STREAM with CANCEL, unless the stream is over."""
        with suppress(h2.exceptions.StreamClosedError):
            self._state.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        await self._flush()

    async def send_raw(self, data: bytes) -> None:
        """Send these bytes, whatever they are."""
        self._writer.write(data)
        await self._flush()

    async def go_away(self) -> None:
        """Send GOAWAY."""
        self._state.close_connection()
        await self._flush()

    async def close(self) -> None:
        """Close the connection without a word of HTTP/2."""
        self._writer.close()
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await self._writer.wait_closed()

    async def _begin(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        authority: str,
        *,
        end: bool,
    ) -> Http2Stream:
        number = self._state.get_next_available_stream_id()
        pseudo = [
            (":method", method),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
        ]
        fields = [(name.lower(), value) for name, value in headers]
        self._state.send_headers(number, [*pseudo, *fields], end_stream=end)
        self._streams[number] = Http2Stream(self, number)
        await self._flush()
        return self._streams[number]

    async def _flush(self) -> None:
        self._writer.write(self._state.data_to_send())
        async with asyncio.timeout(DEADLINE):
            await self._writer.drain()

    async def _read(self) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await self._reader.read(PIECE):
                for event in self._state.receive_data(data):
                    self._note(event)
                await self._flush()
                self._changes.tell()
        self.terminated = True
        self._changes.tell()

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=number, headers=fields):
                stream = self._streams[number]
                stream.headers = [(bytes(k).decode(), bytes(v).decode()) for k, v in fields]
                stream.status = int(dict(stream.headers)[":status"])
            case h2.events.DataReceived(stream_id=number, data=data):
                self._streams[number].body += data
                if self._window is None:
                    self._state.acknowledge_received_data(event.flow_controlled_length, number)
            case h2.events.StreamEnded(stream_id=number):
                self._streams[number].ended = True
            case h2.events.StreamReset(stream_id=number, error_code=code):
                self._streams[number].reset_code = int(code)
            case h2.events.ConnectionTerminated():
                self.told_to_go = True
