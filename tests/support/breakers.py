"""Breakers in the states that tests begin with, and calls written as letters."""

from llm_gateway.config import BreakerPolicy
from llm_gateway.limits.breaker import Breaker, Lease
from support.manual_clock import ManualClock

STEADY = BreakerPolicy(failures=3, ratio=0.5, open=5.0, max_open=300.0, jitter=0.0)
FAILURE = "upstream_unavailable"


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def make(policy: BreakerPolicy = STEADY) -> tuple[Breaker, ManualClock]:
    clock = ManualClock()
    return Breaker(policy, clock, middle), clock


def take(breaker: Breaker, *, panic: bool = False) -> Lease:
    lease = breaker.acquire(panic=panic)
    assert lease is not None
    return lease


def call(breaker: Breaker, outcomes: str) -> None:
    """Make one call after the other."""
    for outcome in outcomes:
        end(take(breaker), outcome)


def end(lease: Lease, outcome: str) -> None:
    """F: it fails, S: succeeds, R: is released, A: is answered."""
    match outcome:
        case "F":
            lease.fail(FAILURE)
        case "S":
            lease.succeed()
        case "R":
            lease.release()
        case "A":
            lease.answered()


def is_open(breaker: Breaker) -> bool:
    return breaker.wait() > 0


def opened(policy: BreakerPolicy = STEADY) -> tuple[Breaker, ManualClock]:
    breaker, clock = make(policy)
    call(breaker, "F" * policy.failures)
    assert is_open(breaker)
    return breaker, clock


def half_open() -> tuple[Breaker, ManualClock]:
    breaker, clock = opened()
    clock.now += breaker.wait()
    return breaker, clock
