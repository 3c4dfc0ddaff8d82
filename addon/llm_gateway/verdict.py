"""What a client is told when no target gave an answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from itertools import chain

from llm_gateway.adapters.error_words import MODEL_NOT_FOUND
from llm_gateway.errors import (
    GatewayError,
    NoTargetError,
    RequestError,
    Retry,
    UpstreamError,
    UpstreamRecorded,
    UpstreamRejected,
    UpstreamTimeout,
    shown,
    waiting,
)
from llm_gateway.limits import ratelimit_headers
from llm_gateway.limits.gate import Reason, Refused
from llm_gateway.limits.quota import QuotaExceeded, Standing
from llm_gateway.trace import Trace

type Told = Callable[[str, Refused], NoTargetError]


def of_failures(
    failures: Sequence[UpstreamError], skips: Sequence[Refused], trace: Trace
) -> UpstreamError:
    """The last failure, which says on what way it came, and when to come again.

    ``failures`` are the latest of each target that was asked.
    """
    error = failures[-1]
    if isinstance(error, UpstreamRecorded):
        return error
    if isinstance(error, UpstreamRejected) and error.code == MODEL_NOT_FOUND:
        error.message = f"The model `{shown(trace.model or '')}` does not exist at its provider."
    _say_when(error, failures, skips)
    if len(trace.route) > 1:
        error.add(f"Tried: {trace.way}.")
    return error


def _passes(error: UpstreamError) -> bool:
    """Whether the same request may be answered later."""
    return error.retry is Retry.HERE or error.retry_after is not None


def of_time(
    deadline: float, failures: Sequence[UpstreamError], trace: Trace, *, clients: bool = False
) -> UpstreamTimeout:
    """The deadline came before an answer did, or would come before another try.

    ``clients``: it comes from how long the client says it waits.
    """
    whose = ", which is a little less than the client waits" if clients else ""
    message = f"No answer within the deadline of {deadline:g} s{whose}."
    if failures:
        message += f" The last failure: {failures[-1].message}"
    if trace.route:
        message += f" Tried: {trace.way}."
    return UpstreamTimeout(message, detail=failures[-1].detail if failures else "")


def of_skips(skips: Sequence[Refused], model: str, trace: Trace) -> GatewayError:
    """Nothing was asked: why the target that is free the soonest may not be."""
    soonest = min(skips, key=lambda skip: float("inf") if skip.wait is None else skip.wait)
    error = _TELL[soonest.reason](f"`{shown(model)}`", soonest)
    if len(skips) > 1:
        error.add(f"Passed over: {trace.way}.")
    return error


def of_allowance(client: str, exceeded: QuotaExceeded) -> RequestError:
    """The quota of a client's own token is spent. ``client`` is the token's name."""
    level = exceeded.level
    limit = f"{level.limit} {exceeded.unit} per {level.window}"
    if exceeded.retry_after is None:
        said = f"the request alone is more than {limit}."
    else:
        said = f"{limit}, of which {level.remaining} are left. {_again(exceeded.retry_after)}"
    return _of_token(
        f"Rate limit reached for token `{client}`: {said}",
        exceeded.unit,
        waiting(exceeded.retry_after),
        ratelimit_headers.headers(_standing(exceeded)),
    )


def of_place(client: str, places: int, wait: float) -> RequestError:
    """As many requests of a client's token are under way as may be."""
    at_a_time = "1 request" if places == 1 else f"{places} requests"
    return _of_token(
        f"Rate limit reached for token `{client}`: {at_a_time} at a time. Wait until one of them "
        "is answered.",
        "requests",
        waiting(wait),
    )


def of_rerouting(client: str, field: str) -> RequestError:
    """A client that may not ask for all models has named others for a provider to choose from."""
    return RequestError(
        400,
        f"Token `{client}` may ask for some models only, and by {field!r} a provider could take "
        "another one. Leave it out.",
        code="unsupported_parameter",
        param=field,
    )


def _of_token(message: str, unit: str, *headers: tuple[tuple[str, str], ...]) -> RequestError:
    every = tuple(chain.from_iterable(headers))
    return RequestError(429, message, type=unit, code="rate_limit_exceeded", headers=every)


def _say_when(
    error: UpstreamError, failures: Sequence[UpstreamError], skips: Sequence[Refused]
) -> None:
    """The soonest of all the times that providers and gates name; or that it is of no use."""
    waits = [*(each.retry_after for each in failures), *(skip.wait for skip in skips)]
    soonest = min((wait for wait in waits if wait is not None), default=None)
    mended_by_time = error.status >= HTTPStatus.TOO_MANY_REQUESTS
    if soonest is not None and mended_by_time:
        error.headers = waiting(soonest)
    elif all(each.retry is not Retry.HERE for each in failures) and (
        mended_by_time or error.retry is Retry.ELSEWHERE
    ):
        error.headers = (*error.headers, *waiting(None))


def _quota(model: str, refused: Refused) -> NoTargetError:
    exceeded = refused.exceeded
    if exceeded is None:
        raise ValueError("a quota was exceeded, but none is named")
    return NoTargetError(
        429,
        f"Rate limit reached for {model}: {_in_words(exceeded)}",
        type=exceeded.unit,
        code="rate_limit_exceeded",
        wait=refused.wait,
        headers=ratelimit_headers.headers(_standing(exceeded)),
    )


def _in_words(exceeded: QuotaExceeded) -> str:
    level = exceeded.level
    limit = f"{level.limit} {exceeded.unit} per {level.window} ({exceeded.key})"
    if exceeded.retry_after is None:
        return f"the request alone is more than the limit of {limit}."
    again = _again(exceeded.retry_after)
    return f"the limit is {limit}, of which {level.remaining} are left. {again}"


def _again(wait: float) -> str:
    return f"Try again in {_duration(math.ceil(wait))}."


def _duration(seconds: int) -> str:
    """``45 s``, ``13 h 1 min``: what a person wants to know of it."""
    if seconds < 2 * 60:
        return f"{seconds} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 2 * 60 else f"{minutes // 60} h {minutes % 60} min"


def _standing(exceeded: QuotaExceeded) -> Standing:
    if exceeded.unit == "tokens":
        return Standing(None, exceeded.level)
    return Standing(exceeded.level, None)


def _parked(model: str, refused: Refused) -> NoTargetError:
    wait = refused.wait or 0.0
    return NoTargetError(
        429,
        f"The provider of {model} is at its limit, or asked for a rest. {_again(wait)}",
        type="requests",
        code="rate_limit_exceeded",
        wait=wait,
    )


def _broken(model: str, refused: Refused) -> NoTargetError:
    cause = f" The last failure was: {refused.cause}." if refused.cause else ""
    return NoTargetError(
        503,
        f"No target of {model} is healthy: its latest calls failed, so it is left alone.{cause}",
        code="no_healthy_upstream",
        wait=refused.wait,
    )


def _queue_full(model: str, refused: Refused) -> NoTargetError:
    return NoTargetError(
        503,
        f"Too many requests wait for the provider of {model} already.",
        code="queue_full",
        wait=refused.wait,
    )


def _queue_timeout(model: str, refused: Refused) -> NoTargetError:
    return NoTargetError(
        503,
        f"The request waited too long for its turn at the provider of {model}.",
        code="queue_timeout",
        wait=refused.wait,
    )


_TELL: Mapping[Reason, Told] = {
    Reason.QUOTA: _quota,
    Reason.PARKED: _parked,
    Reason.BREAKER: _broken,
    Reason.QUEUE_FULL: _queue_full,
    Reason.QUEUE_TIMEOUT: _queue_timeout,
}
