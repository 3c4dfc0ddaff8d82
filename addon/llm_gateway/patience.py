"""Time limits: some that stand still while a person holds a request, one that costs nothing.

A developer may stop an attempt in mitmweb, read it, edit it and let it go. That takes minutes, and
none of it is the provider's fault, so the limits that run meanwhile must not: :class:`Patience`.

The silence between two events of a stream is bounded for every event, so that bound must be cheap:
:class:`Watchdog` keeps one timer for the whole stream and moves it only when it goes off.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
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

    @property
    def expired(self) -> bool:
        """Whether one of the limits has run out, and its body is being left."""
        return any(timeout.expired() for timeout in self._running)

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


class Watchdog:
    """Calls ``bark`` once when something that was awaited has not come for ``seconds``."""

    def __init__(self, seconds: float, bark: Callable[[], None]) -> None:
        self._seconds = seconds
        self._bark = bark
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.barked = False

    def watch(self) -> None:
        """Begin to wait."""
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def rest(self) -> None:
        """What was awaited has come."""
        self._deadline = None

    def stop(self) -> None:
        """Nothing more is awaited."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self.barked = True
            self._bark()
