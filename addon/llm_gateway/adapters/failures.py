"""One reading of providers' error replies, whatever envelope they come in.

Providers put the real failure in different places: in the HTTP status, in ``error.code`` of a body
with HTTP status 200 (OpenRouter does, once a model has started), in the first event of a stream.
:func:`classify` takes them all and answers with one :class:`~llm_gateway.errors.UpstreamError`.
"""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Any

import orjson

from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

MAX_MESSAGE = 500

_SECRETS = re.compile(
    r"(?<!\w)(?:sk|gsk|xai|key|pk|rk)[-_][\w*.-]{6,}|AIza[\w-]{20,}|(?i:bearer)\s+\S+"
)
_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_AUTH = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
_TRANSIENT_4XX = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY}
_ELSEWHERE_4XX = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
_NO_QUOTA = {"insufficient_quota", "credit_balance_exhausted"}
_STATUS_OF = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 429,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "api_error": 500,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
}
"""The status that belongs to an error's ``code`` or ``type`` where no number says it."""
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_NONSTANDARD_5XX = 520
"""From here on Cloudflare's and Anthropic's own: no HTTP client knows their reason phrases."""


def classify(status: int, headers: Mapping[str, str], error: Mapping[str, Any]) -> UpstreamError:
    """The failure that a reply with this HTTP status and this ``error`` object stands for.

    ``error`` is the reply's error object, ``{}`` if it had none. A numeric ``code`` in it between
    400 and 599 says more than the HTTP status does.
    """
    status = _embedded_status(error, status) or status
    message = error_text(error)
    code = _text(error.get("code"))
    detail = _detail(status, code)
    if status in _AUTH:
        return UpstreamAuthError(
            f"The provider refused the gateway's own credentials or account (status {status}).",
            detail=detail,
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return UpstreamRateLimited(
            message or "The provider's rate limit is reached.",
            type=code if code in _NO_QUOTA else None,
            code=code if code in _NO_QUOTA else None,
            retry=Retry.ELSEWHERE if code in _NO_QUOTA else None,
            retry_after=retry_after(headers, time.time()),
            detail=detail,
        )
    if status in _CLIENT_ERRORS:
        return _client_error(status, error, message, detail)
    if status in _SERVER_ERRORS:
        return UpstreamUnavailable(
            message or f"The provider failed with status {status}.",
            status=status if status < _NONSTANDARD_5XX else HTTPStatus.SERVICE_UNAVAILABLE,
            retry_after=retry_after(headers, time.time()),
            detail=detail,
        )
    return UpstreamInvalidResponse(
        message or f"The provider answered with status {status}, which is not an answer.",
        detail=detail,
    )


def _detail(status: int, code: str | None) -> str:
    """For the log: the provider's code, but not its sentence, which may repeat the prompt."""
    named = f" {code}" if code is not None and _CODE.fullmatch(code) else ""
    return f"provider answered {status}{named}"


def _client_error(
    status: int, error: Mapping[str, Any], message: str, detail: str
) -> UpstreamRejected:
    retry = Retry.NEVER
    if status in _TRANSIENT_4XX:
        retry = Retry.HERE
    elif status in _ELSEWHERE_4XX:
        retry = Retry.ELSEWHERE
    code = error.get("code")
    return UpstreamRejected(
        message or f"The provider refused the request with status {status}.",
        status=status,
        type=_text(error.get("type")),
        code=_text(code),
        param=_text(error.get("param")),
        retry=retry,
        detail=detail,
    )


def error_object(body: bytes) -> dict[str, Any]:
    """The ``error`` object of a reply body; ``{}`` when there is none to be read.

    Takes ``{"error": {…}}``, ``{"error": "sentence"}``, a bare ``{"message": …}`` and, as Google's
    compatible endpoint sends it, any of them inside a list.
    """
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(reply, list) and reply:
        reply = reply[0]
    if not isinstance(reply, dict):
        return {}
    return as_error_object(reply.get("error", reply))


def as_error_object(error: object) -> dict[str, Any]:
    """The value of an ``error`` key as an object; a bare sentence becomes its message."""
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def error_text(error: Mapping[str, Any]) -> str:
    """The provider's sentence, fit for a client: no key in it, and not endless."""
    message = error.get("message")
    return redact(message)[:MAX_MESSAGE] if isinstance(message, str) else ""


def redact(text: str) -> str:
    """``text`` with everything that looks like a credential masked."""
    return _SECRETS.sub("***", text)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The provider's hint in seconds: ``retry-after-ms``, or ``retry-after`` (RFC 9110 §10.2.3).

    Anything that is not a positive, finite time in the future counts as no hint. ``now`` is in
    seconds since the epoch.
    """
    milliseconds = _positive(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _positive(value)
    if seconds is not None or value is None:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(value)
        # The obsolete asctime form names no zone and means GMT (RFC 9110 §5.6.7).
        when = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return when - now if when > now else None


def _positive(value: str | None) -> float | None:
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if 0 < number < math.inf else None


def _embedded_status(error: Mapping[str, Any], status: int) -> int | None:
    """A status in the error object itself; its name is asked only where HTTP said success."""
    for value in (error.get("code"), error.get("status_code"), error.get("status")):
        number = _as_status(value)
        if number is not None:
            return number
    if status >= HTTPStatus.BAD_REQUEST:
        return None
    names = (error.get("code"), error.get("type"))
    return next((_STATUS_OF[n] for n in names if isinstance(n, str) and n in _STATUS_OF), None)


def _as_status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:4])
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if value in _CLIENT_ERRORS or value in _SERVER_ERRORS else None


def _text(value: object) -> str | None:
    return redact(value)[:MAX_MESSAGE] if isinstance(value, str) else None
