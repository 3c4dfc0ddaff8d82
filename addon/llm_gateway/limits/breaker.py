"""Leaves a failing target alone, and finds out with one call at a time whether it is well again.

::

    closed ──── too many failures ───▶ open ──── its time is over ───▶ half-open
      ▲                                 ▲                                │    │
      │                                 └──────── the probe fails ───────┘    │
      └────────────────────────── the probe is answered ──────────────────────┘

Closed, every call may be made. Open, none may. Half-open, one may at a time: the probe. Its place
is never lost, whatever becomes of the call: after ``PROBE_SECONDS`` it is free again.

Whoever has nowhere else to go may ask an open breaker for a probe, too (``panic``, after
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold,
where it lets everything through). When such a probe fails, the breaker stays open for as long as it
would have been: the more often it is asked, the longer it would otherwise stay open.

A call counts from when it is answered: streams take minutes, and until they end a few that failed
at once would be all that is known. What breaks off after that counts in a row of its own, which
only complete answers end.

What a call says about its target counts only while the breaker is in the period in which the call
began. So a call that began before the breaker opened neither opens nor closes it later on.
"""

import enum
import math
import random
from collections.abc import Callable

from llm_gateway.config import BreakerPolicy
from llm_gateway.limits.rolling import RollingCount

WINDOW = 30
"""Seconds: the calls that a failed share is taken of."""
LEAST_CALLS = 10
"""Of fewer calls, no share is taken."""
PROBE_SECONDS = 600.0
"""A probe that has not been heard of for so long is lost. No honest answer takes longer to begin:
a shorter time would keep a slow target's answers from ever counting."""
CALM = 10
"""Closed for so many times `open`, a breaker forgets how long it was open."""

_OVER = -1
"""No breaker is ever in this period."""


class State(enum.StrEnum):
    """What a breaker lets through: every call, none, one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Lease:
    """The leave to make one call. The first of succeed, fail and release counts, and only it."""

    __slots__ = ("_answered", "_breaker", "_period")

    def __init__(self, breaker: "Breaker", period: int) -> None:
        self._breaker = breaker
        self._period = period
        self._answered = False

    def answered(self) -> None:
        """The reply has begun well: if this is a probe, the breaker closes now."""
        if not self._answered:
            self._answered = True
            self._breaker._answer_begun(self._period)

    def succeed(self) -> None:
        """The reply was complete."""
        period, self._period = self._period, _OVER
        self._breaker._succeeded(period, answered=self._answered)

    def fail(self, reason: str) -> None:
        """The target failed; ``reason`` is the failure's code."""
        period, self._period = self._period, _OVER
        self._breaker._failed(period, reason, answered=self._answered)

    def release(self) -> None:
        """The call says nothing of its target, or was never made. A probe's place is free again."""
        period, self._period = self._period, _OVER
        self._breaker._released(period)


