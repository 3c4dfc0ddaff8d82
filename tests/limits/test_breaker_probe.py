"""Whom a breaker lets through that is not closed, what that call says, and what it says no more."""

from dataclasses import replace
from itertools import product

import pytest

from llm_gateway.config import BREAKER_MINUTE
from llm_gateway.limits.breaker import PROBE_SECONDS
from support.breakers import STEADY, call, end, half_open, is_open, make, opened, take


def test_of_fifty_calls_at_once_one_goes_through() -> None:
    breaker, _ = half_open()
    assert sum(breaker.acquire() is not None for _ in range(50)) == 1
    assert sum(breaker.acquire(panic=True) is not None for _ in range(50)) == 0


@pytest.mark.parametrize("outcome", "SA")
def test_a_probe_that_is_answered_closes_it(outcome: str) -> None:
    breaker, _ = half_open()
    probe = take(breaker)
    assert is_open(breaker)
    end(probe, outcome)
    assert not is_open(breaker)
    assert breaker.reason == ""
    call(breaker, "FF")
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_what_failed_before_it_opened_is_forgotten_when_it_closes() -> None:
    breaker, clock = make(replace(STEADY, failures=100))
    call(breaker, "F" * 10)
    clock.now += breaker.wait()
    call(breaker, "S")
    call(breaker, "F" * 8)
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_how_the_probes_reply_ends_counts_in_the_period_that_it_began() -> None:
    breaker, clock = opened(BREAKER_MINUTE)
    clock.now += 60
    probe = take(breaker)
    probe.answered()
    clock.now += 600
    assert not is_open(breaker)
    probe.fail("upstream_stream_incomplete")
    assert is_open(breaker)
    assert breaker.reason == "upstream_stream_incomplete"


def test_an_answer_that_has_begun_ends_a_row_of_failures() -> None:
    breaker, _ = make()
    call(breaker, "FF")
    take(breaker).answered()
    call(breaker, "FF")
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_answers_that_break_off_are_a_row_of_their_own_which_only_whole_ones_end() -> None:
    breaker, _ = make()
    for outcomes, opens in (("FF", False), ("SFF", False), ("F", True)):
        for outcome in outcomes:
            lease = take(breaker)
            lease.answered()
            end(lease, outcome)
        assert is_open(breaker) is opens


def test_answers_count_from_their_beginning() -> None:
    """A few quick failures beside many long streams are no large share."""
    breaker, _ = make(replace(STEADY, failures=1000))
    streams = [take(breaker) for _ in range(20)]
    for stream in streams:
        stream.answered()
    call(breaker, "F" * 10)
    assert not is_open(breaker)
    for stream in streams:
        stream.succeed()
    call(breaker, "F" * 9)
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


def test_a_probe_that_has_not_failed_in_time_is_presumed_to_be_well() -> None:
    breaker, clock = half_open()
    breaker.presumed = 6.0
    probe = take(breaker)
    clock.now += 5.5
    assert breaker.acquire() is None
    clock.now += 0.5
    assert breaker.wait() == 0.0
    others = [take(breaker) for _ in range(3)]
    assert not is_open(breaker)
    for lease in (probe, *others):
        lease.succeed()
    assert not is_open(breaker)


def test_the_place_of_a_released_probe_is_free_again() -> None:
    breaker, _ = half_open()
    for _ in range(5):
        probe = take(breaker)
        assert is_open(breaker)
        assert breaker.acquire() is None
        probe.release()
        assert breaker.wait() == 0.0
    call(breaker, "F")
    assert breaker.wait() == 10.0


def test_while_the_probe_is_out_the_wait_is_until_it_would_be_lost() -> None:
    breaker, clock = half_open()
    probe = take(breaker)
    assert breaker.wait() == PROBE_SECONDS == 600.0
    clock.now += 20
    assert breaker.wait() == 580.0
    assert breaker.acquire() is None
    clock.now += breaker.wait()
    assert breaker.wait() == 0.0
    assert take(breaker)
    assert breaker.wait() == PROBE_SECONDS
    probe.release()
    assert breaker.acquire() is None


@pytest.mark.parametrize("outcome", "SFRA")
@pytest.mark.parametrize("replaced", [True, False])
def test_a_lost_probe_counts_for_nothing(outcome: str, replaced: bool) -> None:
    breaker, clock = half_open()
    lost = take(breaker)
    clock.now += PROBE_SECONDS
    probe = take(breaker) if replaced else None
    wait = breaker.wait()
    end(lost, outcome)
    assert breaker.wait() == wait
    assert breaker.reason
    probe = probe or take(breaker)
    assert breaker.acquire() is None
    probe.succeed()
    assert not is_open(breaker)


@pytest.mark.parametrize("outcome", "SFRA")
def test_a_call_that_began_before_it_opened_says_nothing_more(outcome: str) -> None:
    breaker, clock = make()
    early = [take(breaker) for _ in range(4)]
    call(breaker, "FFF")
    end(early[0], outcome)
    assert breaker.wait() == 5.0
    clock.now += 5.0
    end(early[1], outcome)
    assert breaker.wait() == 0.0
    probe = take(breaker)
    end(early[2], outcome)
    assert is_open(breaker)
    probe.succeed()
    call(breaker, "FF")
    end(early[3], outcome)
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


