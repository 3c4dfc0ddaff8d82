"""Whatever happens to a breaker, it does what the rules say, which are written out here plainly."""

import math
from dataclasses import dataclass, field, replace
from typing import override

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from llm_gateway.config import BREAKER_MINUTE, BreakerPolicy
from llm_gateway.limits.breaker import CALM, LEAST_CALLS, PROBE_SECONDS, WINDOW, Breaker, Lease
from support.breakers import FAILURE, end
from support.manual_clock import ManualClock

# Times are eighths of a second and the other numbers powers of two, so that sums are exact.
EAGER = BreakerPolicy(failures=1, ratio=1.0, open=1.0, max_open=64.0, jitter=0.5)
ROWS = BreakerPolicy(failures=3, ratio=1.0, open=4.0, max_open=256.0, jitter=0.25)
SHARES = BreakerPolicy(failures=1000, ratio=0.5, open=8.0, max_open=128.0, jitter=0.0)
POLICIES = [EAGER, ROWS, SHARES, BREAKER_MINUTE, replace(ROWS, open=64.0, max_open=16.0)]

LATEST_FIRST = st.integers(0, 2) | st.integers(0, 1000)
"""Which call: mostly one of the latest, for among them is the probe."""

LONGEST = max(each.max_open * (1 + each.jitter) for each in POLICIES)


@dataclass
class Closed:
    """A closed period: when it began, its calls and failures, and those in a row.

    A call is counted when it is answered, or when it ends without that.
    """

    began: float
    calls: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    row: int = 0
    broken_off: int = 0


@dataclass
class Opened:
    """From an opening to the next one or to the closing. ``until`` is half-open's beginning."""

    at: float
    until: float
    tried: float
    """When it opened or the latest panic probe went that was not released."""


@dataclass(eq=False)
class Call:
    """A call that was let through, in which period it was, and whether as a probe."""

    lease: Lease
    period: Closed | Opened
    began: float
    is_probe: bool
    over: bool = False
    answered: bool = False


