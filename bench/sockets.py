"""What both ends share of asyncio."""

import asyncio
from typing import cast, override


class Connected(asyncio.Protocol):
    """A protocol that keeps its transport."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream protocol is given nothing else.
        self.transport = cast(asyncio.Transport, transport)
