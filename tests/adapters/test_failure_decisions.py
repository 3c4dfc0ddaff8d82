"""Retry here, go elsewhere or give up, and how long to wait: who has the last word."""

from typing import Any

import pytest

from llm_gateway.adapters.failures import classify
from llm_gateway.errors import Retry, UpstreamError, UpstreamRateLimited, UpstreamRejected

NOW = 1_763_700_000.0


def summary(error: UpstreamError) -> tuple[type[UpstreamError], int, Retry]:
    return type(error), error.status, error.retry


@pytest.mark.parametrize(
    ("status", "said", "retry"),
    [
        (400, "true", Retry.HERE),
        (404, "TRUE ", Retry.HERE),
        (401, "true", Retry.HERE),
        (429, "false", Retry.ELSEWHERE),
        (500, "false", Retry.ELSEWHERE),
        (409, "false", Retry.ELSEWHERE),
        (200, "false", Retry.ELSEWHERE),
        (400, "false", Retry.NEVER),
        (404, "false", Retry.ELSEWHERE),
        (500, "perhaps", Retry.HERE),
        (400, "", Retry.NEVER),
    ],
)
def test_the_provider_s_own_word_on_retries_counts(status: int, said: str, retry: Retry) -> None:
    assert classify(status, {"x-should-retry": said}, {}).retry is retry


@pytest.mark.parametrize("code", ["insufficient_quota", "content_filter"])
def test_but_not_where_it_is_known_better(code: str) -> None:
    error = classify(429, {"x-should-retry": "true"}, {"code": code})
    assert error.retry is not Retry.HERE


EACH_READING = [
    pytest.param(status, error, id=name)
    for name, status, error in [
        ("content", 400, {"code": "content_policy_violation"}),
        ("length", 400, {"code": "context_length_exceeded"}),
        ("above the limit", 429, {"message": "Request too large"}),
        ("access", 401, {}),
        ("limit", 429, {}),
        ("limit of a day", 429, {"message": "tokens per day (TPD)"}),
        ("busy", 498, {}),
        ("server", 500, {}),
        ("client", 400, {}),
        ("no answer", 200, {}),
    ]
]


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize(("status", "error"), EACH_READING)
def test_the_adapter_s_word_counts_most(status: int, error: dict[str, Any], retry: Retry) -> None:
    headers = {"x-should-retry": "true", "retry-after": "5"}
    found = classify(status, headers, error, retry=retry, retry_after=77.5)
    assert (found.retry, found.retry_after) == (retry, 77.5)
    assert found.headers == (("retry-after", "78"), ("retry-after-ms", "77500"))


@pytest.mark.parametrize("seconds", [0, -5, float("inf"), float("nan"), 1e9])
def test_a_wait_that_nobody_can_wait_is_none_whoever_says_it(seconds: float) -> None:
    error = classify(429, {}, {}, retry_after=seconds)
    assert (error.retry_after, error.headers) == (None, ())


@pytest.mark.parametrize(
    ("status", "waits"),
    [(429, True), (503, True), (408, True), (402, True), (400, False), (404, False), (413, False)],
)
def test_a_hint_is_passed_where_the_request_may_pass_after_it(status: int, waits: bool) -> None:
    error = classify(status, {"retry-after": "7"}, {})
    assert error.retry_after == (7 if waits else None)


def test_dates_are_compared_with_the_time_given() -> None:
    headers = {"retry-after": "Fri, 21 Nov 2025 04:41:30 GMT"}
    assert classify(429, headers, {}, now=NOW).retry_after == 90
    assert classify(429, headers, {}, now=NOW + 100).retry_after is None


def test_without_a_time_given_it_is_the_time_now() -> None:
    assert classify(429, {"retry-after": "Fri, 21 Nov 2025 04:41:30 GMT"}, {}).retry_after is None


@pytest.mark.parametrize("status", [200, 400, 404, 413, 422, 500, 502])
def test_a_context_that_is_too_short_sends_the_request_elsewhere(status: int) -> None:
    for error in (
        {"message": "This model's maximum context length is 8192 tokens."},
        {"code": "context_length_exceeded"},
        {"type": "exceed_context_size_error", "code": status},
    ):
        found = classify(status, {"retry-after": "5"}, error)
        assert summary(found) == (UpstreamRejected, 400, Retry.ELSEWHERE)
        assert (found.code, found.retry_after) == ("context_length_exceeded", None)
        assert found.message


@pytest.mark.parametrize("status", [401, 403, 429])
def test_words_about_the_context_do_not_hide_what_the_status_says(status: int) -> None:
    error = {"message": "Too many tokens, please wait before trying again."}
    assert classify(status, {}, error).code != "context_length_exceeded"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"code": "content_filter"}, "content_filter"),
        (400, {"type": "content_filter", "code": "c"}, "content_filter"),
        (400, {"code": "content_policy_violation"}, "content_policy_violation"),
        (400, {"code": "moderation_blocked"}, "content_policy_violation"),
        (200, {"code": "content_filter"}, "content_filter"),
        (400, {"message": "rejected by our safety system"}, "content_policy_violation"),
        (403, {"metadata": {"flagged_input": "x"}}, "content_policy_violation"),
        (403, {"metadata": {"reasons": ["violence"]}}, "content_policy_violation"),
    ],
)
def test_content_that_is_refused_here_is_sent_nowhere_else(
    status: int, error: dict[str, Any], code: str
) -> None:
    found = classify(status, {"x-should-retry": "true"}, error)
    assert summary(found) == (UpstreamRejected, 400, Retry.NEVER)
    assert (found.type, found.code) == ("invalid_request_error", code)
    assert found.message


def test_words_about_content_count_only_in_a_refusal() -> None:
    message = "Our safety system is overloaded."
    assert classify(503, {}, {"message": message}).retry is Retry.HERE
    assert classify(404, {}, {"message": message}).retry is Retry.ELSEWHERE


@pytest.mark.parametrize(
    "message",
    [
        "Request too large for m on tokens per min (TPM): Limit 10000, Requested 12000.",
        "Rate limit reached (TPM): Limit 7000, Used 0, Requested ~12903. Try again in 50.5s.",
    ],
)
def test_a_request_above_the_whole_limit_is_too_large_and_not_too_early(message: str) -> None:
    error = classify(429, {"retry-after": "50"}, {"message": message, "code": "c", "type": "t"})
    assert summary(error) == (UpstreamRejected, 413, Retry.ELSEWHERE)
    assert (error.retry_after, error.code, error.type) == (None, "c", "t")


def test_a_request_below_the_limit_is_too_early() -> None:
    message = "(TPM): Limit 8000, Used 5536, Requested 5599. Please try again in 23.5125s."
    error = classify(429, {}, {"message": message})
    assert summary(error) == (UpstreamRateLimited, 429, Retry.HERE)
    assert error.retry_after == 23.5125


def test_a_limit_of_a_day_is_waited_for_elsewhere() -> None:
    error = classify(429, {}, {"message": "requests per day (RPD). Please try again in 7m12s."})
    assert summary(error) == (UpstreamRateLimited, 429, Retry.ELSEWHERE)
    assert error.retry_after == 432


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted"])
def test_a_quota_that_is_used_up_is_not_tried_again_here(code: str) -> None:
    error = classify(429, {}, {"code": code, "message": "Pay first"})
    assert summary(error) == (UpstreamRateLimited, 429, Retry.ELSEWHERE)
    assert (error.type, error.code, error.message) == (code, code, "Pay first")
