"""A timetable for many things, nearly all of which are done before their time.

They are kept by ticks: to enter one and to take it out again costs the same however many there are,
and nothing of it remains.
"""

import heapq
import math
from collections.abc import Hashable, Iterator


class Wheel[T: Hashable]:
    """When each thing is due. Times in seconds, by any clock."""

    def __init__(self, tick: float) -> None:
        """What is due within the same ``tick`` is due together, at its end."""
        self._tick = tick
        self._due: dict[int, dict[T, None]] = {}
        self._ticks: list[int] = []
        self._place: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._place)

    def by(self, item: T, when: float) -> bool:
        """Have it due at ``when``, unless it is due before that; whether that was new."""
        number = math.ceil(when / self._tick)
        place = self._place.get(item)
        if place is not None and place <= number:
            return False
        self.remove(item)
        self._place[item] = number
        if number not in self._due:
            self._due[number] = {}
            heapq.heappush(self._ticks, number)
        self._due[number][item] = None
        return True

    def remove(self, item: T) -> None:
        """It is not due any more."""
        place = self._place.pop(item, None)
        if place is not None:
            del self._due[place][item]

    def next(self) -> float | None:
        """The earliest time at which something is due."""
        while self._ticks and not self._due[self._ticks[0]]:
            del self._due[heapq.heappop(self._ticks)]
        return self._ticks[0] * self._tick if self._ticks else None

    def take(self, now: float, most: int) -> Iterator[T]:
        """Take out what is due by now, in order of time, up to ``most``."""
        for _ in range(most):
            when = self.next()
            if when is None or when > now:
                return
            item = next(iter(self._due[self._ticks[0]]))
            self.remove(item)
            yield item
