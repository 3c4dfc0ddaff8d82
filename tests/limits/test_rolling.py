"""A count of the last seconds is that of a list of all that ever happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.limits.rolling import RollingCount


@pytest.mark.parametrize(
    ("at", "now", "total"),
    [
        ([], 0.0, 0),
        ([0.0], 0.0, 1),
        ([0.0, 0.5, 0.999], 0.0, 3),
        ([0.0], 9.999, 1),
        ([0.0], 10.0, 0),
        ([0.999], 10.0, 0),
        ([0.0, 1.0, 2.0], 10.0, 2),
        ([0.0, 1.0, 2.0], 11.0, 1),
        ([5.0, 25.0], 25.0, 1),
        ([1e9, 1e9 + 1], 1e9 + 1, 2),
        ([1e9], 2e9, 0),
    ],
)
def test_a_second_leaves_as_a_whole(at: list[float], now: float, total: int) -> None:
    count = RollingCount(10)
    for moment in at:
        count.add(moment)
    assert count.total(now) == total


def test_what_seems_to_be_earlier_counts_with_the_latest_second() -> None:
    count = RollingCount(10)
    count.add(100.0)
    count.add(50.0)
    assert count.total(40.0) == 2
    assert count.total(109.0) == 2
    assert count.total(110.0) == 0


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 100), st.booleans())))
def test_it_counts_what_happened_in_the_seconds_up_to_now(
    seconds: int, steps: list[tuple[int, bool]]
) -> None:
    count, log, now = RollingCount(seconds), [], 0.0
    for eighths, happens in steps:
        now += eighths / 8
        if happens:
            count.add(now)
            log.append(int(now))
        assert count.total(now) == sum(second > int(now) - seconds for second in log)
