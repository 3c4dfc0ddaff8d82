"""One reading of providers' error replies, whatever envelope they come in.

Providers put the real failure in different places: in the HTTP status, in ``error.code`` of a body
with HTTP status 200, in the first event of a stream, in an error that is wrapped in another one.
:func:`classify` takes them all and answers with one :class:`~llm_gateway.errors.UpstreamError`.

What a number or a word means to one provider alone, that provider's package knows. It says so with
``retry`` and ``retry_after``, or with an ``error`` whose ``code`` is a word that is understood
here: ``context_length_exceeded``, ``content_policy_violation``, ``insufficient_quota``.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters import error_words as words
from llm_gateway.adapters.error_bodies import (
    MAX_MESSAGE,
    as_error_object,
    as_status,
    embedded_status,
    error_object,
    error_text,
    layers,
    sentence,
    status_in_text,
)
from llm_gateway.adapters.hints import duration, hint, seconds_until_midnight, sensible
from llm_gateway.adapters.redaction import redact
from llm_gateway.adapters.translating import object_in
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

__all__ = [
    "MAX_MESSAGE",
    "as_error_object",
    "classify",
    "duration",
    "error_object",
    "error_text",
    "hint",
    "redact",
    "seconds_until_midnight",
]

_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_KNOWN = {status.value for status in HTTPStatus}
_AUTH = {401, 402, 403, 407}
_BUSY = {498, 499}
"""None of HTTP's own: no capacity at the moment, and a request that the provider cancelled."""
_TRANSIENT_4XX = {408, 409, 425}
_ELSEWHERE_4XX = {404, 405, 410, 413, 424, 451}
"""The model, the method, the size or the region is not for this provider, but maybe for another."""

_CONTENT_POLICY_STATUSES = {400, 403, 422}
_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A reply as read: what it says, and what its adapter and its headers say about it.

    ``errors`` is the reply's error and those inside it, the innermost first.
    """

    status: int
    errors: Sequence[Mapping[str, Any]]
    message: str
    type: str | None
    code: str | None
    param: str | None
    decided: Retry | None
    should_retry: str
    given_wait: float | None
    wait: float | None

    @property
    def names(self) -> set[str]:
        """What it is called, as far as words are given for it."""
        return {name for name in (self.code, self.type) if name is not None}

    @property
    def detail(self) -> str:
        """For the log: the provider's code, but not its sentence, which may repeat the prompt."""
        named = f" {self.code}" if self.code is not None and _CODE.fullmatch(self.code) else ""
        return f"provider answered {self.status}{named}"

    def retry(self, usual: Retry) -> Retry:
        """What may mend it: the adapter knows best, then the provider, then the status.

        A provider that says no more than "do not retry" speaks for itself alone.
        """
        if self.decided is not None:
            return self.decided
        if self.should_retry == "true":
            return Retry.HERE
        if self.should_retry == "false" and usual is Retry.HERE:
            return Retry.ELSEWHERE
        return usual


def classify(
    status: int,
    headers: Mapping[str, str],
    error: Mapping[str, Any],
    *,
    retry: Retry | None = None,
    retry_after: float | None = None,
    now: float | None = None,
) -> UpstreamError:
    """The failure that a reply with this HTTP status and this ``error`` object stands for.

    ``error`` is the reply's error object (see ``error_object``), ``{}`` if it had none. A number in
    it between 400 and 599 says more than the HTTP status does, and an error inside it says more
    than itself. ``retry`` and ``retry_after`` (seconds) are what the adapter knows better; ``now``,
    in seconds since the epoch, is what dates in the reply are compared with.
    """
    errors = layers(error)[::-1]
    if retry_after is None:
        wait = hint(headers, error, time.time() if now is None else now)
    else:
        wait = retry_after = sensible(retry_after)
    failure = _Failure(
        status=_status_of(status, errors),
        errors=errors,
        message=error_text(error),
        type=_word(errors, "type"),
        code=_word(errors, "code"),
        param=_word(errors, "param"),
        decided=retry,
        should_retry=headers.get("x-should-retry", "").strip().lower(),
        given_wait=retry_after,
        wait=wait,
    )
    return next(read(failure) for applies, read in _READINGS if applies(failure))


