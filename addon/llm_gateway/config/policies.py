"""How providers and models are retried, left alone and slowed down: `retry`, `breaker`, `throttle`.

Each of these sections may stand in several places, and takes what it leaves out from the place
above: a model's from its provider's, that from the top level's, and that from the defaults.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, Reader, plain, scalar
from llm_gateway.config.nodes import ScalarNode
from llm_gateway.config.values import (
    BREAKER_MINUTE,
    BREAKER_NONE,
    BreakerPolicy,
    FallbackOn,
    RetryPolicy,
    ThrottlePolicy,
)

_BREAKERS = {"minute": BREAKER_MINUTE, "none": BREAKER_NONE}
"""Breakers that have a word for all of their numbers."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What holds where nothing nearer says otherwise."""

    retry: RetryPolicy
    breaker: BreakerPolicy
    throttle: ThrottlePolicy

    def readers(self) -> dict[str, Reader[Any]]:
        """Readers of the sections of the next place below."""
        return {
            "retry": partial(retry, self.retry),
            "breaker": partial(breaker, self.breaker),
            "throttle": partial(throttle, self.throttle),
        }


DEFAULTS = Policies(RetryPolicy(), BreakerPolicy(), ThrottlePolicy())


def nearest[T](place: Cursor | None, read: Callable[[T, Cursor], T], above: T) -> T:
    """What `read` makes of `place`; what holds above it if there is nothing, or nothing valid."""
    found = place.attempt(partial(read, above)) if place is not None else None
    return above if found is None else found


def retry(above: RetryPolicy, cursor: Cursor) -> RetryPolicy:
    """A `retry` section. `Invalid` if the longest wait would be shorter than the first."""
    values = cursor.fields(
        {
            "attempts": plain(scalars.integer_from(1)),
            "base": scalar(scalars.duration),
            "max": scalar(scalars.duration),
            "honour_retry_after": scalar(scalars.duration),
            "budget": plain(scalars.share()),
            "fallback_on": _fallback_on,
        }
    )
    policy = replace(above, **values)
    if policy.max < policy.base and _are_valid(("base", "max"), cursor, values):
        raise Invalid(f"max ({policy.max:g}s) is below base ({policy.base:g}s)")
    return policy


def breaker(above: BreakerPolicy, cursor: Cursor) -> BreakerPolicy:
    """A `breaker` section, or one of the words `minute` and `none`.

    A word replaces all that stands above. Its numbers make sense together only, so a mapping
    below it starts from the defaults. `Invalid` if the longest time open would be shorter than
    the first.
    """
    if isinstance(cursor.node, ScalarNode) and not cursor.node.is_null:
        word = cursor.text()
        if word not in _BREAKERS:
            raise cursor.expected(f"a mapping or one of the words {', '.join(_BREAKERS)}")
        return _BREAKERS[word]
    values = cursor.fields(
        {
            "failures": plain(scalars.integer_from(1)),
            "ratio": plain(scalars.share(zero=False)),
            "open": scalar(scalars.duration),
            "max_open": scalar(scalars.duration),
            "jitter": plain(scalars.share(one=False)),
        }
    )
    policy = replace(DEFAULTS.breaker if above in _BREAKERS.values() else above, **values)
    if policy.max_open < policy.open and _are_valid(("open", "max_open"), cursor, values):
        raise Invalid(f"max_open ({policy.max_open:g}s) is below open ({policy.open:g}s)")
    return policy


def throttle(above: ThrottlePolicy, cursor: Cursor) -> ThrottlePolicy:
    """A `throttle` section."""
    values = cursor.fields(
        {
            "min_interval": scalar(scalars.duration_or_zero),
            "max_concurrent": plain(scalars.integer_from(1)),
            "queue": plain(scalars.integer_from(0)),
            "queue_timeout": scalar(scalars.duration),
        }
    )
    return replace(above, **values)


def _fallback_on(cursor: Cursor) -> frozenset[FallbackOn]:
    items = cursor.items(f"a list of {', '.join(FallbackOn)}")
    read = scalar(scalars.member(FallbackOn))
    return frozenset(filter(None, (item.attempt(read) for item in items)))


def _are_valid(keys: tuple[str, str], cursor: Cursor, values: dict[str, Any]) -> bool:
    """Whether all of `keys` that are written have been read: if not, that has been told."""
    return cursor.entries().keys() & set(keys) <= values.keys()
