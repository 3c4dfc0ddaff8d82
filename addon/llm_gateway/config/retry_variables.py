"""The variables `RETRY_*`: what the top-level `retry` section says where the file does not.

They are those of https://github.com/guyinwonder168/ai-proxy, so that its `.env` goes on to work.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, scalar
from llm_gateway.config.nodes import ScalarNode
from llm_gateway.config.policies import DEFAULTS, retry
from llm_gateway.config.values import RetryPolicy

JITTER = "RETRY_JITTER"


def retry_with_variables(cursor: Cursor) -> RetryPolicy:
    """The top-level `retry` section at `cursor`, which may be absent.

    An empty variable counts as not set. A warning if there is one that has no meaning.
    """
    values = _from_variables(cursor)
    if cursor.report.environment.get(JITTER):
        cursor.report.warnings.append(
            f"{JITTER} has no meaning here: each wait is a random part of its full length"
        )
    try:
        return retry(replace(DEFAULTS.retry, **values), cursor)
    except Invalid as invalid:
        waits = " and ".join(VARIABLES[key][0] for key in values if key != "attempts")
        raise Invalid(f"{invalid}, see {waits}" if waits else str(invalid)) from None


def _from_variables(cursor: Cursor) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, (variable, parse) in VARIABLES.items():
        place = cursor.default(key, ScalarNode(0, f"${{{variable}}}", plain=False))
        if key in cursor.entries() or place.expansion().unset:
            continue
        value = place.attempt(scalar(parse))
        if value is not None:
            values[key] = value
    return values


def _attempts(text: str) -> int:
    return scalars.integer_from(0)(text) + 1


VARIABLES: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "attempts": ("RETRY_MAX_RETRIES", _attempts),
    "base": ("RETRY_BASE_DELAY", scalars.duration),
    "max": ("RETRY_MAX_DELAY", scalars.duration),
}
"""By key: the variable, and how it is read."""
