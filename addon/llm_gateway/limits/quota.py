"""Quotas: how many requests and tokens may be spent per minute, hour and day.

A call claims its share of every quota that it falls under, its target's and its provider's for
example. It gets all of them or none: a call that one window refuses has spent nothing in any other.
What it took can be put back when it never left, and put right when its tokens are known; both
happen in the sixtieth of the window that it was taken from, and do nothing where that has left.

All is counted in all windows, limited or not, so that limits can change at any time: a new one
knows what went before.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Literal, Protocol, override

from llm_gateway.config import Limits, Windows
from llm_gateway.limits.windows import REQUESTS, TOKENS, Day, Seen, Share, Sliding, Window

type Unit = Literal["requests", "tokens"]
type Span = Literal["minute", "hour", "day"]

_UNITS: Final[tuple[Unit, Unit]] = ("requests", "tokens")

_FORGOTTEN_AFTER: Final = 48 * 3600.0
"""Seconds. No window is longer, not even a day that is put right."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one call takes from the quota ``key``: one request, and so many tokens by estimate."""

    key: str
    limits: Limits
    tokens: int = 0


def claim(key: str, limits: Limits, tokens: int) -> Claim:
    """A claim whose estimate is no more than a limit: it is no reason to refuse a call for ever."""
    windows = (limits.tokens.minute, limits.tokens.hour, limits.tokens.day)
    return Claim(key, limits, min(tokens, *(n for n in windows if n is not None), sys.maxsize))


@dataclass(frozen=True, slots=True)
class Level:
    """What one window allows. ``reset`` is in how many seconds it will be whole again.

    ``remaining`` is 0 also where more was spent than the limit.
    """

    limit: int
    remaining: int
    reset: float
    window: Span


@dataclass(frozen=True, slots=True)
class Standing:
    """The tightest window of each unit, over all quotas of a call, with the call counted.

    It is the one with the least remaining, among equals the one that takes longest to be whole.
    None: no window of the unit has a limit.
    """

    requests: Level | None
    tokens: Level | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was taken. ``shares`` are for the store that it came from alone, one for each claim."""

    standing: Standing
    shares: tuple[Share, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """One limit of a quota, and how much of it is ``used``, which may be more.

    ``reset`` is in how many seconds the window will be whole again.
    """

    unit: Unit
    window: Span
    limit: int
    used: int
    reset: float

    @property
    def remaining(self) -> int:
        """What may still be spent."""
        return max(0, self.limit - self.used)


class QuotaExceeded(Exception):
    """A quota does not allow the call now. Nothing was taken.

    ``retry_after`` is in how many seconds it will, if nobody else comes; None: never, because the
    claim alone is more than the limit. Where several windows refuse, ``key``, ``unit`` and
    ``level`` are of the one that does so longest.
    """

    def __init__(self, key: str, unit: Unit, level: Level, retry_after: float | None) -> None:
        super().__init__(key, unit, level, retry_after)
        self.key = key
        self.unit = unit
        self.level = level
        self.retry_after = retry_after

    @override
    def __str__(self) -> str:
        limit = f"{self.level.limit} {self.unit} per {self.level.window}"
        if self.retry_after is None:
            return f"{self.key}: one call takes more than the limit of {limit}"
        left = f"{self.level.remaining} left of {limit}"
        return f"{self.key}: {left}, enough in {self.retry_after:.3f} s"


class QuotaStore(Protocol):
    """Where quotas are counted.

    A store that several gateways share has to do each of these in one atomic operation on its
    side, a script for example: a check and a later increment would let calls of two gateways pass
    on what is left for one. It goes by its own clock, since those of the gateways differ, and
    counts a receipt put back twice only once.
    """

    async def take(self, claims: Sequence[Claim]) -> Receipt:
        """Take from all windows of all quotas, or from none. The keys differ from each other.

        Raises QuotaExceeded.
        """
        ...

    async def refund(self, receipt: Receipt) -> None:
        """The call never left: put back what it took. A second time, it does nothing."""
        ...

    async def settle(self, receipt: Receipt, tokens: int) -> None:
        """The call used so many tokens; they take the place of the estimate in each quota.

        That may be more than a limit, which then refuses calls until enough has left the window.
        It may be said again. What was put back stays so.
        """
        ...

    def read(self, key: str, limits: Limits) -> Sequence[Reading]:
        """Where the quota stands, for people to see; requests first, short windows first.

        As far as this process knows: a store elsewhere says what it has last told.
        """
        ...


class MemoryStore:
    """The quotas of one process. No method ever waits, so each is atomic in an event loop.

    ``clock`` counts the seconds of minutes and hours and never goes back; ``wall`` is the time
    since the epoch, by which days begin.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._quotas: dict[str, _Quota] = {}

    async def take(self, claims: Sequence[Claim]) -> Receipt:
        """See QuotaStore. Keys that nobody has asked for in two days are forgotten."""
        now, wall = self._clock(), self._wall()
        taking = [(claim, self._quota(claim, now, wall)) for claim in claims]
        for claim, quota in taking:
            if not quota.allows(claim):
                raise _exceeded(taking)
        shares = tuple([quota.take(claim) for claim, quota in taking])
        return Receipt(_standing(taking), shares)

    async def refund(self, receipt: Receipt) -> None:
        """See QuotaStore."""
        for share in receipt.shares:
            share.put_back()

    async def settle(self, receipt: Receipt, tokens: int) -> None:
        """See QuotaStore."""
        for share in receipt.shares:
            share.settle(tokens)

    def read(self, key: str, limits: Limits) -> Sequence[Reading]:
        """See QuotaStore. Nothing changes by it."""
        quota = self._quotas.get(key)
        if quota is None:
            quota = _Quota(limits, self._clock(), self._wall())
        return [*quota.read(limits, self._clock(), self._wall())]

    def _quota(self, claim: Claim, now: float, wall: float) -> "_Quota":
        quota = self._quotas.get(claim.key)
        if quota is None:
            self._forget(now)
            quota = self._quotas[claim.key] = _Quota(claim.limits, now, wall)
        else:
            quota.roll(claim.limits, now, wall)
        return quota

    def _forget(self, now: float) -> None:
        for key, quota in [*self._quotas.items()]:
            if quota.asked < now - _FORGOTTEN_AFTER:
                del self._quotas[key]


