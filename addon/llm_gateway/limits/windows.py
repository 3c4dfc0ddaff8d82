"""What was spent lately, in requests and in tokens: over the last minute or hour, or on a day.

A sliding window is counted in sixtieths, each in a bucket of its own. A call leaves the window when
its whole sixtieth has, so that no stretch of a window's length ever holds more than was counted,
whatever it begins with, for at most 61 buckets of memory. It also says exactly when so much will
have left that a further call fits.

A day is one of the calendar, so it has to look at the wall clock, which people and NTP put right
while it runs. These rules keep it from being fooled or stuck:

- What the clock says when it goes forward is believed, by whatever it jumps: a machine that was
  asleep sees the same. A day that is over is not counted any more.
- A step back over midnight of up to ``SMALL_STEP`` does not open the day before again, and so the
  midnight that comes a second time begins nothing. The day lasts until its own end.
- A longer step back says that the clock had been wrong. The day becomes the one that it is now,
  with what was counted in it, and with the day before it where that, too, began on this date by the
  time that is right. It ends when this date does: a clock that was wrong holds up nobody longer.

How far the wall clock stepped, and when a day began by the time that is right, is seen by the
monotonic clock beside it.
"""

import copy
import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

REQUESTS: Final = 0
TOKENS: Final = 1

SIXTIETHS: Final = 60

SMALL_STEP: Final = 2 * 3600.0
"""Seconds. Longer than what summer time and time zones next to each other differ by."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a window says, each in requests and tokens.

    ``resets`` is in how many seconds all that is ``used`` will have left.
    """

    used: list[int]
    resets: list[float]


class Bucket:
    """What was spent in one part of a window, ``spent``: requests, tokens.

    ``began`` is when the part did by the monotonic clock. ``totals`` are its window's, None when no
    window counts it: what is added then changes nothing.
    """

    __slots__ = ("began", "spent", "totals")

    def __init__(self, began: float, totals: list[int] | None = None) -> None:
        self.began = began
        self.spent = [0, 0]
        self.totals = totals

    def add(self, requests: int, tokens: int) -> None:
        """Spend so much, or take back what was added before, as negative numbers."""
        self.spent[REQUESTS] += requests
        self.spent[TOKENS] += tokens
        if (totals := self.totals) is not None:
            totals[REQUESTS] += requests
            totals[TOKENS] += tokens

    def leave(self) -> None:
        """Its window no longer counts it."""
        if (totals := self.totals) is not None:
            self.totals = None
            totals[REQUESTS] -= self.spent[REQUESTS]
            totals[TOKENS] -= self.spent[TOKENS]

    def join(self, totals: list[int]) -> None:
        """A window counts it, from now on, with all that was spent in it."""
        if self.totals is None:
            self.totals = totals
            totals[REQUESTS] += self.spent[REQUESTS]
            totals[TOKENS] += self.spent[TOKENS]


class Share:
    """One request and its tokens, in the buckets that they were taken from."""

    __slots__ = ("_buckets", "_requests", "_tokens")

    def __init__(self, buckets: tuple[Bucket, ...], tokens: int) -> None:
        self._buckets = buckets
        self._requests = 1
        self._tokens = tokens
        for bucket in buckets:
            bucket.add(1, tokens)

    def put_back(self) -> None:
        """Nothing was spent after all. It stays so."""
        for bucket in self._buckets:
            bucket.add(-self._requests, -self._tokens)
        self._requests = self._tokens = 0

    def settle(self, tokens: int) -> None:
        """It was so many tokens, unless it was put back."""
        if self._requests:
            for bucket in self._buckets:
                bucket.add(0, tokens - self._tokens)
            self._tokens = tokens


