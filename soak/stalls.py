"""How late the event loop of this process runs: what the machine, and not the gateway, holds up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK = 0.05
"""Seconds between two looks."""


class Stalls:
    """Made by :func:`watch_stalls`."""

    def __init__(self) -> None:
        self._longest = 0.0

    def take(self) -> float:
        """The longest since the last time, in seconds."""
        longest, self._longest = self._longest, 0.0
        return longest

    async def watch(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(TICK)
            self._longest = max(self._longest, clock() - before - TICK)


@asynccontextmanager
async def watch_stalls() -> AsyncIterator[Stalls]:
    """Watch inside."""
    stalls = Stalls()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(stalls.watch())
        try:
            yield stalls
        finally:
            watching.cancel()
