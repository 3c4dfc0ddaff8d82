"""What a client sends is read only as fast as it is used.

mitmproxy reads whatever comes and keeps what is not its turn yet. While a client is held back,
nothing is read: asyncio's reader fills (with 128 KiB, and what one call to the system brings), then
the system's buffer, and then the client waits.
"""

import asyncio
import select
from contextlib import suppress

from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler

HOLD_BACK = "llm_gateway_hold_back"
"""An attribute of a client, if somebody has set it: called with whether to read nothing more."""
LOOK_SECONDS = 0.5
"""How often to look whether a client is still there from which nothing is read."""

_LEFT = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
"""What says that a client has closed both sides, or its own (on Linux), though bytes lie unread."""


class Intake:
    """Stands in the place of a client's reader."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.BaseTransport,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Reads from ``reader``, which ``transport`` fills."""
        self._reader = reader
        self._transport = transport
        self._look_seconds = look_seconds
        self._free = asyncio.Event()
        self._free.set()

    def hold_back(self, held: bool) -> None:
        """Read nothing from now on, or go on reading."""
        if held:
            self._free.clear()
        else:
            self._free.set()

    async def read(self, count: int) -> bytes:
        """At most so many bytes, as :meth:`asyncio.StreamReader.read`; empty: the client has left.

        Of one that leaves while it is held back nothing more is read. That cannot be seen where its
        own system still holds some of what it has sent.
        """
        while not self._free.is_set():
            if self._has_left():
                return b""
            with suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), self._look_seconds)
        return await self._reader.read(count)

    def _has_left(self) -> bool:
        socket = self._transport.get_extra_info("socket")
        if self._transport.is_closing() or socket is None:
            return self._transport.is_closing()
        poll = select.poll()
        poll.register(socket, _LEFT)
        return bool(poll.poll(0))


def read_in_turn(handler: ConnectionHandler) -> None:
    """Have a client's bytes read so, before mitmproxy has read any."""
    io = handler.transports.get(handler.client)
    if (
        io is not None
        and isinstance(io.reader, asyncio.StreamReader)
        and isinstance(io.writer, asyncio.StreamWriter)
    ):
        intake = Intake(io.reader, io.writer.transport)
        io.reader = intake  # type: ignore[assignment] # mitmproxy calls nothing but read
        setattr(handler.client, HOLD_BACK, intake.hold_back)


def let_go(client: Client) -> None:
    """The client has left; flows that people keep refer to it, and need not keep what it sent."""
    vars(client).pop(HOLD_BACK, None)
