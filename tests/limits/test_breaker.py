"""When a breaker opens, and for how long."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_gateway.config import BREAKER_MINUTE
from llm_gateway.limits.breaker import PROBE_SECONDS, Breaker, State
from support.breakers import STEADY, call, end, half_open, is_open, make, opened, take
from support.manual_clock import ManualClock


def test_a_new_one_is_closed() -> None:
    breaker, _ = make()
    assert breaker.wait() == 0.0
    assert breaker.reason == ""
    assert all(take(breaker) for _ in range(100))


@pytest.mark.parametrize("failures", [1, 3, 5])
def test_it_opens_after_so_many_failures_in_a_row(failures: int) -> None:
    breaker, _ = make(replace(STEADY, failures=failures))
    call(breaker, "F" * (failures - 1) + "S" + "F" * (failures - 1))
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)
    assert breaker.acquire() is None
    assert breaker.reason == "upstream_unavailable"


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ("FF", False),
        ("FRF", False),
        ("FRRRFRF", True),
        ("FFS" * 3, False),
        ("FFS" * 3 + "F", True),
        ("SF" * 4 + "SF", True),
        ("SSF" * 30, False),
        ("S" * 10 + "FFS" * 3 + "FF", False),
        ("S" * 6 + "FFS" * 4 + "F", False),
        ("S" * 6 + "FFS" * 4 + "FF", True),
        ("F" + "S" * 8, False),
        ("R" * 50, False),
        ("S" * 1000 + "FFF", True),
    ],
)
def test_it_opens_on_a_row_or_on_a_share_of_ten_calls(outcomes: str, opens: bool) -> None:
    breaker, _ = make()
    call(breaker, outcomes)
    assert is_open(breaker) is opens


@pytest.mark.parametrize(("ratio", "opens"), [(0.5, True), (0.625, False), (1.0, False)])
def test_the_share_is_the_policys(ratio: float, opens: bool) -> None:
    breaker, _ = make(replace(STEADY, failures=100, ratio=ratio))
    call(breaker, "SF" * 5)
    assert is_open(breaker) is opens


def test_a_success_never_opens_it() -> None:
    breaker, _ = make(replace(STEADY, failures=100))
    call(breaker, "F" * 9 + "S")
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_calls_of_long_ago_are_no_part_of_the_share() -> None:
    breaker, clock = make(replace(STEADY, failures=100))
    call(breaker, "F" * 9)
    clock.now += 29
    call(breaker, "S" * 9)
    clock.now += 1
    call(breaker, "F" * 8)
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_calls_of_just_now_are() -> None:
    breaker, clock = make(replace(STEADY, failures=100))
    call(breaker, "F" * 9)
    clock.now += 29
    call(breaker, "F")
    assert is_open(breaker)


def test_calls_that_have_not_ended_are_no_part_of_the_share() -> None:
    breaker, _ = make(replace(STEADY, failures=100))
    assert all(take(breaker) for _ in range(100))
    call(breaker, "F" * 10)
    assert is_open(breaker)


def test_a_row_may_take_any_time() -> None:
    breaker, clock = make()
    for _ in range(3):
        call(breaker, "F")
        clock.now += 86400
    assert breaker.reason
    call(breaker, "F")
    assert is_open(breaker)


def test_the_reason_is_that_of_the_last_failure() -> None:
    breaker, clock = make(replace(STEADY, failures=2))
    take(breaker).fail("upstream_timeout")
    assert breaker.reason == ""
    take(breaker).fail("upstream_unavailable")
    assert breaker.reason == "upstream_unavailable"
    clock.now += breaker.wait()
    assert breaker.reason == "upstream_unavailable"
    take(breaker).fail("upstream_timeout")
    assert breaker.reason == "upstream_timeout"
    clock.now += breaker.wait()
    call(breaker, "S")
    assert breaker.reason == ""


def test_it_is_open_for_its_time_and_then_half_open() -> None:
    breaker, clock = opened()
    for passed in (0.0, 1.0, 4.875):
        clock.now = 1000 + passed
        assert breaker.wait() == 5.0 - passed
        assert breaker.acquire() is None
    clock.now = 1005.0
    assert breaker.wait() == 0.0
    assert take(breaker)


def test_each_probe_that_fails_makes_it_twice_as_long_up_to_the_longest() -> None:
    breaker, clock = opened()
    waits = []
    for _ in range(9):
        waits.append(breaker.wait())
        clock.now += waits[-1]
        call(breaker, "F")
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_years_of_failing_end_with_the_first_probe_that_succeeds() -> None:
    breaker, clock = opened(replace(STEADY, open=0.125))
    for _ in range(5000):
        clock.now += breaker.wait()
        call(breaker, "F")
    assert breaker.wait() == 300.0
    clock.now += 300
    call(breaker, "SSS")
    assert not is_open(breaker)


@pytest.mark.parametrize(
    ("draw", "waits"), [(min, [3.75, 7.5, 15.0]), (max, [6.25, 12.5, 20.0 * 1.25])]
)
def test_the_time_is_shortened_or_lengthened_at_random(
    draw: Callable[[float, float], float], waits: list[float]
) -> None:
    clock = ManualClock()
    breaker = Breaker(replace(STEADY, jitter=0.25, max_open=20.0), clock, draw)
    call(breaker, "FFF")
    for wait in waits:
        assert breaker.wait() == wait
        clock.now += wait
        call(breaker, "F")


def test_by_default_no_two_wait_alike() -> None:
    clock = ManualClock()
    breakers = [Breaker(replace(STEADY, jitter=0.2), clock) for _ in range(20)]
    for breaker in breakers:
        call(breaker, "FFF")
    waits = {breaker.wait() for breaker in breakers}
    assert len(waits) > 1
    assert 4.0 <= min(waits) <= max(waits) <= 6.0


def test_a_flapping_target_is_left_alone_longer_each_time() -> None:
    breaker, clock = opened()
    waits = []
    for _ in range(4):
        waits.append(breaker.wait())
        clock.now += waits[-1]
        call(breaker, "S")
        clock.now += 50 - 0.125
        call(breaker, "FFF")
    assert waits == [5, 10, 20, 40]


def test_after_a_calm_time_it_begins_anew() -> None:
    breaker, clock = opened()
    for _ in range(6):
        clock.now += breaker.wait()
        call(breaker, "F")
    assert breaker.wait() == 300
    clock.now += 300
    call(breaker, "S")
    clock.now += 50
    call(breaker, "FFF")
    assert breaker.wait() == 5
    clock.now += 5
    call(breaker, "F")
    assert breaker.wait() == 10


def test_a_long_time_open_is_not_calm() -> None:
    breaker, clock = opened()
    clock.now += 1e6
    call(breaker, "F")
    assert breaker.wait() == 10
    clock.now += 1e6
    call(breaker, "S" + "FFF")
    assert breaker.wait() == 20


@pytest.mark.parametrize(("outcome", "closes"), [("S", True), ("F", False)])
def test_minute_after_any_error_a_minute_then_one_probe(outcome: str, closes: bool) -> None:
    breaker, clock = make(BREAKER_MINUTE)
    call(breaker, "SSSF")
    for _ in range(60):
        assert breaker.acquire() is None
        assert breaker.acquire(panic=True) is None
        clock.now += 1
    probe = take(breaker)
    assert breaker.acquire() is None
    assert breaker.acquire(panic=True) is None
    end(probe, outcome)
    assert (breaker.acquire() is not None) is closes
    assert breaker.wait() == (0.0 if closes else 60.0)


def test_a_new_policy_counts_from_the_next_result_on_and_the_state_stays() -> None:
    breaker, clock = make()
    call(breaker, "FF")
    breaker.policy = replace(STEADY, failures=2, open=50.0)
    assert not is_open(breaker)
    call(breaker, "F")
    assert breaker.wait() == 50
    breaker.policy = replace(STEADY, open=7.0)
    assert breaker.wait() == 50
    clock.now += 50
    call(breaker, "F")
    assert breaker.wait() == 14
    breaker.policy = replace(STEADY, open=5.0, max_open=20.0)
    clock.now += 14
    call(breaker, "F")
    assert breaker.wait() == 20


def test_an_outage_of_an_hour_costs_three_calls_and_sixteen_probes() -> None:
    breaker, clock = make()
    calls = []
    for second in range(3600):
        if (lease := breaker.acquire()) is not None:
            lease.fail("upstream_unavailable")
            calls.append(second)
        clock.now += 1
    assert calls[:9] == [0, 1, 2, 7, 17, 37, 77, 157, 317]
    assert len(calls) == 9 + (3600 - 317) // 300


def test_its_state_is_told_as_the_next_call_would_find_it() -> None:
    breaker, clock = opened()
    assert (breaker.state, breaker.left) == (State.OPEN, 5.0)
    clock.now += 2
    assert (breaker.state, breaker.left) == (State.OPEN, 3.0)
    clock.now += 3
    assert (breaker.state, breaker.left) == (State.HALF_OPEN, 0.0)
    probe = take(breaker)
    assert (breaker.state, breaker.left) == (State.HALF_OPEN, 0.0)
    probe.succeed()
    assert (breaker.state, breaker.left) == (State.CLOSED, 0.0)


def test_a_probe_for_want_of_anything_else_leaves_it_open() -> None:
    breaker, clock = opened()
    clock.now += 4
    breaker.policy = replace(STEADY, open=1.0)
    take(breaker, panic=True)
    assert (breaker.state, breaker.left) == (State.OPEN, 1.0)


def test_reading_its_state_closes_no_breaker_that_is_presumed_well() -> None:
    breaker, clock = half_open()
    breaker.presumed = 2.0
    probe = take(breaker)
    seen = [breaker.state]
    for seconds in (2, PROBE_SECONDS):
        clock.now += seconds
        seen.append(breaker.state)
    assert seen == [State.HALF_OPEN, State.CLOSED, State.HALF_OPEN]
    probe.release()
