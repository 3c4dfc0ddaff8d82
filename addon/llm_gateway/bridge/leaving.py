"""Connections that are closed: that they really go, and that their number is told.

What was still to be sent when a connection was closed keeps its socket open until the client has
taken it. mitmproxy has forgotten it by then; a client that takes nothing would hold it for ever.
"""

import asyncio
import logging
from collections import Counter

from llm_gateway.bridge.phases import Reason
from llm_gateway.wheel import Wheel

logger = logging.getLogger(__name__)

REPORT_SECONDS = 60.0
"""Between two lines in the log, however much was closed."""

_TICK = 0.1
_ROUTINE = frozenset({Reason.IDLE})
"""What honest clients have happen to them; nobody needs to hear of that alone."""


class Leaving:
    """Ends closed connections that take nothing any more."""

    def __init__(self) -> None:
        self._wheel: Wheel[asyncio.WriteTransport] = Wheel(_TICK)
        self._seen: dict[asyncio.WriteTransport, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def watch(self, transport: asyncio.WriteTransport | None, now: float, seconds: float) -> bool:
        """End it if it takes nothing for so long; whether there is anything to watch."""
        if transport is None or _is_gone(transport):
            return False
        self._seen[transport] = transport.get_write_buffer_size(), seconds
        return self._wheel.by(transport, now + seconds)

    def next(self) -> float | None:
        """When to look again."""
        return self._wheel.next()

    def look(self, now: float, most: int) -> None:
        """Look at those that it is time for."""
        for transport in self._wheel.take(now, most):
            before, seconds = self._seen.pop(transport)
            if _is_gone(transport):
                continue
            if transport.get_write_buffer_size() < before:
                self.watch(transport, now, seconds)
            else:
                transport.abort()


class Report:
    """Tells how many were closed and why, a line a minute at most."""

    def __init__(self) -> None:
        self._closed: Counter[Reason] = Counter()
        self._next = float("-inf")

    def note(self, reason: Reason) -> None:
        """One was closed."""
        self._closed[reason] += 1

    def next(self) -> float | None:
        """When there will be something to tell; None: there is nothing."""
        return self._next if self._closed.keys() - _ROUTINE else None

    def tell(self, now: float) -> None:
        """Tell, if it is time."""
        if self.next() is None or now < self._next:
            return
        words = ", ".join(f"{self._closed[each]} {each}" for each in Reason if self._closed[each])
        logger.info("Connections and requests of clients were ended: %s.", words)
        self._closed.clear()
        self._next = now + REPORT_SECONDS


def _is_gone(transport: asyncio.WriteTransport) -> bool:
    return transport.is_closing() and not transport.get_write_buffer_size()
