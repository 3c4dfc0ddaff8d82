"""Cloudflare's errors: what each code means, wherever it stands. Whole bodies: the wire files."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.cloudflare.failures import CODES, error_in, failure_in, failure_of
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from support.calls import CREATED

UNTIL_MIDNIGHT = 69600.0
"""Seconds: CREATED is 04:40 UTC."""

type Expected = tuple[type[UpstreamError], int, Retry, str]

REJECTED_HERE: Expected = (UpstreamRejected, 408, Retry.HERE, "")
INVALID: Expected = (UpstreamRejected, 400, Retry.NEVER, "")
OTHER_KIND: Expected = (UpstreamRejected, 400, Retry.ELSEWHERE, "")
NO_ACCESS: Expected = (UpstreamAuthError, 502, Retry.ELSEWHERE, "upstream_auth_error")
NO_MODEL: Expected = (UpstreamRejected, 404, Retry.ELSEWHERE, "model_not_found")
SPENT: Expected = (UpstreamRateLimited, 429, Retry.ELSEWHERE, "rate_limit_exceeded")

EXPECTED: dict[int, Expected] = {
    2001: NO_ACCESS,
    2008: NO_MODEL,
    2009: NO_ACCESS,
    3003: INVALID,
    3006: (UpstreamRejected, 413, Retry.ELSEWHERE, ""),
    3007: REJECTED_HERE,
    3008: REJECTED_HERE,
    3023: NO_ACCESS,
    3036: SPENT,
    3039: INVALID,
    3040: (UpstreamRateLimited, 429, Retry.HERE, "rate_limit_exceeded"),
    3041: NO_ACCESS,
    3042: NO_MODEL,
    4006: SPENT,
    5004: INVALID,
    5005: OTHER_KIND,
    5006: INVALID,
    5007: NO_MODEL,
    5016: NO_ACCESS,
    5018: NO_ACCESS,
    5019: OTHER_KIND,
    5021: (UpstreamRejected, 400, Retry.ELSEWHERE, "context_length_exceeded"),
    5024: (UpstreamUnavailable, 502, Retry.HERE, "upstream_unavailable"),
    5035: NO_ACCESS,
    6003: NO_ACCESS,
    7001: NO_ACCESS,
    7003: NO_ACCESS,
    8007: (UpstreamRejected, 400, Retry.NEVER, "content_policy_violation"),
    10000: NO_ACCESS,
}


def placed(code: int) -> list[Any]:
    """Bodies with this code in every place where there may be one."""
    error = {"code": code, "message": "It failed."}
    return [
        {"result": None, "success": False, "errors": [error], "messages": []},
        {"success": False, "errors": error},
        {"success": False, "result": [], "messages": [], "error": [error]},
        {"error": error},
        {"error": {"code": str(code), "message": "It failed."}},
        {"error": f"{code}: It failed."},
        {"error": {"message": f"InferenceUpstreamError: {code}: It failed.", "code": "internal"}},
        {"name": "AiError", "internalCode": code, "message": "It failed.", "requestId": "r"},
        [{"errors": [error]}],
    ]


@pytest.mark.parametrize("code", CODES)
def test_every_code_means_the_same_wherever_it_stands(code: int) -> None:
    kind, status, retry, word = EXPECTED[code]
    for body in placed(code):
        for http_status in (200, 400, 500):
            error = failure_in(http_status, {}, json.dumps(body).encode(), CREATED)
            assert (type(error), error.status, error.retry) == (kind, status, retry), body
            assert error.code == (word or str(code))
            assert error.retry_after == (UNTIL_MIDNIGHT if EXPECTED[code] == SPENT else None)


@pytest.mark.parametrize("code", CODES)
def test_a_code_in_a_success_is_found_in_every_place_but_a_list(code: int) -> None:
    for body in placed(code)[:-1]:
        error = error_in(body)
        assert error is not None
        assert failure_of(200, {}, error, CREATED).status == EXPECTED[code][1]


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"result": {"response": "Hi"}, "success": True, "errors": [], "messages": []},
        {"response": "Hi", "error": None, "errors": []},
        {"success": True, "errors": [{"code": 1, "message": "a warning"}]},
        {"choices": [], "success": "yes"},
    ],
)
def test_what_reports_no_error_is_none(reply: dict[str, Any]) -> None:
    assert error_in(reply) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"[1]", b'"x"', b'{"errors": [1]}', b'{"errors": 5}',
     b'{"errors": [{"code": [], "message": {}}]}', b'{"error": {"code": true}}',
     b'{"internalCode": {}, "httpCode": "x"}'],
)  # fmt: skip
@pytest.mark.parametrize(("status", "kind"), [(400, UpstreamRejected), (500, UpstreamUnavailable)])
def test_a_strange_body_is_read_by_its_status(
    body: bytes, status: int, kind: type[UpstreamError]
) -> None:
    assert isinstance(failure_in(status, {}, body, CREATED), kind)


def test_a_code_that_is_not_known_is_passed_on() -> None:
    body = {"success": False, "errors": [{"code": 971, "message": "Slow down."}]}
    error = failure_in(429, {"retry-after": "3"}, json.dumps(body).encode())
    assert isinstance(error, UpstreamRateLimited)
    assert (error.message, error.retry, error.retry_after) == ("Slow down.", Retry.HERE, 3)
    assert error.detail == "provider answered 429 971"


@pytest.mark.parametrize(
    ("sentence", "status"),
    [
        ("5006: no", 400),
        ("AiError: AiError: 5006: no (9a1b)", 400),
        ("12345: no", 500),
        # Behind the AI Gateway, other providers' errors repeat what clients wrote.
        ("Invalid value: '4006: x'. Supported values are: 'low'.", 500),
        ("There is no tool 10000: x", 500),
    ],
)
def test_a_number_counts_only_if_a_sentence_begins_with_it_and_it_is_a_code(
    sentence: str, status: int
) -> None:
    body = {"error": {"message": sentence, "code": "x"}}
    assert failure_in(500, {}, json.dumps(body).encode()).status == status


def test_without_a_time_the_quota_comes_back_within_a_day() -> None:
    error = failure_of(429, {}, {"code": 3036})
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 86400


def test_the_log_has_the_code_and_not_the_sentence() -> None:
    error = failure_of(404, {}, {"code": 7003, "message": "Could not route to /accounts/x"})
    assert error.detail == "provider answered 404 7003"
    assert "/accounts" not in error.message
