"""How long a target rests that has answered "too many requests"."""

import math
from collections.abc import Callable

FIRST_REST = 1.0
LONGEST_REST = 60.0
"""Seconds, both of rests that the provider gave no time for."""


class Cooldown:
    """The rest of one target. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf
        self._step = 0.0

    def park(self, hint: float | None) -> float:
        """Rest from now on for ``hint`` seconds, what the provider said; return the rest left.

        Without a hint it is 1 s, twice as long for each rate limit in a row, at most 60 s. A rest
        that runs already is never shortened. Rate limits that come while it runs are no further
        ones in the row: those calls had been made before it began.
        """
        now = self._clock()
        if now >= self._until or not self._step:
            self._step = min(2 * self._step, LONGEST_REST) or FIRST_REST
        self._until = max(self._until, now + (self._step if hint is None else hint))
        return self._until - now

    def left(self) -> float:
        """The seconds until it may be asked again, 0.0 if it may now."""
        return max(0.0, self._until - self._clock())

    def eased(self) -> None:
        """A call succeeded: the next rate limit is the first of its row. A rest goes on."""
        self._step = 0.0
