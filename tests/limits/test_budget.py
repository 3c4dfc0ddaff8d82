"""Retries are a share of the requests, or a few."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.limits.budget import LEAST_RETRIES, WINDOW, RetryBudget
from support.manual_clock import ManualClock


@pytest.mark.parametrize(
    ("requests", "share", "allowed"),
    [
        (0, 0.2, 10),
        (1, 0.2, 10),
        (50, 0.2, 10),
        (54, 0.2, 10),
        (55, 0.2, 11),
        (1000, 0.2, 200),
        (1000, 0.0, 10),
        (100, 1.0, 100),
    ],
)
def test_so_many_retries_are_allowed(requests: int, share: float, allowed: int) -> None:
    budget = RetryBudget(ManualClock())
    for _ in range(requests):
        budget.request()
    assert [budget.retry(share) for _ in range(allowed + 5)] == [True] * allowed + [False] * 5


def test_a_retry_is_no_request() -> None:
    budget = RetryBudget(ManualClock())
    granted = sum(budget.retry(1.0) for _ in range(100))
    assert granted == LEAST_RETRIES


def test_after_ten_seconds_there_are_new_ones() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    assert sum(budget.retry(0.2) for _ in range(20)) == 10
    clock.now += WINDOW - 1
    assert not budget.retry(0.2)
    clock.now += 1
    assert sum(budget.retry(0.2) for _ in range(20)) == 10


def test_requests_of_long_ago_pay_for_nothing() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    for _ in range(1000):
        budget.request()
    clock.now += WINDOW
    assert sum(budget.retry(0.2) for _ in range(20)) == LEAST_RETRIES


def test_a_new_share_counts_at_once() -> None:
    budget = RetryBudget(ManualClock())
    for _ in range(100):
        budget.request()
    assert sum(budget.retry(0.2) for _ in range(50)) == 20
    assert not budget.retry(0.1)
    assert sum(budget.retry(0.3) for _ in range(50)) == 10


@pytest.mark.parametrize("attempts", [2, 3, 6])
def test_in_an_outage_the_load_grows_by_the_share(attempts: int) -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    requests = retries = 0
    for _ in range(60 * 20):
        clock.now += 1 / 20
        budget.request()
        requests += 1
        for _ in range(attempts - 1):
            if not budget.retry(0.2):
                break
            retries += 1
    assert 0.19 * requests <= retries <= 0.2 * requests + LEAST_RETRIES


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 4, 8, 20, 72, 80, 200]),
        st.integers(0, 40),
        st.integers(0, 20),
        st.sampled_from([0.0, 0.125, 0.25, 0.5]),
    ),
    max_size=30,
)
"""Eighths of a second that pass, then requests and retries, and what share these may be."""


@given(STEPS)
def test_a_retry_is_granted_just_when_it_leaves_them_within_their_share(
    steps: list[tuple[int, int, int, float]],
) -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    requests: list[int] = []
    retries: list[int] = []
    for eighths, more, wanted, share in steps:
        clock.now += eighths / 8
        second = int(clock.now)
        requests += [second] * more
        for _ in range(more):
            budget.request()
        paid = sum(each > second - WINDOW for each in requests)
        for _ in range(wanted):
            made = sum(each > second - WINDOW for each in retries)
            fits = made < LEAST_RETRIES or made + 1 <= Fraction(share) * paid
            assert budget.retry(share) is fits
            retries += [second] * fits
