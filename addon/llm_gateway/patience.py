"""Time limits: some that stand still while a person holds a request, one that costs nothing.

A developer may stop an attempt in mitmweb, read it, edit it and let it go. That takes minutes, and
none of it is the provider's fault, so the limits that run meanwhile must not: :class:`Patience`.

The silence between two events of a stream is bounded for every event, so that bound must be cheap:
:class:`Watchdog` keeps one timer for the whole stream and moves it only when it goes off.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType


class Patience:
    """The time limits of one exchange."""

    def __init__(self) -> None:
        self._running: list[asyncio.Timeout] = []
        self._left: dict[asyncio.Timeout, float] = {}
        """Of the limits that stand still, the seconds that are left."""
        self._suspended = 0

    def limit(self, seconds: float, late: Callable[[], Exception] = TimeoutError) -> "Limit":
        """``async with`` it: raises ``late`` when the body takes longer, suspended time apart.

        Gives the limit itself, for :func:`seconds_left`.
        """
        return Limit(self._running, seconds, late)

    @property
    def expired(self) -> bool:
        """Whether one of the limits has run out, and its body is being left."""
        return any(timeout.expired() for timeout in self._running)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """All limits stand still inside; what was left of them is left again afterwards.

        Two calls of one exchange may be suspended at a time: until both go on.
        """
        self._suspended += 1
        self._stop()
        try:
            yield
        finally:
            self._suspended -= 1
            if not self._suspended:
                self._go_on()

    def _stop(self) -> None:
        now = asyncio.get_running_loop().time()
        for timeout in self._running:
            when = timeout.when()
            if when is not None and not timeout.expired():
                self._left[timeout] = when - now
                timeout.reschedule(None)

    def _go_on(self) -> None:
        now = asyncio.get_running_loop().time()
        left, self._left = self._left, {}
        for timeout in self._running:
            if timeout in left:
                timeout.reschedule(now + left[timeout])


class Limit:
    """One time limit of an exchange; see :meth:`Patience.limit`."""

    __slots__ = ("_late", "_running", "_seconds", "_timeout")

    def __init__(
        self, running: list[asyncio.Timeout], seconds: float, late: Callable[[], Exception]
    ) -> None:
        self._running = running
        self._seconds = seconds
        self._late = late

    async def __aenter__(self) -> asyncio.Timeout:
        self._timeout = asyncio.timeout(self._seconds)
        await self._timeout.__aenter__()
        self._running.append(self._timeout)
        return self._timeout

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.remove(self._timeout)
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise self._late() from None


def seconds_left(limit: asyncio.Timeout) -> float:
    """What is left of a limit; of one that stands still, any time."""
    when = limit.when()
    return math.inf if when is None else when - asyncio.get_running_loop().time()


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
