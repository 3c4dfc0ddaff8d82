"""Connections that mitmproxy itself opens, held to the fence.

Only with ``passthrough`` there are any. A name is looked up before it is dialled, so that who asks
is told why not. What it leads to may be another address a moment later, so the address that was in
fact dialled is looked at once more, before a single byte has been sent there.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from typing import Any

from mitmproxy.connection import Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from llm_gateway.fence import Fence
from llm_gateway.host import is_allowed_mode

logger = logging.getLogger(__name__)


class Dialling:
    """Refuses what the fence refuses."""

    def __init__(self, fence: Fence, handlers: Mapping[Any, ConnectionHandler]) -> None:
        """``handlers`` are mitmproxy's, of all client connections."""
        self._fence = fence
        self._handlers = handlers

    async def before(self, data: ServerConnectionHookData) -> None:
        """mitmproxy is about to connect: ``data.server.error`` set keeps it from that."""
        server = data.server
        if not is_allowed_mode(data.client.proxy_mode):
            server.error = "The gateway does not serve this mode."
            return
        dialled = server.address if server.via is None else server.via[1]
        if dialled is None:
            return
        host, port = dialled[:2]
        for address in await _addresses(host, port):
            refusal = self._fence.refusal(address, port)
            if refusal is not None:
                server.error = f"The gateway does not connect there: {refusal}."
                return

    def after(self, data: ServerConnectionHookData) -> None:
        """It has connected: not to an address that the name did not have just now?"""
        peer = data.server.peername
        if peer is None or self._fence.refusal(peer[0], peer[1]) is None:
            return
        logger.warning("A name was looked up twice and led into the gateway; it is cut off.")
        self.cut(data.server)

    def cut(self, server: Server) -> None:
        """Close a connection that mitmproxy has just opened."""
        for handler in self._handlers.values():
            transport = handler.transports.get(server)
            if transport is not None and isinstance(transport.writer, asyncio.StreamWriter):
                transport.writer.transport.abort()


async def _addresses(host: str, port: int) -> set[str]:
    """What a host leads to, in whatever spelling it is; nothing if it leads nowhere."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(address[0]) for *_, address in found}
