"""Google's errors: whose fault it is, what may mend it, and when."""

import pytest

from llm_gateway.adapters.gemini import KIND
from llm_gateway.adapters.gemini.failures import failure_of, raise_error_in
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from support.calls import CREATED, make_call
from support.gemini_rules import error_body
from support.openai_shapes import JSONObject

QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"
SUMMER = 1750057200
"""16 June 2025, 07:00 UTC: midnight in California, where it is summer time."""


def failed(http: int, **error: object) -> UpstreamError:
    return failure_of(http, {}, error, CREATED)


def quota(*ids: str, delay: str = "34s") -> list[JSONObject]:
    return [
        {"@type": QUOTA, "violations": [{"quotaId": id, "quotaValue": "10"} for id in ids]},
        {"@type": RETRY, "retryDelay": delay},
    ]


@pytest.mark.parametrize("reason", ["API_KEY_INVALID", "API_KEY_EXPIRED"])
def test_a_bad_key_is_no_fault_of_the_request(reason: str) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    error = failed(400, code=400, message="API key not valid.", details=details)
    assert isinstance(error, UpstreamAuthError)
    assert (error.status, error.retry) == (502, Retry.ELSEWHERE)


@pytest.mark.parametrize(
    ("status", "name", "kind", "retry"),
    [
        (400, "INVALID_ARGUMENT", UpstreamRejected, Retry.NEVER),
        (400, "FAILED_PRECONDITION", UpstreamRejected, Retry.ELSEWHERE),
        (401, "UNAUTHENTICATED", UpstreamAuthError, Retry.ELSEWHERE),
        (403, "PERMISSION_DENIED", UpstreamAuthError, Retry.ELSEWHERE),
        (404, "NOT_FOUND", UpstreamRejected, Retry.ELSEWHERE),
        (429, "RESOURCE_EXHAUSTED", UpstreamRateLimited, Retry.HERE),
        (499, "CANCELLED", UpstreamUnavailable, Retry.HERE),
        (500, "INTERNAL", UpstreamUnavailable, Retry.HERE),
        (503, "UNAVAILABLE", UpstreamUnavailable, Retry.HERE),
        (504, "DEADLINE_EXCEEDED", UpstreamUnavailable, Retry.HERE),
    ],
)
@pytest.mark.parametrize("http", [None, 200], ids=["with its status", "inside a success"])
def test_each_status_has_its_meaning(
    status: int, name: str, kind: type[UpstreamError], retry: Retry, http: int | None
) -> None:
    error = failed(http or status, code=status, message="x", status=name)
    assert type(error) is kind
    assert error.retry is retry


def test_a_limit_of_the_minute_is_over_when_google_says() -> None:
    error = failed(429, details=quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"))
    assert (error.retry, error.retry_after) == (Retry.HERE, 34)


@pytest.mark.parametrize(
    ("now", "wait"),
    [(CREATED, 12000), (SUMMER, 86400), (SUMMER + 1, 86399), (SUMMER - 1, 1)],
)
def test_a_limit_of_the_day_is_over_at_midnight_in_california(now: int, wait: int) -> None:
    details = quota("GenerateRequestsPerMinute", "GenerateRequestsPerDayPerProjectPerModel")
    error = failure_of(429, {}, {"code": 429, "details": details}, now)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.retry, error.retry_after) == (Retry.ELSEWHERE, wait)


def test_without_a_time_the_clock_is_asked() -> None:
    error = failure_of(429, {}, {"details": quota("RequestsPerDay")})
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 25 * 3600


@pytest.mark.parametrize("details", [None, 5, "x", [None], [{"violations": 5}], [{"reason": []}]])
def test_strange_details_say_nothing(details: object) -> None:
    assert isinstance(failed(400, message="x", details=details), UpstreamRejected)


@pytest.mark.parametrize("error", [None, {}, "", 0, False, []])
def test_a_reply_without_an_error_passes(error: object) -> None:
    raise_error_in({"error": error})


@pytest.mark.parametrize("error", [True, 5, ["x"], [{}]])
def test_an_error_that_says_nothing_is_still_no_answer(error: object) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        raise_error_in({"error": error})


def test_no_key_of_ours_is_told_to_the_client() -> None:
    secret = "AIzaSyD-canary-canary-canary-canary-cana"
    url = f"https://generativelanguage.googleapis.com/v1beta/models/m:generateContent?key={secret}"
    text = f"Failed: {url} consumer 'api_key:{secret}' (key={secret}), models/{secret}/key"
    body = str(error_body(text, 400, "INVALID_ARGUMENT")).replace("'", '"').encode()
    for raw in (body, b"[" + body + b"]", text.encode()):
        error = KIND.chat(make_call({"messages": []})).failure(400, {}, raw)
        assert secret not in f"{error.message} {error.detail} {error.body().decode()}"
        assert "canary" not in error.message