def _status_of(status: int, errors: Sequence[Mapping[str, Any]]) -> int:
    """The status that counts; ``errors`` has the innermost first.

    An error that came with an HTTP status of its own need not be asked for its name, and a 4xx is
    believed: its sentence may well be about the status of a picture's URL.
    """
    numbers = (embedded_status(error) for error in errors)
    told = next((number for number in numbers if number is not None), status)
    if told in _CLIENT_ERRORS:
        return told
    named = errors[:-1] if told in _SERVER_ERRORS else errors
    names = (error.get(name) for error in named for name in ("code", "type", "status"))
    in_names = (words.STATUS_OF.get(name) for name in names if isinstance(name, str))
    in_text = (status_in_text(sentence(error)) for error in errors)
    return next(filter(None, (*in_names, *in_text)), told)


def _word(errors: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """The innermost string of this name; a status in digits is none, nor is a whole text."""
    values = (error.get(name) for error in errors)
    texts = (value for value in values if isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE)
    return next((redact(text) for text in texts if as_status(text) is None), None)


def _is_about_content(failure: _Failure) -> bool:
    if failure.names & words.CONTENT_POLICY_NAMES:
        return True
    if failure.status not in _CONTENT_POLICY_STATUSES:
        return False
    flagged = any(
        words.MODERATION_FIELDS & object_in(error, "metadata").keys() for error in failure.errors
    )
    return flagged or words.CONTENT_POLICY_WORDS.search(failure.message) is not None


def _refused_content(failure: _Failure) -> UpstreamError:
    """The same everywhere: who goes from provider to provider with it is shut out by them all."""
    filtered = words.CONTENT_FILTER in failure.names
    return UpstreamRejected(
        failure.message or "The provider refused the content of the request.",
        code=words.CONTENT_FILTER if filtered else words.CONTENT_POLICY,
        param=failure.param,
        retry=failure.decided or Retry.NEVER,
        retry_after=failure.given_wait,
        detail=failure.detail,
    )


def _is_too_long(failure: _Failure) -> bool:
    if failure.status in _AUTH or failure.status == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    if failure.names & words.CONTEXT_LENGTH_NAMES:
        return True
    return words.CONTEXT_LENGTH_WORDS.search(failure.message) is not None


def _too_long(failure: _Failure) -> UpstreamError:
    return UpstreamRejected(
        failure.message or "The request is longer than the model's context.",
        code=words.CONTEXT_LENGTH,
        param=failure.param,
        retry=failure.decided or Retry.ELSEWHERE,
        retry_after=failure.given_wait,
        detail=failure.detail,
    )


def _no_access(failure: _Failure) -> UpstreamError:
    return UpstreamAuthError(
        f"The provider refused the gateway's own credentials or account (status {failure.status}).",
        retry=failure.retry(Retry.ELSEWHERE),
        retry_after=failure.wait,
        detail=failure.detail,
    )


def _is_about_the_account(failure: _Failure) -> bool:
    return failure.status in _CLIENT_ERRORS and bool(failure.names & words.NO_ACCOUNT_NAMES)


def _is_about_the_model(failure: _Failure) -> bool:
    if failure.status != HTTPStatus.BAD_REQUEST:
        return False
    named = bool(failure.names & words.NO_MODEL_NAMES)
    return named or words.NO_MODEL_WORDS.search(failure.message) is not None


def _no_model(failure: _Failure) -> UpstreamError:
    """404, as others say it: another provider may have it."""
    return UpstreamRejected(
        failure.message or "The provider does not have this model.",
        status=HTTPStatus.NOT_FOUND,
        code=words.MODEL_NOT_FOUND,
        param=failure.param,
        retry=failure.decided or Retry.ELSEWHERE,
        retry_after=failure.given_wait,
        detail=failure.detail,
    )


def _is_above_the_limit(failure: _Failure) -> bool:
    """Whether a rate limit is below what this one request needs: then no wait mends it."""
    if failure.status != HTTPStatus.TOO_MANY_REQUESTS:
        return False
    numbers = words.LIMIT_AND_NEED.search(failure.message)
    above = numbers is not None and int(numbers[2]) > int(numbers[1])
    return above or words.TOO_LARGE_WORDS.search(failure.message) is not None


def _above_the_limit(failure: _Failure) -> UpstreamError:
    """413, as others say it: to wait would help neither the client nor the target."""
    return UpstreamRejected(
        failure.message,
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        type=failure.type,
        code=failure.code,
        retry=failure.decided or Retry.ELSEWHERE,
        retry_after=failure.given_wait,
        detail=failure.detail,
    )


def _limited(failure: _Failure) -> UpstreamError:
    """A limit of a day or more is not waited for, whenever it ends."""
    spent = next(iter(failure.names & words.NO_QUOTA), None)
    if spent or words.LONG_PERIOD.search(failure.message):
        retry = failure.decided or Retry.ELSEWHERE
    else:
        retry = failure.retry(Retry.HERE)
    return UpstreamRateLimited(
        failure.message or "The provider's rate limit is reached.",
        type=spent,
        code=spent,
        retry=retry,
        retry_after=failure.wait,
        detail=failure.detail,
    )


def _unavailable(failure: _Failure) -> UpstreamError:
    """Statuses that are not of HTTP become 503: no client knows them."""
    known = failure.status in _KNOWN and failure.status in _SERVER_ERRORS
    return UpstreamUnavailable(
        failure.message or f"The provider failed with status {failure.status}.",
        status=failure.status if known else None,
        retry=failure.retry(Retry.HERE),
        retry_after=failure.wait,
        detail=failure.detail,
    )


def _rejected(failure: _Failure) -> UpstreamError:
    """A wait is told only where the same request may pass after it."""
    usual = Retry.NEVER
    if failure.status in _TRANSIENT_4XX:
        usual = Retry.HERE
    elif failure.status in _ELSEWHERE_4XX:
        usual = Retry.ELSEWHERE
    retry = failure.retry(usual)
    missing = failure.status == HTTPStatus.NOT_FOUND and "model" in failure.message.lower()
    return UpstreamRejected(
        failure.message or f"The provider refused the request with status {failure.status}.",
        status=failure.status if failure.status in _KNOWN else None,
        type=failure.type,
        code=failure.code or (words.MODEL_NOT_FOUND if missing else None),
        param=failure.param,
        retry=retry,
        retry_after=failure.wait if retry is Retry.HERE else failure.given_wait,
        detail=failure.detail,
    )


def _no_answer(failure: _Failure) -> UpstreamError:
    return UpstreamInvalidResponse(
        failure.message
        or f"The provider answered with status {failure.status}, which is not an answer.",
        retry=failure.retry(Retry.HERE),
        retry_after=failure.wait,
        detail=failure.detail,
    )


_READINGS: tuple[tuple[Callable[[_Failure], bool], Callable[[_Failure], UpstreamError]], ...] = (
    (_is_about_content, _refused_content),
    (_is_too_long, _too_long),
    (_is_about_the_account, _no_access),
    (_is_about_the_model, _no_model),
    (_is_above_the_limit, _above_the_limit),
    (lambda failure: failure.status in _AUTH, _no_access),
    (lambda failure: failure.status == HTTPStatus.TOO_MANY_REQUESTS, _limited),
    (lambda failure: failure.status in _BUSY, _unavailable),
    (lambda failure: failure.status in _SERVER_ERRORS, _unavailable),
    (lambda failure: failure.status in _CLIENT_ERRORS, _rejected),
    (lambda _: True, _no_answer),
)
"""What is asked of a failure, in this order, and what it then is."""
