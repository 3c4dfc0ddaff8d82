"""How connections are accepted: few at a time, while many may wait; and quietly where none can be.

asyncio accepts up to a hundred connections before it looks at anything else, and mitmproxy does
most of its work for a connection on the spot. A request takes a dozen turns of the event loop; when
each of them begins with a hundred new connections, it takes seconds.
"""

import asyncio
import errno
import logging
import socket
import weakref
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance

logger = logging.getLogger(__name__)

AT_A_TIME = 8
"""Connections accepted in one turn of the event loop, by each listener."""
WAITING = 1024
"""Connections that may wait for that; asyncio's hundred are there in one burst of clients. The
kernel may allow less (``net.core.somaxconn``)."""
QUIET_SECONDS = 60.0

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listening:
    """Has mitmproxy's TCP listeners accept in this way."""

    def __init__(self, proxyserver: Proxyserver) -> None:
        self._proxyserver = proxyserver
        self._ours: weakref.WeakSet[asyncio.Server] = weakref.WeakSet()
        proxyserver.servers.changed.connect(self.adopt)

    async def adopt(self) -> None:
        """Put servers of ours on the sockets of those that mitmproxy has started.

        No connection is lost: the sockets listen all the time.
        """
        for instance in self._proxyserver.servers:
            if isinstance(instance, AsyncioServerInstance):
                try:
                    await self._adopt(instance)
                except Exception:
                    logger.exception("A listener could not be adopted; it accepts as before.")

    async def _adopt(self, instance: AsyncioServerInstance[Any]) -> None:
        for server in [*instance._servers]:
            if not isinstance(server, asyncio.Server) or server in self._ours:
                continue
            listeners = [each.dup() for each in server.sockets]
            new = [await self._server_on(instance, each) for each in listeners]
            self._ours.update(new)
            place = instance._servers.index(server)
            instance._servers[place : place + 1] = new
            server.close()
            for each, listener in zip(new, listeners, strict=True):
                await self._start(each, listener)

    async def _server_on(
        self, instance: AsyncioServerInstance[Any], listener: socket.socket
    ) -> asyncio.Server:
        """Takes no turn of the event loop, in which mitmproxy could stop the instance.

        The port would stay in use by a server that mitmproxy does not know.
        """
        # What asyncio calls backlog is both: how many may wait, and how many it accepts in a turn.
        return await asyncio.start_server(
            instance.handle_stream, sock=listener, backlog=AT_A_TIME, start_serving=False
        )

    async def _start(self, server: asyncio.Server, listener: socket.socket) -> None:
        # Each await is a turn after which it may have been stopped.
        if server.sockets:
            await server.start_serving()
        if server.is_serving():
            listener.listen(WAITING)


def calm_exhaustion(loop: asyncio.AbstractEventLoop) -> None:
    """Have a lack of descriptors told of once a minute.

    asyncio stops accepting for a second, and tells of it as often as it would have accepted: a
    hundred tracebacks a second (CPython's ``_accept_connection``, 3.12 to 3.14).
    """
    before = loop.get_exception_handler()
    quiet_until = float("-inf")

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal quiet_until
        if not _is_exhaustion(context):
            before(loop, context) if before is not None else loop.default_exception_handler(context)
        elif loop.time() >= quiet_until:
            quiet_until = loop.time() + QUIET_SECONDS
            logger.error(
                "No connection can be accepted (%s). Raise the limit of open files (ulimit -n).",
                context["exception"],
            )

    loop.set_exception_handler(handle)


def _is_exhaustion(context: dict[str, Any]) -> bool:
    error = context.get("exception")
    return "socket" in context and isinstance(error, OSError) and error.errno in _EXHAUSTED
