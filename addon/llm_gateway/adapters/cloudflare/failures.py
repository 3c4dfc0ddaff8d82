"""What Cloudflare's errors mean: by their own codes, in whatever envelope they come.

Sources: https://developers.cloudflare.com/workers-ai/platform/errors/ for the codes of Workers AI,
https://developers.cloudflare.com/fundamentals/api/troubleshooting/ for those of the API around it.
The envelopes: ``errors`` as a list (the API) or an object, ``error`` as a list (AI Gateway), an
object or a sentence (the compatible endpoint), the error itself as the body (``AiError``,
``AiGatewayError``), each of them also with HTTP status 200.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway.adapters import failures
from llm_gateway.errors import Retry, UpstreamAuthError, UpstreamError

_CODE_IN_TEXT = re.compile(r"(?:\w*Error: )*([0-9]{4,5}):", re.ASCII)
"""At the beginning of a sentence; further on may stand what a client wrote."""

_MISCONFIGURED = "The provider does not know the account or the address that it was called with."


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: the HTTP status that says the same, and what differs from that status.

    ``code`` is OpenAI's word for it. ``daily`` quotas come back at midnight UTC. Of an ``address``
    that is wrong only the operator can do something.
    """

    status: int
    retry: Retry | None = None
    code: str | None = None
    daily: bool = False
    address: bool = False


_BAD_KEY = Meaning(401)
_DENIED = Meaning(403)
_INVALID = Meaning(400)
_MISPLACED = Meaning(404, address=True)
_NO_MODEL = Meaning(404, code="model_not_found")
_OF_ANOTHER_KIND = Meaning(400, Retry.ELSEWHERE)
_SPENT = Meaning(429, Retry.ELSEWHERE, daily=True)

CODES: Mapping[int, Meaning] = {
    2001: _MISPLACED,  # AI Gateway: no gateway of this name
    2008: _NO_MODEL,  # AI Gateway: invalid provider in the model's name
    2009: _BAD_KEY,  # AI Gateway: its own token
    3003: _INVALID,  # request without headers or body
    3006: Meaning(413),
    3007: Meaning(408),
    3008: Meaning(408),  # aborted
    3023: _DENIED,  # account blocked
    3036: _SPENT,
    3039: _INVALID,  # finetune without its files
    3040: Meaning(429),  # out of capacity
    3041: _DENIED,  # private model
    3042: _NO_MODEL,
    4006: _SPENT,
    5004: _INVALID,  # not the base64 it should be
    5005: _OF_ANOTHER_KIND,  # no LoRA with this model
    5006: _INVALID,  # not the model's schema
    5007: _NO_MODEL,
    5016: _DENIED,  # the model's terms are not agreed to
    5018: _DENIED,  # private model
    5019: _OF_ANOTHER_KIND,  # deprecated SDK
    5021: Meaning(413, code="context_length_exceeded"),
    5024: Meaning(502),  # no answer fitted the JSON schema
    5035: _DENIED,  # needs a paid plan
    6003: _BAD_KEY,  # no valid Authorization header
    7001: _MISPLACED,  # method not allowed for this route
    7003: _MISPLACED,  # could not route: the account's id is wrong
    8007: Meaning(400, code="content_policy_violation"),
    10000: _BAD_KEY,
}


def error_in(reply: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error that a 2xx reply or an event reports, None if it reports none."""
    if reply.get("success") is True:
        return None
    for name in ("error", "errors"):
        if reply.get(name):
            return failures.as_error_object(reply[name])
    return dict(reply) if reply.get("success") is False or "internalCode" in reply else None


def failure_in(
    status: int, headers: Mapping[str, str], body: bytes, now: float | None = None
) -> UpstreamError:
    """The failure that a reply's body tells of, whatever it is; ``now`` as below."""
    return failure_of(status, headers, failures.error_object(body), now)


def failure_of(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any], now: float | None = None
) -> UpstreamError:
    """The failure that this error object stands for.

    ``now`` is in seconds since the epoch, the present if it is not given.
    """
    code = _code(error)
    meaning = CODES.get(code) if code is not None else None
    if meaning is None:
        named = {} if code is None else {"code": str(code)}
        error = {**error, "message": _message(error), **named}
        return failures.classify(status, headers, error, now=now)
    if meaning.address:
        return UpstreamAuthError(_MISCONFIGURED, detail=f"provider answered {status} {code}")
    now = time.time() if now is None else now
    return failures.classify(
        meaning.status,
        headers,
        {"message": _message(error), "code": meaning.code or str(code)},
        retry=meaning.retry,
        retry_after=failures.seconds_until_midnight("UTC", now) if meaning.daily else None,
        now=now,
    )


def _code(error: Mapping[str, Any]) -> int | None:
    """The provider's number, which may stand in the sentence alone (``3040: Capacity …``)."""
    for name in ("code", "internalCode"):
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:6])
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    told = _CODE_IN_TEXT.match(_message(error))
    return int(told[1]) if told is not None and int(told[1]) in CODES else None


def _message(error: Mapping[str, Any]) -> str:
    texts = (error.get("message"), error.get("description"))
    return next((text for text in texts if isinstance(text, str) and text), "")