@pytest.mark.parametrize(("first", "second"), [*product("SFR", "SFRA")])
def test_of_a_call_only_the_first_end_counts(first: str, second: str) -> None:
    breaker, _ = make()
    call(breaker, "F")
    lease = take(breaker)
    for outcome in first + second * 3:
        end(lease, outcome)
    failures_in_a_row = {"S": 0, "F": 2, "R": 1}[first]
    call(breaker, "F" * (2 - failures_in_a_row))
    assert not is_open(breaker)
    call(breaker, "F")
    assert is_open(breaker)


@pytest.mark.parametrize(("first", "second"), [*product("SFR", "SFRA")])
def test_of_a_probe_only_the_first_end_counts(first: str, second: str) -> None:
    breaker, _ = half_open()
    probe = take(breaker)
    end(probe, first)
    wait = breaker.wait()
    end(probe, second)
    assert breaker.wait() == wait == {"S": 0.0, "F": 10.0, "R": 0.0}[first]
    if first == "R":
        assert take(breaker)
        end(probe, second)
        assert breaker.acquire() is None


def test_two_that_began_together_may_both_fail() -> None:
    breaker, _ = make()
    leases = [take(breaker) for _ in range(3)]
    for lease in leases:
        assert not is_open(breaker)
        end(lease, "F")
    assert is_open(breaker)


@pytest.mark.parametrize(("passed", "goes"), [(0.0, False), (4.875, False), (5.0, True)])
def test_in_panic_one_probe_goes_through_an_open_one_after_the_open_time_of_the_policy(
    passed: float, goes: bool
) -> None:
    breaker, clock = half_open()
    call(breaker, "F")
    clock.now += passed
    assert breaker.acquire() is None
    assert (breaker.acquire(panic=True) is not None) is goes
    assert breaker.acquire(panic=True) is None


def test_in_panic_the_next_probe_goes_as_long_after_the_last() -> None:
    breaker, clock = half_open()
    call(breaker, "F")
    times = []
    while breaker.wait():
        if (probe := breaker.acquire(panic=True)) is not None:
            probe.fail("upstream_timeout")
            times.append(clock.now - 1005)
        clock.now += 0.875
    assert times == [5.25]
    assert clock.now - 1005 >= 10


def test_a_panic_probe_that_fails_leaves_the_open_time_as_it_was() -> None:
    breaker, clock = opened(replace(STEADY, open=1.0, jitter=0.0))
    for _ in range(4):
        clock.now += breaker.wait()
        call(breaker, "F")
    assert breaker.wait() == 16
    for left in range(15, 1, -1):
        clock.now += 1
        take(breaker, panic=True).fail("upstream_timeout")
        assert breaker.wait() == left
        assert breaker.reason == "upstream_unavailable"
    clock.now += breaker.wait()
    call(breaker, "F")
    assert breaker.wait() == 32


def test_a_panic_probe_that_fails_after_the_open_time_opens_it_again() -> None:
    breaker, clock = half_open()
    call(breaker, "F")
    clock.now += 8
    probe = take(breaker, panic=True)
    clock.now += 2
    assert breaker.acquire() is None
    assert breaker.wait() == PROBE_SECONDS - 2
    probe.fail("upstream_timeout")
    assert breaker.wait() == 20
    assert breaker.reason == "upstream_timeout"


@pytest.mark.parametrize("outcome", "SA")
def test_a_panic_probe_that_is_answered_closes_it(outcome: str) -> None:
    breaker, clock = half_open()
    call(breaker, "F")
    clock.now += 5
    end(take(breaker, panic=True), outcome)
    assert not is_open(breaker)


def test_a_released_panic_probe_gives_its_turn_back() -> None:
    breaker, clock = half_open()
    call(breaker, "F")
    clock.now += 5
    take(breaker, panic=True).release()
    assert breaker.wait() == 5
    take(breaker, panic=True).fail("upstream_timeout")
    assert breaker.acquire(panic=True) is None


def test_a_call_of_before_gives_no_turn_back() -> None:
    breaker, _ = make()
    early = take(breaker)
    call(breaker, "FFF")
    early.release()
    assert breaker.acquire(panic=True) is None


def test_a_panic_probe_is_lost_like_any_other() -> None:
    breaker, clock = opened(replace(STEADY, open=100.0))
    clock.now += breaker.wait()
    call(breaker, "F")
    breaker.policy = STEADY
    clock.now += 5
    lost = take(breaker, panic=True)
    clock.now += PROBE_SECONDS - 0.125
    assert breaker.acquire(panic=True) is None
    clock.now += 0.125
    probe = take(breaker, panic=True)
    lost.succeed()
    assert breaker.acquire(panic=True) is None
    probe.succeed()
    assert not is_open(breaker)


def test_panic_changes_nothing_where_a_call_may_be_made_anyway() -> None:
    closed, _ = make()
    assert all(take(closed, panic=True) for _ in range(10))
    breaker, _ = half_open()
    take(breaker, panic=True).fail("upstream_timeout")
    assert breaker.wait() == 10