class Breakers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.part = 0.5
        self.period: Closed | Opened = Closed(-math.inf)
        self.calls: list[Call] = []
        self.openings = 0
        self.reason = ""

    @initialize(policy=st.sampled_from(POLICIES), openings=st.integers(0, 4))
    def start(self, policy: BreakerPolicy, openings: int) -> None:
        """Begin with an outage, which makes the open time long enough for panic."""
        self.breaker = Breaker(policy, self.clock, self.uniform)
        for _ in range(openings):
            self.call_often("F" * 10)
            self.clock.now += self.breaker.wait()
            self.ask(panic=False)
            self.end_one(0, "F")

    def uniform(self, low: float, high: float) -> float:
        assert (low, high) == (1 - self.breaker.policy.jitter, 1 + self.breaker.policy.jitter)
        return low + self.part * (high - low)

    @rule(policy=st.sampled_from(POLICIES))
    def reload(self, policy: BreakerPolicy) -> None:
        self.breaker.policy = policy

    @rule(part=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def cast_dice(self, part: float) -> None:
        self.part = part

    @rule(eighths=st.integers(0, 40) | st.sampled_from([8 * 30, 8 * 60, 8 * 640]))
    def pass_time(self, eighths: int) -> None:
        self.clock.now += eighths / 8

    @rule()
    def wait_out(self) -> None:
        """Who waits for as long as it is told finds it free, if nobody else came."""
        self.clock.now += self.breaker.wait()
        assert self.breaker.wait() == 0.0

    @rule(panic=st.booleans())
    def ask(self, panic: bool) -> None:
        is_free, may = self.breaker.wait() == 0.0, self.may_call(panic=panic)
        lease = self.breaker.acquire(panic=panic)
        assert (lease is not None) is may
        assert may or not is_free
        if lease is None:
            return
        is_probe = isinstance(self.period, Opened)
        if isinstance(self.period, Opened):
            self.period.tried = self.clock.now
        self.calls.append(Call(lease, self.period, self.clock.now, is_probe))

    def may_call(self, *, panic: bool) -> bool:
        if isinstance(self.period, Closed):
            return True
        if self.probes():
            return False
        in_time = self.clock.now - self.period.tried >= self.breaker.policy.open
        return self.clock.now >= self.period.until or (panic and in_time)

    @rule(outcomes=st.text("FS", min_size=8, max_size=16))
    def call_often(self, outcomes: str) -> None:
        for outcome in outcomes:
            if isinstance(self.period, Closed):
                self.ask(panic=False)
                self.end_one(0, outcome)

    @precondition(lambda self: isinstance(self.period, Opened))
    @rule(
        panic=st.booleans(),
        ends=st.sampled_from(["", "S", "F", "F", "R", "A", "AF", "AS"]),
        then=st.sampled_from(["", "FFF", "F" * 10, "SF" * 5]),
    )
    def come_back(self, panic: bool, ends: str, then: str) -> None:
        """Ask as soon as one may, end the probe or leave it where it is, and ask again."""
        wait = self.breaker.wait()
        self.clock.now += min(wait, self.breaker.policy.open) if panic else wait
        self.ask(panic=panic)
        for outcome in ends:
            self.end_one(0, outcome)
        self.ask(panic=True)
        self.call_often(then)

    @precondition(lambda self: self.calls)
    @rule(index=LATEST_FIRST, outcome=st.sampled_from("SFRA"))
    def end_one(self, index: int, outcome: str) -> None:
        call = self.calls[-1 - index % len(self.calls)]
        counts, answered = self.counts(call), call.answered
        end(call.lease, outcome)
        call.answered = answered or outcome == "A"
        call.over = call.over or outcome != "A"
        if counts and not (answered and outcome == "A"):
            self.expect(call, outcome, answered=answered)

    def expect(self, call: Call, outcome: str, *, answered: bool) -> None:
        if call.is_probe and outcome in "SA":
            self.expect_closing(call)
        if isinstance(self.period, Opened):
            self.expect_of_probe(self.period, outcome)
        elif outcome in "SFA":
            self.expect_of_call(self.period, outcome, answered=answered)

    def expect_of_probe(self, period: Opened, outcome: str) -> None:
        if outcome == "R":
            period.tried = -math.inf
        elif self.clock.now >= period.until:
            self.expect_opening(self.openings + 1)

    def expect_of_call(self, period: Closed, outcome: str, *, answered: bool) -> None:
        if not answered:
            period.calls.append(self.clock.now)
            period.row += outcome == "F"
        if outcome in "SA":
            period.row = 0
        if outcome == "S":
            period.broken_off = 0
        if outcome == "F":
            period.failures.append(self.clock.now)
            period.broken_off += answered
            self.expect_judgement(period)

    def expect_judgement(self, period: Closed) -> None:
        if self.is_too_much(period):
            calm = self.clock.now - period.began >= CALM * self.breaker.policy.open
            self.expect_opening(0 if calm else self.openings + 1)

    def expect_closing(self, call: Call) -> None:
        self.period = call.period = Closed(self.clock.now)
        call.is_probe = False
        self.reason = ""

    def expect_opening(self, openings: int) -> None:
        """``openings``: how many there were before it since it was calm."""
        policy = self.breaker.policy
        at_its_middle = min(policy.open * 2**openings, policy.max_open)
        seconds = self.breaker.wait()
        assert at_its_middle * (1 - policy.jitter) <= seconds
        assert seconds <= at_its_middle * (1 + policy.jitter)
        # Doublings that change nothing are not counted, for the day when the policy is changed.
        self.openings = openings if at_its_middle < policy.max_open else openings - 1
        self.period = Opened(self.clock.now, self.clock.now + seconds, self.clock.now)
        self.reason = FAILURE

    def is_too_much(self, period: Closed) -> bool:
        first = int(self.clock.now) - WINDOW + 1
        calls, failures = (
            sum(at >= first for at in times) for times in (period.calls, period.failures)
        )
        is_share = calls >= LEAST_CALLS and failures >= self.breaker.policy.ratio * calls
        return max(period.row, period.broken_off) >= self.breaker.policy.failures or is_share

    def counts(self, call: Call) -> bool:
        if call.is_probe:
            return call in self.probes()
        return not call.over and call.period is self.period

    def probes(self) -> list[Call]:
        """Those that are out, and neither lost nor of a time before it opened again."""
        return [
            call
            for call in self.calls
            if call.is_probe
            and not call.over
            and call.period is self.period
            and self.clock.now < call.began + PROBE_SECONDS
        ]

    @invariant()
    def at_most_one_probe_is_out(self) -> None:
        assert len(self.probes()) <= 1

    @invariant()
    def the_wait_is_until_it_is_half_open_and_its_probe_is_lost(self) -> None:
        if isinstance(self.period, Closed):
            assert self.breaker.wait() == 0.0
        else:
            ends = [self.period.until, *(call.began + PROBE_SECONDS for call in self.probes())]
            assert self.breaker.wait() == max(0.0, max(ends) - self.clock.now)

    @invariant()
    def the_reason_is_that_of_the_opening(self) -> None:
        assert self.breaker.reason == self.reason

    @override
    def teardown(self) -> None:
        """Left alone it is never stuck."""
        self.clock.now += max(LONGEST, PROBE_SECONDS)
        assert self.breaker.wait() == 0.0
        lease = self.breaker.acquire()
        assert lease is not None
        lease.succeed()
        assert self.breaker.acquire() is not None


def test_it_keeps_to_the_rules() -> None:
    run_state_machine_as_test(Breakers, settings=settings(max_examples=100, stateful_step_count=40))
