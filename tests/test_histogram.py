"""Quantiles of many times in little memory, beside those of a sorted list."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.histogram import TOP, Histogram

OFF = 0.045
"""How far a quantile may be off, as a share of it."""


def filled(times: list[float]) -> Histogram:
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    return histogram


@given(
    st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]),
)
def test_quantiles_are_those_of_a_sorted_list_but_for_a_few_percent(
    times: list[float], share: float
) -> None:
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    assert filled(times).quantile(share) == pytest.approx(exact, rel=OFF)


def test_of_nothing_there_is_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.001, 1.0, 3.7, 1048.576, 1e9])
def test_one_time_is_told_as_it_is(seconds: float) -> None:
    histogram = filled([seconds] * 3)
    assert histogram.count == 3
    assert histogram.quantile(0.5) == histogram.quantile(0.95) == seconds


def test_what_is_out_of_range_counts_at_its_ends() -> None:
    histogram = filled([0.0, 0.0002, 5e5, 7e5])
    assert histogram.quantile(0.25) == 0.001
    assert histogram.quantile(0.95) == 7e5


def test_it_needs_as_much_memory_for_many_as_for_few() -> None:
    histogram = filled([number / 7 for number in range(10_000)])
    assert len(histogram._counts) == TOP + 1
    assert histogram.count == 10_000
