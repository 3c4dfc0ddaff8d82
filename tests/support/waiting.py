"""Waiting for facts, with a deadline on every wait."""

import asyncio
from collections.abc import Callable

DEADLINE = 10.0
"""Seconds that any single wait of the test support may take, unless told otherwise."""


class Changes:
    """Wakes waiters after each change, so that they look at the facts again."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wake every waiter."""
        self._changed.set()

    async def until(self, fact: Callable[[], bool], within: float | None = DEADLINE) -> None:
        """Wait until `fact()` holds; raises TimeoutError after `within` seconds (None: never)."""
        async with asyncio.timeout(within):
            while not fact():
                self._changed.clear()
                await self._changed.wait()
