"""What Google's errors mean, as far as they say more than their status.

Sources: https://ai.google.dev/gemini-api/docs/troubleshooting and, for the ``details``,
https://cloud.google.com/apis/design/errors.
"""

import time
from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.failures import as_error_object, classify, seconds_until_midnight
from llm_gateway.adapters.translating import objects, text_in
from llm_gateway.errors import Retry, UpstreamAuthError, UpstreamError

_BAD_KEY = {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"}
"""Reasons that come with status 400, as if the request were at fault."""

_QUOTA_ZONE = "America/Los_Angeles"
"""Where the day ends at which daily quotas begin anew."""

_PER_DAY = "PerDay"


def failure_of(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any], now: float | None = None
) -> UpstreamError:
    """The failure that a reply with this status and error object stands for.

    ``now`` is in seconds since the epoch; None asks the clock.
    """
    now = time.time() if now is None else now
    details = objects(error.get("details"))
    if any(text_in(detail, "reason") in _BAD_KEY for detail in details):
        return UpstreamAuthError(
            f"The provider refused the gateway's own credentials or account (status {status}).",
            detail=f"provider answered {status} API_KEY_INVALID",
        )
    if _is_daily(details):
        wait = seconds_until_midnight(_QUOTA_ZONE, now)
        return classify(status, headers, error, retry=Retry.ELSEWHERE, retry_after=wait, now=now)
    # The region or the account, not the request, does not fulfil the precondition.
    elsewhere = Retry.ELSEWHERE if error.get("status") == "FAILED_PRECONDITION" else None
    return classify(status, headers, error, retry=elsewhere, now=now)


def raise_error_in(reply: Mapping[str, Any], now: float | None = None) -> None:
    """Raise the failure that a 2xx reply or an event of a stream reports, if it reports one."""
    error = reply.get("error")
    if error:
        raise failure_of(200, {}, as_error_object(error), now)


def _is_daily(details: list[dict[str, Any]]) -> bool:
    violations = (each for detail in details for each in objects(detail.get("violations")))
    return any(_PER_DAY in text_in(violation, "quotaId") for violation in violations)
