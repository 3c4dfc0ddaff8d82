from collections.abc import Mapping

import pytest

from llm_gateway.config import RetryPolicy
from llm_gateway.config.cursor import ABSENT, Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.retry_variables import retry_with_variables


def read(
    environment: Mapping[str, str], text: str | None = None
) -> tuple[RetryPolicy | None, list[str], list[str]]:
    """The section, its problems and its warnings; without a text, the file has none."""
    report = Report("f", environment)
    node, _ = parse(text or "", "f")
    assert node is not None
    place = Cursor(ABSENT, "retry", 0, report) if text is None else Cursor(node, "retry", 3, report)
    value = place.attempt(retry_with_variables)
    return value, [str(problem) for problem in report.problems], report.warnings


def test_without_variables_the_defaults_hold() -> None:
    assert read({}) == (RetryPolicy(), [], [])


def test_the_variables_are_defaults() -> None:
    environment = {
        "RETRY_MAX_RETRIES": "5",
        "RETRY_BASE_DELAY": "500ms",
        "RETRY_MAX_DELAY": "1m30s",
    }
    assert read(environment) == (RetryPolicy(attempts=6, base=0.5, max=90.0), [], [])
    assert read(environment, "{budget: 0}") == (RetryPolicy(6, 0.5, 90.0, budget=0.0), [], [])


def test_no_retries_are_one_attempt() -> None:
    assert read({"RETRY_MAX_RETRIES": "0"})[0] == RetryPolicy(attempts=1)


def test_what_the_file_says_goes_before_even_a_malformed_variable() -> None:
    environment = {"RETRY_MAX_RETRIES": "canary", "RETRY_BASE_DELAY": "10m"}
    expected = RetryPolicy(attempts=2, base=1.0)
    assert read(environment, "{attempts: 2, base: 1s}") == (expected, [], [])


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read({"RETRY_MAX_RETRIES": "", "RETRY_JITTER": ""}) == (RetryPolicy(), [], [])


@pytest.mark.parametrize("value", ["0.1", "canary"])
def test_a_jitter_has_no_meaning_and_that_is_said(value: str) -> None:
    warning = "RETRY_JITTER has no meaning here: each wait is a random part of its full length"
    assert read({"RETRY_JITTER": value}) == (RetryPolicy(), [], [warning])


def test_malformed_variables_are_named_all_at_once_and_never_shown() -> None:
    environment = {
        "RETRY_MAX_RETRIES": "-canary",
        "RETRY_BASE_DELAY": "1 canary",
        "RETRY_MAX_DELAY": "0s",
    }
    assert read(environment)[1] == [
        "f: retry.attempts: expected an integer of at least 0, got the expansion of "
        "'${RETRY_MAX_RETRIES}'",
        "f: retry.base: expected a duration such as 500ms, 30s, 10m or 1h30m, got the expansion of "
        "'${RETRY_BASE_DELAY}'",
        "f: retry.max: expected a duration of more than 0 and at most 168h, got the expansion of "
        "'${RETRY_MAX_DELAY}'",
    ]


@pytest.mark.parametrize(
    ("environment", "text", "problem"),
    [
        (
            {"RETRY_BASE_DELAY": "10s", "RETRY_MAX_RETRIES": "1"},
            None,
            "f: retry: max (8s) is below base (10s), see RETRY_BASE_DELAY",
        ),
        (
            {"RETRY_BASE_DELAY": "10s", "RETRY_MAX_DELAY": "9s"},
            None,
            "f: retry: max (9s) is below base (10s), see RETRY_BASE_DELAY and RETRY_MAX_DELAY",
        ),
        ({"RETRY_MAX_RETRIES": "1"}, "base: 9s", "f:3: retry: max (8s) is below base (9s)"),
        ({"RETRY_BASE_DELAY": "10s"}, "3", "f:3: retry: expected a mapping, got '3'"),
    ],
)
def test_waits_that_contradict_each_other(
    environment: dict[str, str], text: str | None, problem: str
) -> None:
    assert read(environment, text)[1] == [problem]
