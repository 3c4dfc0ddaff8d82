"""What a client's SDK says of itself, in the headers that OpenAI's SDKs send with each request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_COUNT = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Manner:
    """What a client's SDK says of itself.

    ``patience`` is after how many seconds it gives up; ``retries`` whether this is not its first
    try.
    """

    patience: float | None = None
    retries: bool = False


def manner_of(headers: Mapping[str, str]) -> Manner:
    """``x-stainless-read-timeout`` (seconds) and ``x-stainless-retry-count``; nonsense is nothing.

    ``headers`` compare without case.
    """
    timeout = headers.get("x-stainless-read-timeout", "")
    retries = headers.get("x-stainless-retry-count", "")
    seconds = float(timeout) if _SECONDS.fullmatch(timeout) else 0.0
    return Manner(
        patience=seconds or None, retries=bool(_COUNT.fullmatch(retries) and int(retries))
    )
