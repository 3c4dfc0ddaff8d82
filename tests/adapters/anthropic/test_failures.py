"""Anthropic's errors, by their type, their status and their details."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from llm_gateway.adapters.anthropic.failures import STATUS, failure, reported
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)

JSONObject = dict[str, Any]
NO_HEADERS: CIMultiDict[str] = CIMultiDict()


def body(kind: str, message: str = "No.", **details: str) -> JSONObject:
    error = {"type": kind, "message": message, "details": details or None}
    return {"type": "error", "error": error, "request_id": "req_1"}


def failed(status: int, content: JSONObject, headers: Any = NO_HEADERS) -> UpstreamError:
    return failure(status, headers, json.dumps(content).encode())


@pytest.mark.parametrize("kind", STATUS)
def test_an_error_event_means_what_the_same_reply_means(kind: str) -> None:
    event, reply = reported(body(kind)), failed(STATUS[kind], body(kind))
    assert (type(event), event.status, event.retry) == (type(reply), reply.status, reply.retry)
    assert event.message == reply.message


@pytest.mark.parametrize("status", [500, 503, 529, 599])
def test_a_failure_of_anthropics_may_pass(status: int) -> None:
    error = failed(status, body("api_error"))
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry is Retry.HERE


@pytest.mark.parametrize(
    "code",
    [
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
    ],
)
def test_a_spent_budget_is_not_waited_for(code: str) -> None:
    error = failed(429, body("rate_limit_error", error_code=code))
    assert isinstance(error, UpstreamRateLimited)
    assert (error.retry, error.code) == (Retry.ELSEWHERE, "insufficient_quota")


def test_another_detail_is_the_errors_code() -> None:
    error = failed(400, body("invalid_request_error", error_code="image_dimensions_too_large"))
    assert (error.status, error.code) == (400, "image_dimensions_too_large")


def test_no_credit_is_a_matter_of_the_account() -> None:
    says = "Your credit balance is too low to access the Anthropic API."
    assert isinstance(failed(400, body("invalid_request_error", says)), UpstreamAuthError)
    assert isinstance(reported(body("invalid_request_error", says)), UpstreamAuthError)


def test_a_limit_that_is_used_up_says_when_it_begins_anew() -> None:
    soon, later = (datetime.now(UTC) + timedelta(seconds=each) for each in (40, 3000))
    headers = CIMultiDict(
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": soon.isoformat().replace("+00:00", "Z"),
            "anthropic-ratelimit-tokens-remaining": "8000",
            "anthropic-ratelimit-tokens-reset": later.isoformat(),
        }
    )
    error = failed(429, body("rate_limit_error"), headers)
    assert error.retry_after == pytest.approx(40, abs=5)
    headers["retry-after"] = "17"
    assert failed(429, body("rate_limit_error"), headers).retry_after == 17


def test_no_key_is_told() -> None:
    error = failed(400, body("invalid_request_error", "bad key sk-ant-api03-abcdefghijkl"))
    assert "abcdefgh" not in error.message + error.detail + error.body().decode()


@pytest.mark.parametrize(
    "event",
    [{}, {"error": None}, {"error": []}, {"error": 5}, {"error": {"type": 5, "details": "x"}}],
)
def test_an_error_without_a_name_is_anthropics_own_fault(event: JSONObject) -> None:
    assert isinstance(reported(event), UpstreamUnavailable)
