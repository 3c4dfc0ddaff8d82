from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from llm_gateway.config import (
    BREAKER_MINUTE,
    BREAKER_NONE,
    BreakerPolicy,
    FallbackOn,
    RetryPolicy,
    ThrottlePolicy,
)
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.policies import DEFAULTS, breaker, nearest, retry, throttle

DURATION = "expected a duration such as 500ms, 30s, 10m or 1h30m"


def cursor(text: str) -> Cursor:
    node, _ = parse(text, "f")
    assert node is not None
    return Cursor(node, "here", 1, Report("f", {"N": "4"}))


def read[T](section: Callable[[T, Cursor], T], text: str, above: T) -> T:
    """The section, which must be right."""
    place = cursor(text)
    value = section(above, place)
    assert place.report.problems == []
    return value


def complaints[T](section: Callable[[T, Cursor], T], text: str, above: T) -> list[str]:
    place = cursor(text)
    place.attempt(partial(section, above))
    return [str(problem) for problem in place.report.problems]


def test_the_defaults() -> None:
    assert DEFAULTS.retry == RetryPolicy(
        attempts=3,
        base=0.5,
        max=8.0,
        honour_retry_after=20.0,
        budget=0.2,
        fallback_on=frozenset({FallbackOn.ERROR, FallbackOn.QUOTA, FallbackOn.CONTEXT}),
    )
    assert DEFAULTS.breaker == BreakerPolicy(
        failures=5, ratio=0.5, open=5.0, max_open=300.0, jitter=0.2, rate_limits=False
    )
    assert DEFAULTS.throttle == ThrottlePolicy(
        min_interval=0.0, max_concurrent=None, queue=1000, queue_timeout=30.0
    )


def test_every_key_of_retry() -> None:
    text = """
attempts: ${N}
base: 1s
max: 1m30s
honour_retry_after: 500ms
budget: 0.05
fallback_on: [content_filter, error, error]
"""
    assert read(retry, text, DEFAULTS.retry) == RetryPolicy(
        4, 1.0, 90.0, 0.5, 0.05, frozenset({FallbackOn.CONTENT_FILTER, FallbackOn.ERROR})
    )


def test_every_key_of_breaker() -> None:
    text = "{failures: 1, ratio: 1, open: 1s, max_open: 1s, jitter: 0}"
    assert read(breaker, text, DEFAULTS.breaker) == BreakerPolicy(1, 1.0, 1.0, 1.0, 0.0)


def test_every_key_of_throttle() -> None:
    text = "{min_interval: 2s, max_concurrent: 1, queue: 0, queue_timeout: 1m}"
    assert read(throttle, text, DEFAULTS.throttle) == ThrottlePolicy(2.0, 1, 0, 60.0)
    assert read(throttle, "min_interval: 0s", ThrottlePolicy(2.0)) == ThrottlePolicy()


def test_what_is_left_out_comes_from_above_key_by_key() -> None:
    above = RetryPolicy(attempts=7, base=2.0)
    assert read(retry, "attempts: 1", above) == RetryPolicy(attempts=1, base=2.0)
    assert read(breaker, "open: 1s", BreakerPolicy(failures=2)) == BreakerPolicy(2, open=1.0)
    assert read(throttle, "queue: 5", ThrottlePolicy(1.0)) == ThrottlePolicy(1.0, queue=5)


@pytest.mark.parametrize("text", ["", "~", "{}"])
def test_a_section_without_a_word_changes_nothing(text: str) -> None:
    above = RetryPolicy(attempts=7)
    assert read(retry, text, above) == above


def test_an_empty_list_of_fallbacks_is_kept() -> None:
    assert read(retry, "fallback_on: []", DEFAULTS.retry).fallback_on == frozenset()


@pytest.mark.parametrize(
    ("text", "policy"),
    [("minute", BREAKER_MINUTE), ("'minute'", BREAKER_MINUTE), ("none", BREAKER_NONE)],
)
@pytest.mark.parametrize("above", [BreakerPolicy(failures=9), BREAKER_MINUTE, BREAKER_NONE])
def test_a_word_replaces_all_of_a_breaker(
    text: str, policy: BreakerPolicy, above: BreakerPolicy
) -> None:
    assert read(breaker, text, above) == policy


