"""How long a provider says to wait, in all the dialects it is said in.

Headers say it as seconds, milliseconds, dates and durations; bodies in a field of their details, in
their sentences, or in headers that they quote. :func:`hint` asks them, the most exact first.
"""

import email.utils
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_gateway.adapters.error_bodies import layers, sentence
from llm_gateway.adapters.translating import object_in, objects, text_in

LONGEST = 7 * 24 * 3600.0
"""Seconds. Above this a hint is rather a unit misread than a time to wait for."""

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-zµ]+)")
_WAIT = re.compile(
    r"\b(?:try again|retry|wait)(?: in| after| for)?(?: about| at least)? "
    r"((?:[0-9]+(?:\.[0-9]+)? ?[a-zµ]+(?:, | and | )?)+)"
)
_UNITS = {
    unit: seconds
    for seconds, units in (
        (1e-9, "ns"),
        (1e-6, "us µs"),
        (1e-3, "ms millisecond milliseconds"),
        (1.0, "s sec secs second seconds"),
        (60.0, "m min mins minute minutes"),
        (3600.0, "h hr hrs hour hours"),
        (86400.0, "d day days"),
    )
    for unit in units.split()
}
_RETRY_INFO = "google.rpc.RetryInfo"
_IN_MILLISECONDS = 1e11
"""From here on an instant is in milliseconds since the epoch: in seconds it is the year 5138."""
_SINCE_THE_EPOCH = 1e9
"""Below this a number is no instant, but a time to wait: as an instant it is before 2002."""


def hint(headers: Mapping[str, str], error: Mapping[str, Any], now: float) -> float | None:
    """The seconds to wait from ``now`` (seconds since the epoch) on, None if nothing says it.

    In this order: ``retry-after-ms``; ``retry-after``; the error's ``RetryInfo``; its sentences
    ("try again in 1m2.5s"); a rate limit's reset in the headers that it quotes; the reset of those
    limits in ``headers`` of which nothing remains. Errors inside errors are
    asked first. No time in the future, or one beyond ``LONGEST``, counts as nothing said.
    """
    return next((seconds for seconds in _said(headers, error, now) if seconds is not None), None)


def _said(
    headers: Mapping[str, str], error: Mapping[str, Any], now: float
) -> Iterator[float | None]:
    yield retry_after(headers, now)
    errors = layers(error)[::-1]
    yield from (_retry_info(each) for each in errors)
    yield from (_in_words(sentence(each)) for each in errors)
    quoted = (object_in(object_in(each, "metadata"), "headers") for each in errors)
    yield from (_reset(each, now, remaining="0") for each in quoted)
    yield _reset(headers, now, remaining="")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The hint in ``retry-after-ms`` or ``retry-after`` (RFC 9110 §10.2.3), in seconds."""
    named = _lower(headers)
    milliseconds = _number(named.get("retry-after-ms"))
    seconds = None if milliseconds is None else sensible(milliseconds / 1000)
    if seconds is not None:
        return seconds
    value = named.get("retry-after", "")
    seconds = _number(value)
    return sensible(seconds) if seconds is not None else _until(_http_date(value), now)


def until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """How long a limit rests of which the headers of a good answer say that nothing remains.

    In seconds from ``now`` (seconds since the epoch) on; None if something of each remains. Of a
    limit that is 0 nothing ever does, and yet there was an answer: it is none.
    """
    if not any("ratelimit" in name.lower() for name in headers):
        return None
    named = _lower(headers)
    void = {name for name, value in named.items() if "-limit" in name and _number(value) == 0}
    told = {k: v for k, v in named.items() if k.replace("-reset", "-limit") not in void}
    return _reset(told, now, remaining="")


def sensible(seconds: float) -> float | None:
    """``seconds`` if it is a time that can be waited for: above 0, up to ``LONGEST``."""
    return seconds if 0 < seconds <= LONGEST else None


def duration(text: str) -> float | None:
    """The seconds in a duration like ``34s``, ``200ms``, ``1h16m0.6s``; None if it is none.

    The form is protobuf's and Go's, without signs. The result is finite, and 0 or more: what is
    beyond any number is none.
    """
    seconds = _sum_of_parts(text) if _DURATION.fullmatch(text) else math.inf
    return seconds if math.isfinite(seconds) else None


def seconds_until_midnight(zone: str, now: float) -> float:
    """The seconds from ``now`` (seconds since the epoch) to the next midnight in this time zone.

    ``zone`` is a name of the IANA database. On a machine that does not have it, it is UTC's.
    """
    there = _zone(zone)
    tomorrow = datetime.fromtimestamp(now, there).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, there).timestamp() - now


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


def _retry_info(error: Mapping[str, Any]) -> float | None:
    for detail in objects(error.get("details")):
        if text_in(detail, "@type").endswith(_RETRY_INFO):
            seconds = duration(text_in(detail, "retryDelay"))
            return None if seconds is None else sensible(seconds)
    return None


def _in_words(text: str) -> float | None:
    """What a sentence asks for, "try again in 9m38.016s", "retry after 26 seconds"."""
    found = _WAIT.search(text.lower())
    return sensible(_sum_of_parts(found[1])) if found else None


def _sum_of_parts(text: str) -> float:
    parts = _PART.findall(text)
    return sum(float(number) * _UNITS.get(unit, 0.0) for number, unit in parts)


def _reset(headers: Mapping[str, Any], now: float, *, remaining: str) -> float | None:
    """When the last of the limits of which nothing remains begins anew, in seconds from now.

    ``remaining`` is how much remains of a limit of which nobody says it.
    """
    named = _lower(headers)
    waits = (
        _reset_value(value, now)
        for name, value in named.items()
        if "ratelimit" in name
        and "-reset" in name
        and _number(named.get(name.replace("-reset", "-remaining"), remaining)) == 0
    )
    return max((wait for wait in waits if wait is not None), default=None)


def _reset_value(value: str, now: float) -> float | None:
    """A duration, seconds, an instant in seconds or milliseconds, or a date of RFC 3339."""
    seconds = duration(value)
    if seconds is not None:
        return sensible(seconds)
    number = _number(value)
    if number is None:
        return _until(_internet_date(value), now)
    if number < _SINCE_THE_EPOCH:
        return sensible(number)
    return _until(number / 1000 if number >= _IN_MILLISECONDS else number, now)


def _until(instant: float | None, now: float) -> float | None:
    return None if instant is None else sensible(instant - now)


def _http_date(value: str) -> float | None:
    try:
        return _timestamp(email.utils.parsedate_to_datetime(value))
    except (ValueError, OverflowError):
        return None


def _internet_date(value: str) -> float | None:
    try:
        return _timestamp(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def _timestamp(date: datetime) -> float:
    """Without a zone it is UTC: the obsolete asctime form means GMT (RFC 9110 §5.6.7)."""
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _number(value: str | None) -> float | None:
    bare = (value or "").strip()
    return float(bare) if _NUMBER.fullmatch(bare) else None


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    """The headers by their names in lower case; those quoted in JSON may have numbers."""
    return {name.lower(): str(value) for name, value in headers.items()}