class Sliding:
    """The last 60 times ``sixtieth`` seconds of a monotonic clock.

    All it says is of the time of the latest :meth:`roll`. ``used`` is what was spent: requests,
    tokens. ``current`` is the bucket for what is spent now.
    """

    def __init__(self, sixtieth: int, now: float) -> None:
        self.used = [0, 0]
        self._sixtieth = sixtieth
        self._buckets: deque[Bucket] = deque()
        self._now = now
        self._begin(now)

    def roll(self, now: float) -> None:
        """Move on to ``now``."""
        self._now = now
        if now >= self._ends:
            self._begin(now)

    def read(self, now: float) -> Seen:
        """What it will say when it has moved on to ``now``; it does not."""
        edge = now // self._sixtieth * self._sixtieth - SIXTIETHS * self._sixtieth
        used, resets = [0, 0], [0.0, 0.0]
        for bucket in self._buckets:
            if bucket.began >= edge:
                for unit, spent in enumerate(bucket.spent):
                    used[unit] += spent
                    if spent:
                        resets[unit] = bucket.began + (SIXTIETHS + 1) * self._sixtieth - now
        return Seen(used, resets)

    def wait(self, unit: int, excess: int) -> float:
        """Seconds until ``excess`` of what is used, which is above 0, will have left."""
        for bucket in self._buckets:
            excess -= bucket.spent[unit]
            if excess <= 0:
                return self._until_left(bucket)
        raise ValueError("more is to leave the window than it holds")

    def reset(self, unit: int) -> float:
        """Seconds until all that is used will have left."""
        for bucket in reversed(self._buckets):
            if bucket.spent[unit]:
                return self._until_left(bucket)
        return 0.0

    def _begin(self, now: float) -> None:
        began = now // self._sixtieth * self._sixtieth
        self._ends = began + self._sixtieth
        self.current = Bucket(began, self.used)
        self._buckets.append(self.current)
        while self._buckets[0].began < began - SIXTIETHS * self._sixtieth:
            self._buckets.popleft().leave()

    def _until_left(self, bucket: Bucket) -> float:
        return bucket.began + (SIXTIETHS + 1) * self._sixtieth - self._now


class Day:
    """The calendar day in ``zone`` (IANA). ``used`` and ``current`` are as in :class:`Sliding`.

    Raises ZoneInfoNotFoundError for a zone that does not exist.
    """

    def __init__(self, zone: str, now: float, wall: float) -> None:
        self.used = [0, 0]
        self.current = Bucket(now, self.used)
        self._before = Bucket(-math.inf)
        self._wall = wall
        self._find_date(zone, now, wall)

    def roll(self, zone: str, now: float, wall: float) -> None:
        """Move on to ``wall``, seconds since the epoch, which is ``now`` on a monotonic clock.

        When the zone is another one than before, the day becomes the one that it is there, and
        keeps what was counted.
        """
        self._wall = wall
        if wall >= self._ends:
            self._before.leave()
            self.current.leave()
            self._before = self.current
            self.current = Bucket(now, self.used)
            self._find_date(zone, now, wall)
        elif wall - now < self._ahead - SMALL_STEP or zone != self._zone:
            self._find_date(zone, now, wall)
            if self._before.began >= now - (wall - self._began):
                self._before.join(self.used)

    def read(self, zone: str, now: float, wall: float) -> Seen:
        """What it will say when it has moved on; it does not."""
        later = copy.deepcopy(self)
        later.roll(zone, now, wall)
        return Seen(later.used, [later.reset(REQUESTS), later.reset(TOKENS)])

    def wait(self, unit: int, excess: int) -> float:
        """Seconds until midnight: of a day, nothing leaves before all does."""
        del unit, excess
        return self._ends - self._wall

    def reset(self, unit: int) -> float:
        """Seconds until midnight, 0 when nothing is used."""
        return self._ends - self._wall if self.used[unit] else 0.0

    def _find_date(self, zone: str, now: float, wall: float) -> None:
        place = ZoneInfo(zone)
        today = datetime.fromtimestamp(wall, place).date()
        midnight = datetime.combine(today + timedelta(days=1), time.min, place)
        if midnight.timestamp() <= wall:
            # Clocks were put back over midnight, and this day ends for a second time.
            midnight = midnight.replace(fold=1)
        self._zone = zone
        self._ahead = wall - now
        self._began = datetime.combine(today, time.min, place).timestamp()
        self._ends = midnight.timestamp()


type Window = Sliding | Day
