"""Stopping in good order.

The gateway stops in two steps. First it takes nothing new, and what is under way goes on. When that
has taken too long, or the operator asks a second time, the rest is *cut*: every exchange ends at
once, wherever it stands (at a provider, in a queue, asleep before another try), but in words.
"""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from llm_gateway.errors import GatewayShutdown

logger = logging.getLogger(__name__)

LOOK_AGAIN = 0.02
"""Seconds between two looks at what is under way: mitmproxy has no event for an answer's end."""
LEAVING_SECONDS = 2.0
"""How long the words that end an exchange may take to leave, and then connections to close."""


class Clients(Protocol):
    """What the clients have asked for and not got yet."""

    def waiting(self) -> int:
        """How many requests have been admitted whose answers are not complete."""

    def busy(self) -> bool:
        """Whether there are such, or something of an answer waits for its client to take it."""

    def let_go(self) -> None:
        """Have those that a person holds go on."""

    def hang_up(self) -> None:
        """Begin to close their connections."""

    def connected(self) -> bool:
        """Whether there is a connection."""


class Draining:
    """Knows whether the gateway is stopping, and ends the exchanges that outstay it."""

    def __init__(self) -> None:
        self.stopping = False
        """Nothing new is to be taken any more."""
        self._is_cut = False
        self._limits: set[asyncio.Timeout] = set()

    def exchange(self) -> "_Exchange":
        """Answer one request inside. Raises GatewayShutdown where that was cut.

        Inside, being cut looks like being cancelled.
        """
        if self._is_cut:
            raise GatewayShutdown
        return _Exchange(self._limits)

    def cut(self) -> None:
        """End what is under way, and whatever begins from now on."""
        self._is_cut = True
        now = asyncio.get_running_loop().time()
        while self._limits:
            self._limits.pop().reschedule(now)

    async def drain(self, clients: Clients, seconds: float, again: asyncio.Event) -> None:
        """Until all clients have their answers, or else what ends them.

        That is after ``seconds`` and some at the latest. ``again`` is set where the operator asks a
        second time, and then everything is cut now; asked once more, nothing is waited for.
        """
        if waiting := clients.waiting():
            logger.warning(
                "Stopping after %s under way, in %g s at the latest. Stop again to stop now.",
                _requests(waiting),
                seconds,
            )
        await _while(clients.busy, seconds, again)
        if waiting := clients.waiting():
            logger.warning("Ending %s still under way.", _requests(waiting))
        self.cut()
        clients.let_go()
        await _while(clients.busy, LEAVING_SECONDS, again)
        clients.hang_up()
        await _while(clients.connected, LEAVING_SECONDS, again)


class _Exchange:
    """See :meth:`Draining.exchange`. A class, since each request passes here: it takes half the
    time of a generator."""

    __slots__ = ("_limit", "_limits")

    def __init__(self, limits: set[asyncio.Timeout]) -> None:
        self._limits = limits
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._limits.add(self._limit)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limits.discard(self._limit)
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError:
            raise GatewayShutdown from None


async def _while(fact: Callable[[], bool], seconds: float, again: asyncio.Event) -> None:
    """Wait while this is so, until time is up or ``again`` is set, which is then cleared."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    asked = asyncio.ensure_future(again.wait())
    try:
        while fact() and not asked.done() and (left := end - loop.time()) > 0:
            await asyncio.wait([asked], timeout=min(left, LOOK_AGAIN))
    finally:
        asked.cancel()
        again.clear()


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"