@pytest.mark.parametrize("above", [BREAKER_MINUTE, BREAKER_NONE])
def test_a_mapping_below_a_word_starts_from_the_defaults(above: BreakerPolicy) -> None:
    assert read(breaker, "failures: 2", above) == BreakerPolicy(failures=2)
    assert read(breaker, "{}", above) == BreakerPolicy()


def test_bounds_may_meet() -> None:
    assert read(retry, "{base: 8s}", DEFAULTS.retry).base == 8.0
    assert read(breaker, "{max_open: 5s}", DEFAULTS.breaker).max_open == 5.0


@pytest.mark.parametrize(
    ("text", "above", "problem"),
    [
        ("{base: 2s, max: 1s}", DEFAULTS.retry, "max (1s) is below base (2s)"),
        ("base: 500s", DEFAULTS.retry, "max (8s) is below base (500s)"),
        ("max: 1s", replace(DEFAULTS.retry, base=1.5), "max (1s) is below base (1.5s)"),
    ],
)
def test_the_longest_wait_is_not_below_the_first(
    text: str, above: RetryPolicy, problem: str
) -> None:
    assert complaints(retry, text, above) == [f"f:1: here: {problem}"]


def test_the_longest_time_open_is_not_below_the_first() -> None:
    problem = "f:1: here: max_open (300s) is below open (600s)"
    assert complaints(breaker, "open: 10m", DEFAULTS.breaker) == [problem]


def test_of_a_bound_that_cannot_be_read_nothing_more_is_said() -> None:
    assert complaints(retry, "{base: 20s, max: 1:00}", DEFAULTS.retry) == [
        f"f:1: here.max: {DURATION}, got '1:00'"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3", ": expected a mapping, got '3'"),
        ("attempts: 0", ".attempts: expected an integer of at least 1, got '0'"),
        (
            "attempts: '3'",
            ".attempts: expected a value without quotes, got the quoted text '3'",
        ),
        ("base: 0", ".base: expected a duration of more than 0 and at most 168h, got '0'"),
        ("honour_retry_after: soon", f".honour_retry_after: {DURATION}, got 'soon'"),
        ("budget: 20%", ".budget: expected a number of at least 0 and at most 1, got '20%'"),
        ("budget: 1.1", ".budget: expected a number of at least 0 and at most 1, got '1.1'"),
        (
            "fallback_on: never",
            ".fallback_on: expected a list of error, quota, context, content_filter, got a single "
            "value",
        ),
        (
            "fallback_on: [errors]",
            ".fallback_on[0]: expected one of: error, quota, context, content_filter, got 'errors'",
        ),
        (
            "attempt: 3",
            ": unknown key 'attempt', expected one of: attempts, base, max, honour_retry_after, "
            "budget, fallback_on; did you mean 'attempts'?",
        ),
    ],
)
def test_problems_of_retry(text: str, problem: str) -> None:
    assert complaints(retry, text, DEFAULTS.retry) == [f"f:1: here{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hour", ": expected a mapping or one of the words minute, none, got 'hour'"),
        ("[minute]", ": expected a mapping, got a list"),
        ("failures: 0", ".failures: expected an integer of at least 1, got '0'"),
        ("ratio: 0", ".ratio: expected a number above 0 and at most 1, got '0'"),
        ("jitter: 1", ".jitter: expected a number of at least 0 and below 1, got '1'"),
        (
            "rate_limits: true",
            ": unknown key 'rate_limits', expected one of: failures, ratio, open, max_open, jitter",
        ),
    ],
)
def test_problems_of_breaker(text: str, problem: str) -> None:
    assert complaints(breaker, text, DEFAULTS.breaker) == [f"f:1: here{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("min_interval: -1s", f".min_interval: {DURATION}, got '-1s'"),
        ("max_concurrent: 0", ".max_concurrent: expected an integer of at least 1, got '0'"),
        ("queue: -1", ".queue: expected an integer of at least 0, got '-1'"),
        (
            "queue_timeout: 0s",
            ".queue_timeout: expected a duration of more than 0 and at most 168h, got '0s'",
        ),
    ],
)
def test_problems_of_throttle(text: str, problem: str) -> None:
    assert complaints(throttle, text, DEFAULTS.throttle) == [f"f:1: here{problem}"]


def test_where_nothing_valid_stands_nearer_the_place_above_holds() -> None:
    above = RetryPolicy(attempts=7)
    assert nearest(None, retry, above) == above
    assert nearest(cursor("[]"), retry, above) == above
    assert nearest(cursor("base: 1s"), retry, above) == RetryPolicy(7, 1.0)
