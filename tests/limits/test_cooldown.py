"""A rest is as long as the provider said, or longer each time, and never cut short."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.limits.cooldown import Cooldown
from support.manual_clock import ManualClock


def cooldown() -> tuple[Cooldown, ManualClock]:
    clock = ManualClock()
    return Cooldown(clock), clock


def test_a_new_one_does_not_rest() -> None:
    rest, _ = cooldown()
    assert rest.left() == 0.0


@pytest.mark.parametrize("hint", [0.125, 1.0, 3600.0, 7 * 86400.0])
def test_it_rests_for_as_long_as_the_provider_said(hint: float) -> None:
    rest, clock = cooldown()
    assert rest.park(hint) == rest.left() == hint
    clock.now += hint - 0.125
    assert rest.left() == 0.125
    clock.now += 0.125
    assert rest.left() == 0.0
    clock.now += 1000
    assert rest.left() == 0.0


def test_without_a_hint_each_rest_in_a_row_is_twice_as_long_up_to_a_minute() -> None:
    rest, clock = cooldown()
    rests = []
    for _ in range(9):
        rests.append(rest.park(None))
        clock.now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_rest_with_a_hint_is_one_in_the_row() -> None:
    rest, clock = cooldown()
    rest.park(None)
    clock.now += 1
    rest.park(5.0)
    clock.now += 5
    assert rest.park(None) == 4.0


def test_the_row_goes_on_however_long_nobody_asked() -> None:
    rest, clock = cooldown()
    rest.park(None)
    clock.now += 1e6
    assert rest.park(None) == 2.0


def test_calls_that_fail_together_count_once() -> None:
    rest, clock = cooldown()
    assert {rest.park(None) for _ in range(50)} == {1.0}
    clock.now += 1
    assert {rest.park(None) for _ in range(50)} == {2.0}


def test_a_late_one_of_them_lengthens_the_rest_from_its_own_time_on() -> None:
    rest, clock = cooldown()
    rest.park(None)
    clock.now += 0.5
    assert rest.park(None) == rest.left() == 1.0


def test_a_success_ends_the_row_and_not_the_rest() -> None:
    rest, clock = cooldown()
    for _ in range(4):
        clock.now += rest.park(None)
    rest.park(None)
    clock.now += 1
    rest.eased()
    assert rest.left() == 15.0
    clock.now += 15
    assert rest.park(None) == 1.0


def test_after_a_success_in_a_rest_a_late_one_adds_little() -> None:
    rest, clock = cooldown()
    for _ in range(4):
        clock.now += rest.park(None)
    rest.park(None)
    rest.eased()
    clock.now += 15.5
    assert rest.park(None) == 1.0


@pytest.mark.parametrize("hint", [None, 0.5, 1.0, 29.0])
def test_a_longer_rest_is_not_shortened(hint: float | None) -> None:
    rest, clock = cooldown()
    rest.park(30.0)
    clock.now += 1
    assert rest.park(hint) == rest.left() == 29.0


def test_a_longer_hint_lengthens_a_rest() -> None:
    rest, clock = cooldown()
    rest.park(30.0)
    clock.now += 1
    assert rest.park(60.0) == rest.left() == 60.0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["park", "hint", "eased", "wait", "wait out"]), st.integers(1, 8 * 100)
    )
)


@given(STEPS)
def test_it_is_the_longest_of_the_rests_that_began(steps: list[tuple[str, int]]) -> None:
    rest, clock = cooldown()
    ends: list[float] = []
    row = 0
    for step, eighths in steps:
        over = max(ends, default=-math.inf) <= clock.now
        if step in ("park", "hint"):
            row += over or row == 0
            hint = eighths / 8 if step == "hint" else None
            ends.append(clock.now + (min(60.0, 2.0 ** (row - 1)) if hint is None else hint))
            assert rest.park(hint) == max(ends) - clock.now
        elif step == "eased":
            rest.eased()
            row = 0
        else:
            clock.now += eighths / 8 if step == "wait" else rest.left()
        assert rest.left() == max(0.0, max(ends, default=0.0) - clock.now)
