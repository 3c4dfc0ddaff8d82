"""Whatever calls do, quotas say what a plain list of all that was taken says."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from llm_gateway.config import Limits, Windows
from llm_gateway.limits.quota import (
    Claim,
    Level,
    MemoryStore,
    QuotaExceeded,
    Receipt,
    Span,
    Standing,
    Unit,
)
from support.two_clocks import TwoClocks, at

KEYS = ("target a/b", "target a/c", "provider a")
ZONE = "Europe/Berlin"
# Two days later, an hour is missing.
START = at("2026-03-27T22:00", ZONE)
UNITS: tuple[Unit, Unit] = ("requests", "tokens")
SPANS: tuple[Span, Span, Span] = ("minute", "hour", "day")
SIXTIETHS = {"minute": 1, "hour": 60}

AMOUNTS = st.none() | st.integers(0, 6)
REQUESTS = st.builds(Windows, AMOUNTS, AMOUNTS, AMOUNTS)
TOKENS = st.builds(Windows, *[st.none() | st.integers(0, 6).map(lambda n: n * 10)] * 3)
LIMITS = st.builds(Limits, REQUESTS, TOKENS, st.just(ZONE))
# Eighths add up without rounding. The edges of windows are what calls are likely to trip over.
SECONDS = (
    st.integers(0, 24).map(lambda eighths: eighths / 8)
    | st.sampled_from([30.0, 59.0, 60.0, 60.875, 61.0, 1800.0, 3599.0, 3600.0, 3660.0])
    | st.integers(0, 60 * 60 * 30).map(float)
)


@dataclass(eq=False)
class Entry:
    """What one call took from one quota; no requests: it was put back."""

    key: str
    at: float
    requests: int
    tokens: int


@dataclass(frozen=True)
class Limit:
    key: str
    unit: Unit
    span: Span
    limit: int
    asked: int


def done[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


def the_date(now: float) -> date:
    return datetime.fromtimestamp(START + now, ZoneInfo(ZONE)).date()


def midnight_after(now: float) -> float:
    tomorrow = datetime.combine(the_date(now) + timedelta(days=1), time.min, ZoneInfo(ZONE))
    return tomorrow.timestamp() - START


def leaves(entry: Entry, span: Span) -> float:
    """When the window no longer counts it."""
    if span == "day":
        return midnight_after(entry.at)
    sixtieth = SIXTIETHS[span]
    return (entry.at // sixtieth + 61) * sixtieth


def limits_of(claims: Iterable[Claim]) -> list[Limit]:
    found = []
    for claim in claims:
        for unit, asked in zip(UNITS, (1, claim.tokens), strict=True):
            for span in SPANS:
                limit = getattr(getattr(claim.limits, unit), span)
                if limit is not None:
                    found.append(Limit(claim.key, unit, span, limit, asked))
    return found


class Quotas(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clocks = TwoClocks(START)
        self.clocks.monotonic.now = 0.0
        self.store = MemoryStore(self.clocks.monotonic, self.clocks.wall)
        self.entries: list[Entry] = []
        self.calls: list[tuple[Receipt, list[Entry]]] = []

    @initialize(limits=st.tuples(LIMITS, LIMITS, LIMITS))
    def start(self, limits: tuple[Limits, ...]) -> None:
        self.limits = dict(zip(KEYS, limits, strict=True))

    @property
    def now(self) -> float:
        return self.clocks.monotonic()

    def spent(self, limit: Limit, counts: Callable[[Entry], bool]) -> int:
        mine = (each for each in self.entries if each.key == limit.key and counts(each))
        return sum(getattr(each, limit.unit) for each in mine)

    def used(self, limit: Limit, now: float) -> int:
        return self.spent(limit, lambda each: leaves(each, limit.span) > now)

    def fits(self, limit: Limit, now: float) -> bool:
        return self.used(limit, now) + limit.asked <= limit.limit

    def fits_from(self, limit: Limit) -> float | None:
        """From when on it fits if nobody else comes; None: never."""
        moments = {self.now, *(leaves(each, limit.span) for each in self.entries)}
        for moment in sorted(moments):
            if moment >= self.now and self.fits(limit, moment):
                return moment
        return None

    def level(self, limit: Limit) -> Level:
        used = self.used(limit, self.now)
        mine = [
            each for each in self.entries if each.key == limit.key and getattr(each, limit.unit)
        ]
        whole = max((leaves(each, limit.span) for each in mine), default=self.now)
        reset = max(0.0, whole - self.now)
        return Level(limit.limit, max(0, limit.limit - used), reset, limit.span)

    def standing(self, limits: list[Limit]) -> Standing:
        def tightest(unit: Unit) -> Level | None:
            levels = [self.level(limit) for limit in limits if limit.unit == unit]
            return min(levels, key=lambda each: (each.remaining, -each.reset), default=None)

        return Standing(tightest("requests"), tightest("tokens"))

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True), tokens=st.integers(0, 65))
    def take(self, keys: list[str], tokens: int) -> None:
        claims = [Claim(key, self.limits[key], tokens) for key in keys]
        limits = limits_of(claims)
        may = all(self.fits(limit, self.now) for limit in limits)
        try:
            receipt = done(self.store.take(claims))
        except QuotaExceeded as exceeded:
            assert not may
            self.check_refusal(claims, limits, exceeded)
            return
        assert may
        entries = [Entry(key, self.now, 1, tokens) for key in keys]
        self.entries += entries
        self.calls.append((receipt, entries))
        assert self.shown(receipt.standing) == self.shown(self.standing(limits))
        self.check_no_stretch_is_over(limits)

    def shown(self, standing: Standing) -> list[tuple[int, float] | None]:
        """What is the same for all windows among which there is nothing to choose."""
        levels = (standing.requests, standing.tokens)
        return [None if level is None else (level.remaining, level.reset) for level in levels]

    def check_no_stretch_is_over(self, limits: list[Limit]) -> None:
        """By the second, in any 60 or 3600 s that end now, and on this date."""
        for limit in limits:
            spent = {
                "minute": self.spent(limit, lambda each: each.at >= self.now - 60),
                "hour": self.spent(limit, lambda each: each.at >= self.now - 3600),
                "day": self.spent(limit, lambda each: the_date(each.at) == the_date(self.now)),
            }
            assert spent[limit.span] <= limit.limit

    def check_refusal(
        self, claims: list[Claim], limits: list[Limit], exceeded: QuotaExceeded
    ) -> None:
        moments = [self.fits_from(limit) for limit in limits]
        longest = None if None in moments else max(each for each in moments if each is not None)
        assert exceeded.retry_after == (None if longest is None else longest - self.now)
        told = [
            self.level(limit)
            for limit, moment in zip(limits, moments, strict=True)
            if moment == longest and (limit.key, limit.unit) == (exceeded.key, exceeded.unit)
        ]
        assert exceeded.level in told

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True), tokens=st.integers(0, 65))
    def wait_and_take(self, keys: list[str], tokens: int) -> None:
        """Who waits for as long as it is told gets it, and not a moment before."""
        claims = [Claim(key, self.limits[key], tokens) for key in keys]
        moments = [self.fits_from(limit) for limit in limits_of(claims)]
        known = [each for each in moments if each is not None]
        if len(known) == len(moments) and max(known, default=self.now) > self.now:
            self.clocks.advance(max(known) - self.now - 0.125)
            self.take(keys, tokens)
            self.clocks.advance(0.125)
        self.take(keys, tokens)

    @rule(key=st.sampled_from(KEYS))
    def look(self, key: str) -> None:
        """Reading says the same as the list, and later rules see that it has changed nothing."""
        limits = limits_of([Claim(key, self.limits[key])])
        found = self.store.read(key, self.limits[key])
        assert [(each.unit, each.window, each.limit) for each in found] == [
            (limit.unit, limit.span, limit.limit) for limit in limits
        ]
        for limit, reading in zip(limits, found, strict=True):
            assert reading.used == self.used(limit, self.now)
            assert (reading.remaining, reading.reset) == (
                self.level(limit).remaining,
                self.level(limit).reset,
            )

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.clocks.advance(seconds)

    @rule(key=st.sampled_from(KEYS), limits=LIMITS)
    def reload(self, key: str, limits: Limits) -> None:
        self.limits[key] = limits

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 50))
    def refund(self, index: int) -> None:
        receipt, entries = self.calls[-1 - index % len(self.calls)]
        done(self.store.refund(receipt))
        for entry in entries:
            entry.requests = entry.tokens = 0

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 50), tokens=st.integers(0, 100))
    def settle(self, index: int, tokens: int) -> None:
        receipt, entries = self.calls[-1 - index % len(self.calls)]
        done(self.store.settle(receipt, tokens))
        for entry in entries:
            entry.tokens = tokens if entry.requests else 0


def test_whatever_happens_the_list_says_the_same() -> None:
    run_state_machine_as_test(Quotas, settings=settings(stateful_step_count=40))
