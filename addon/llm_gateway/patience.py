"""Time limits that stand still while a person holds a request.

A developer may stop an attempt in mitmweb, read it, edit it and let it go. That takes minutes, and
none of it is the provider's fault, so the limits that run meanwhile must not.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Patience:
    """The time limits of one exchange."""

    def __init__(self) -> None:
        self._running: list[asyncio.Timeout] = []

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError when the body takes longer, not counting suspended time."""
        async with asyncio.timeout(seconds) as timeout:
            self._running.append(timeout)
            try:
                yield
            finally:
                self._running.remove(timeout)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """All limits stand still inside; what was left of them is left again afterwards."""
        clock = asyncio.get_running_loop().time
        left = [(timeout, (timeout.when() or clock()) - clock()) for timeout in self._running]
        for timeout, _ in left:
            timeout.reschedule(None)
        try:
            yield
        finally:
            for timeout, seconds in left:
                timeout.reschedule(clock() + seconds)
