"""How often something happened of late, in as much memory whether it was once or a million times.

The count is kept in buckets of one second. A bucket leaves as a whole, so "the last n seconds" are
the running second and the n - 1 before it.
"""


class RollingCount:
    """What happened in the last ``seconds``. ``now`` is in seconds of a clock that never goes back.

    A time before the latest one seen counts as that one.
    """

    __slots__ = ("_buckets", "_second", "_total")

    def __init__(self, seconds: int) -> None:
        self._buckets = [0] * seconds
        self._second = 0
        self._total = 0

    def add(self, now: float) -> None:
        """It happened now."""
        if int(now) > self._second:
            self._advance(int(now))
        self._buckets[self._second % len(self._buckets)] += 1
        self._total += 1

    def total(self, now: float) -> int:
        """How often it happened in the last ``seconds``."""
        if int(now) > self._second:
            self._advance(int(now))
        return self._total

    def _advance(self, second: int) -> None:
        size = len(self._buckets)
        for gone in range(max(self._second, second - size) + 1, second + 1):
            self._total -= self._buckets[gone % size]
            self._buckets[gone % size] = 0
        self._second = second
