"""One row of the statistics: what an exchange counts as, and what is kept of each minute."""

from typing import Any

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import RequestError, UpstreamRateLimited, UpstreamTimeout
from llm_gateway.tallies import (
    MINUTES,
    MOST_KINDS,
    OTHERS,
    End,
    Point,
    Row,
    TargetTally,
    Times,
    count,
)
from llm_gateway.trace import CLIENT_CLOSED_REQUEST, Trace
from support.manual_clock import ManualClock

NONE = Times(0, None, None)


def once(seconds: float) -> Times:
    return Times(1, seconds, seconds)


def good(seconds: float = 1.0, **fields: Any) -> End:
    """A good answer."""
    given: dict[str, Any] = {"error": "", "left": False, "ttft": None, "tokens": None, "cost": None}
    return End(seconds=seconds, **{**given, **fields})


def price(target: str, usage: Usage) -> float:
    return 0.01 * usage.completion_tokens


def end_of(**facts: Any) -> End:
    """What an exchange of 3 s counts as."""
    clock = ManualClock()
    trace = Trace("req_test", clock=clock, status=200)
    for name, value in facts.items():
        setattr(trace, name, value)
    clock.now += 3
    return End.of(trace, price)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({}, ""),
        (
            {"status": 429, "failure": UpstreamRateLimited("Slow down.", status=429)},
            "429 rate_limit_exceeded",
        ),
        ({"begun": True, "failure": UpstreamTimeout("Too slow.")}, "504 upstream_timeout"),
        ({"status": 500}, "500"),
        (
            {"status": 400, "failure": RequestError(400, "No.", code="<script>`\n")},
            "400 <script>??",
        ),
        ({"status": 400, "failure": RequestError(400, "No.")}, "400 invalid_request_error"),
        ({"status": CLIENT_CLOSED_REQUEST}, ""),
    ],
)
def test_errors_are_told_by_status_and_code(facts: dict[str, Any], error: str) -> None:
    assert end_of(**facts).error == error


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ({}, False),
        ({"status": CLIENT_CLOSED_REQUEST}, True),
        ({"status": CLIENT_CLOSED_REQUEST, "complete": True}, False),
        ({"status": CLIENT_CLOSED_REQUEST, "failure": UpstreamTimeout("Slow.")}, False),
    ],
)
def test_a_client_has_left_where_nothing_else_was_wrong(facts: dict[str, Any], left: bool) -> None:
    assert end_of(**facts).left is left


def test_an_end_has_its_times_its_tokens_and_its_price() -> None:
    end = end_of(usage=Usage(100, 20, 60), target="a/m", first_byte=1000.5)
    assert (end.seconds, end.ttft) == (3.0, 0.5)
    assert (end.tokens, end.cost) == ((100, 20, 60), 0.2)


def test_each_minute_is_told_and_those_without_any_are_left_out() -> None:
    row = Row("model")
    row.add(good(1.0), 7)
    row.add(good(4.0, ttft=0.5), 9)
    row.add(good(error="500"), 9)
    row.add(good(left=True), 9)
    assert row.totals("m", 9).minutes == (
        Point(2, 1, 0, once(1.0), NONE),
        Point(0, 3, 1, once(4.0), once(0.5)),
    )


def test_a_minute_that_was_told_is_told_anew_when_more_comes() -> None:
    row = Row("model")
    for number in (1, 2):
        row.add(good(), 7)
        assert row.totals("m", 7).minutes[0].latency.count == number


def test_of_a_minute_that_is_over_little_is_kept() -> None:
    row = Row("model")
    row.add(good(1.0), 7)
    row.add(good(2.0), 8)
    over, running = row._minutes
    assert (over.latency, over.ttft) == (None, None)
    assert running.latency is not None
    assert [each.latency.p50 for each in row.totals("m", 8).minutes] == [1.0, 2.0]


def test_minutes_of_long_ago_are_forgotten_and_the_sums_stay() -> None:
    row = Row("model")
    for minute in range(3 * MINUTES):
        row.add(good(), minute)
    told = row.totals("m", 3 * MINUTES - 1)
    assert [each.ago for each in told.minutes] == [*reversed(range(MINUTES))]
    told = row.totals("m", 4 * MINUTES)
    assert (told.minutes, told.requests) == ((), 3 * MINUTES)


def test_one_kind_too_many_is_among_the_others() -> None:
    counts: dict[str, int] = {}
    for number in range(MOST_KINDS + 5):
        count(counts, f"kind {number}")
    count(counts, "kind 0")
    assert len(counts) == MOST_KINDS + 1
    assert (counts["kind 0"], counts[OTHERS]) == (2, 5)


def test_what_was_told_of_a_target_does_not_change_any_more() -> None:
    tally = TargetTally()
    told = tally.totals("a/m")
    count(tally.failures, "upstream_timeout")
    assert (told.failures, tally.totals("a/m").failures) == ({}, {"upstream_timeout": 1})