class _Meter:
    """One limit, and the window whose use counts against it."""

    __slots__ = ("limit", "span", "unit", "used", "window")

    def __init__(self, unit: int, limit: int, span: Span, window: Window) -> None:
        self.unit = unit
        self.limit = limit
        self.span = span
        self.window = window
        self.used = window.used

    def wait(self, claim: Claim) -> float:
        """Seconds until the claim fits: 0 now, infinite never."""
        asked = claim.tokens if self.unit else 1
        if asked > self.limit:
            return math.inf
        excess = self.used[self.unit] + asked - self.limit
        return self.window.wait(self.unit, excess) if excess > 0 else 0.0

    def lasts_longer_than(self, other: "_Meter | None") -> bool:
        return other is not None and self.window.reset(self.unit) > other.window.reset(self.unit)

    def level(self) -> Level:
        remaining = max(0, self.limit - self.used[self.unit])
        return Level(self.limit, remaining, self.window.reset(self.unit), self.span)


class _Quota:
    """What was spent under one key. ``asked`` is when somebody last asked for it."""

    def __init__(self, limits: Limits, now: float, wall: float) -> None:
        self.asked = now
        self._minute = Sliding(1, now)
        self._hour = Sliding(60, now)
        self._day = Day(limits.zone, now, wall)
        self._adopt(limits)

    def roll(self, limits: Limits, now: float, wall: float) -> None:
        self.asked = now
        self._minute.roll(now)
        self._hour.roll(now)
        self._day.roll(limits.zone, now, wall)
        if limits is not self._limits:
            self._adopt(limits)

    def read(self, limits: Limits, now: float, wall: float) -> Iterator[Reading]:
        seen: dict[Span, Seen] = {
            "minute": self._minute.read(now),
            "hour": self._hour.read(now),
            "day": self._day.read(limits.zone, now, wall),
        }
        for unit, windows in enumerate((limits.requests, limits.tokens)):
            for span, now_seen in seen.items():
                limit: int | None = getattr(windows, span)
                if limit is not None:
                    used, reset = now_seen.used[unit], now_seen.resets[unit]
                    yield Reading(_UNITS[unit], span, limit, used, reset)

    def allows(self, claim: Claim) -> bool:
        asked = (1, claim.tokens)
        for meter in self.meters:
            unit = meter.unit
            if meter.used[unit] + asked[unit] > meter.limit:
                return False
        return True

    def take(self, claim: Claim) -> Share:
        buckets = (self._minute.current, self._hour.current, self._day.current)
        return Share(buckets, claim.tokens)

    def _adopt(self, limits: Limits) -> None:
        self._limits = limits
        self.meters = (
            *self._limited(REQUESTS, limits.requests),
            *self._limited(TOKENS, limits.tokens),
        )

    def _limited(self, unit: int, limits: Windows) -> Iterator[_Meter]:
        if limits.minute is not None:
            yield _Meter(unit, limits.minute, "minute", self._minute)
        if limits.hour is not None:
            yield _Meter(unit, limits.hour, "hour", self._hour)
        if limits.day is not None:
            yield _Meter(unit, limits.day, "day", self._day)


def _exceeded(taking: Iterable[tuple[Claim, _Quota]]) -> QuotaExceeded:
    waits = [
        (meter.wait(claim), claim.key, meter) for claim, quota in taking for meter in quota.meters
    ]
    wait, key, meter = max(waits, key=itemgetter(0))
    retry_after = None if wait == math.inf else wait
    return QuotaExceeded(key, _UNITS[meter.unit], meter.level(), retry_after)


def _standing(taking: Iterable[tuple[Claim, _Quota]]) -> Standing:
    least: list[float] = [math.inf, math.inf]
    tightest: list[_Meter | None] = [None, None]
    for _, quota in taking:
        for meter in quota.meters:
            unit = meter.unit
            left = meter.limit - meter.used[unit]
            if left < least[unit] or (
                left == least[unit] and meter.lasts_longer_than(tightest[unit])
            ):
                least[unit] = left
                tightest[unit] = meter
    requests, tokens = tightest
    return Standing(
        None if requests is None else requests.level(),
        None if tokens is None else tokens.level(),
    )
