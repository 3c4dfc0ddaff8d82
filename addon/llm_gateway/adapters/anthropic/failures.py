"""Anthropic's errors: ``{"type": "error", "error": {"type", "message", "details"}}``.

Source: docs.anthropic.com/en/api/errors.
"""

from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.failures import as_error_object, classify, error_object
from llm_gateway.adapters.translating import object_in, text_in
from llm_gateway.errors import UpstreamError

STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of each ``error.type``, for errors in streams, which have none."""

_UNKNOWN = 500
_OUT_OF_MONEY = 402
_NO_CREDIT = "Your credit balance is too low"
"""Beginning of a message that comes as an invalid request."""

_SPENT = {
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
}
"""``details.error_code`` of a 429 that no waiting mends."""


def failure(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """What a reply with this (non-2xx) status means."""
    return _classified(status, headers, error_object(body))


def reported(event: Mapping[str, Any]) -> UpstreamError:
    """What an error event of a stream means, or an error with a status of success."""
    error = as_error_object(event.get("error"))
    return _classified(STATUS.get(text_in(error, "type"), _UNKNOWN), {}, error)


def _classified(status: int, headers: Mapping[str, str], error: dict[str, Any]) -> UpstreamError:
    code = text_in(object_in(error, "details"), "error_code")
    if code in _SPENT:
        return classify(status, headers, {**error, "code": "insufficient_quota"})
    if text_in(error, "message").startswith(_NO_CREDIT):
        status = _OUT_OF_MONEY
    return classify(status, headers, {**error, "code": code} if code else error)