class Breaker:
    """The breaker of one target. ``clock`` gives monotonic seconds.

    ``policy`` may be replaced at any time: what was counted and an open time that runs stay.
    ``reason`` is the code of the failure that it opened on, and empty while it is closed.
    ``uniform`` draws the jitter between two bounds. A probe that has not failed after ``presumed``
    seconds is taken to be answered.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float] = random.uniform,
        presumed: float = math.inf,
    ) -> None:
        self.policy = policy
        self.presumed = presumed
        self.reason = ""
        self._clock = clock
        self._uniform = uniform
        self._period = 0
        """Another one begins when it opens, and with each probe: the one that closes it goes on."""
        self._is_open = False
        self._until = -math.inf
        """When it is half-open."""
        self._probe_until = -math.inf
        """When the probe is lost that is out now."""
        self._tried = -math.inf
        """When it opened, or let the latest probe through."""
        self._closed = -math.inf
        self._doublings = 0
        self._forget_calls()

    def wait(self) -> float:
        """The seconds until a call may be made, 0.0 if one may now.

        While a probe is out they last until it would be lost: the place is free by then, unless
        the probe has failed and the breaker is open again.
        """
        if not self._is_open:
            return 0.0
        now = self._clock()
        if self._is_presumed_well(now):
            return 0.0
        return max(0.0, max(self._until, self._probe_until) - now)

    @property
    def state(self) -> State:
        """As the next call would find it."""
        now = self._clock()
        if not self._is_open or self._is_presumed_well(now):
            return State.CLOSED
        return State.HALF_OPEN if now >= self._until else State.OPEN

    @property
    def left(self) -> float:
        """The seconds for which it is open, 0.0 in its other states."""
        return self._until - self._clock() if self.state is State.OPEN else 0.0

    def acquire(self, *, panic: bool = False) -> Lease | None:
        """The leave to make a call now, or None.

        ``panic``: the caller has nowhere else to go. An open breaker then lets a probe through, one
        in `policy.open` seconds; one that was released does not count.
        """
        if self._is_open and not self._let_probe_through(panic=panic):
            return None
        return Lease(self, self._period)

    def _let_probe_through(self, *, panic: bool) -> bool:
        now = self._clock()
        if self._is_presumed_well(now):
            self._close(now)
            return True
        is_due = now >= self._until or (panic and now - self._tried >= self.policy.open)
        if not is_due or now < self._probe_until:
            return False
        self._probe_until = now + PROBE_SECONDS
        self._tried = now
        self._period += 1
        return True

    def _is_presumed_well(self, now: float) -> bool:
        return now < self._probe_until and now - self._tried >= self.presumed

    def _answer_begun(self, period: int) -> None:
        now = self._clock()
        if not self._counts(period, now):
            return
        if self._is_open:
            self._close(now)
        self._in_a_row = 0
        self._calls.add(now)

    def _succeeded(self, period: int, *, answered: bool) -> None:
        now = self._clock()
        if not self._counts(period, now):
            return
        if self._is_open:
            self._close(now)
        self._in_a_row = self._broken_off = 0
        if not answered:
            self._calls.add(now)

    def _failed(self, period: int, reason: str, *, answered: bool) -> None:
        now = self._clock()
        if not self._counts(period, now):
            return
        if self._is_open:
            self._fail_probe(now, reason)
            return
        if answered:
            self._broken_off += 1
        else:
            self._in_a_row += 1
            self._calls.add(now)
        self._failures.add(now)
        if self._is_too_much(now):
            self._open(now, reason)

    def _released(self, period: int) -> None:
        if self._is_open and period == self._period:
            self._probe_until = self._tried = -math.inf

    def _counts(self, period: int, now: float) -> bool:
        return period == self._period and (not self._is_open or now < self._probe_until)

    def _fail_probe(self, now: float, reason: str) -> None:
        if now >= self._until:
            self._open(now, reason)
        else:
            self._probe_until = -math.inf

    def _is_too_much(self, now: float) -> bool:
        if max(self._in_a_row, self._broken_off) >= self.policy.failures:
            return True
        calls = self._calls.total(now)
        return calls >= LEAST_CALLS and self._failures.total(now) >= self.policy.ratio * calls

    def _open(self, now: float, reason: str) -> None:
        policy = self.policy
        if not self._is_open and now - self._closed >= CALM * policy.open:
            self._doublings = 0
        # `_doublings` grows only while that makes a difference, so the power stays small.
        seconds = min(policy.open * 2.0**self._doublings, policy.max_open)
        self._doublings += seconds < policy.max_open
        self._until = now + seconds * self._uniform(1 - policy.jitter, 1 + policy.jitter)
        self._probe_until = -math.inf
        self._tried = now
        self._is_open = True
        self._period += 1
        self.reason = reason

    def _close(self, now: float) -> None:
        self._closed = now
        self._is_open = False
        self.reason = ""
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._in_a_row = self._broken_off = 0
        self._calls = RollingCount(WINDOW)
        self._failures = RollingCount(WINDOW)
