"""Texts to values. A `ValueError` of theirs says what was expected, never what was found."""

import enum
import re
import ssl
import zoneinfo
from collections.abc import Callable, Collection
from pathlib import Path

from llm_gateway.config.values import Size

MAX_DURATION = 7 * 24 * 3600.0

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(f"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _SECONDS))
# 15 digits keep every number within what a float, and Python's str-to-int limit, can take.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_BYTES = re.compile(r"([1-9][0-9]{0,14}) ?(B|[KMG]i?B)?")
_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_BOOLEANS = {"true": True, "True": True, "TRUE": True} | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_MODEL = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CLIENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@+-]{0,38}[A-Za-z0-9._@+-])?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SCOPE = re.compile(r"[!#-\[\]-~]{1,64}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def duration(text: str) -> float:
    """Seconds in `500ms`, `0.5s`, `10m`, `1h30m` or a plain number of seconds.

    More than 0 and at most `MAX_DURATION`; the units stand in falling order, each once.
    """
    seconds = _seconds(text)
    if not 0 < seconds <= MAX_DURATION:
        raise ValueError("a duration of more than 0 and at most 168h")
    return seconds


def duration_or_zero(text: str) -> float:
    """Seconds as `duration` reads them, or 0."""
    seconds = _seconds(text)
    if seconds > MAX_DURATION:
        raise ValueError("a duration of at most 168h")
    return seconds


def _seconds(text: str) -> float:
    if re.fullmatch(_NUMBER, text):
        return float(text)
    if text and (match := _DURATION.fullmatch(text)):
        return sum(float(n) * _SECONDS[unit] for unit, n in match.groupdict("0").items())
    raise ValueError("a duration such as 500ms, 30s, 10m or 1h30m")


def size_in_bytes(text: str) -> int:
    """Bytes in `33554432`, `32MiB`, `512KiB` (powers of 1024) or `1MB` (powers of 1000)."""
    match = _BYTES.fullmatch(text)
    if match is None:
        raise ValueError("a positive number of bytes such as 33554432, 32MiB, 512KiB or 1MB")
    return int(match[1]) * _UNITS[match[2] or "B"]


def integer(text: str) -> int:
    """A decimal integer of up to 15 digits, without leading zeros (octal in YAML 1.1)."""
    if not _INTEGER.fullmatch(text):
        raise ValueError("an integer")
    return int(text)


def integer_from(least: int) -> Callable[[str], int]:
    """A reader of integers not less than `least`."""

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text) or (value := int(text)) < least:
            raise ValueError(f"an integer of at least {least}")
        return value

    return read


def share(*, zero: bool = True, one: bool = True) -> Callable[[str], float]:
    """A reader of decimal numbers from 0 to 1; `zero` and `one` say whether these may be it."""
    least = "of at least 0" if zero else "above 0"
    most = "at most 1" if one else "below 1"

    def read(text: str) -> float:
        value = float(text) if re.fullmatch(_NUMBER, text) else -1.0
        if 0 < value < 1 or (zero and value == 0) or (one and value == 1):
            return value
        raise ValueError(f"a number {least} and {most}")

    return read


def boolean(text: str) -> bool:
    """`true` or `false`; the `yes`, `no`, `on` and `off` of YAML 1.1 are refused."""
    if text not in _BOOLEANS:
        raise ValueError("true or false")
    return _BOOLEANS[text]


def choice(options: Collection[str]) -> Callable[[str], str]:
    """A reader of one of `options`."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(f"one of: {', '.join(options)}")
        return text

    return read


def member[E: enum.StrEnum](options: type[E]) -> Callable[[str], E]:
    """A reader of one of the words that `options` lists."""
    read = choice(options)
    return lambda text: options(read(text))


def size_class(text: str) -> Size:
    """`SMALL` or `BIG`."""
    if text not in set(Size):
        raise ValueError("SMALL or BIG")
    return Size(text)


def upstream_model(text: str) -> str:
    """A model as the provider names it: 1 to 200 characters that are safe in a URL's path."""
    if not _MODEL.fullmatch(text):
        raise ValueError(
            "a model name of 1 to 200 letters, digits and ._:/@+- that starts with a letter, "
            "a digit or @"
        )
    if ".." in text.split("/"):
        raise ValueError("a model name without '..' between slashes")
    return text


def model_name(text: str) -> str:
    """A model as clients name it: as `upstream_model`, and not the name of a size class."""
    if text in set(Size):
        raise ValueError("a model name other than SMALL and BIG, which name the size classes")
    return upstream_model(text)


def provider_name(text: str) -> str:
    """A provider's name: lower-case letters, digits, `_` and `-`."""
    if not _PROVIDER.fullmatch(text):
        raise ValueError(
            "a provider name of lower-case letters, digits, _ and - that starts with a letter "
            "or a digit"
        )
    return text


def client_name(text: str) -> str:
    """A client's name: one line in the log, and no more."""
    if not _CLIENT.fullmatch(text):
        raise ValueError(
            "a name of 1 to 40 letters, digits, spaces and ._@+- that starts with a letter or a "
            "digit"
        )
    return text


def identifier(text: str) -> str:
    """An account's or a gateway's id: safe as a segment of a URL's path."""
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("1 to 64 letters, digits, _ and - that start with a letter or a digit")
    return text


def scope(text: str) -> str:
    """An OAuth scope token (RFC 6749 §3.3)."""
    if not _SCOPE.fullmatch(text):
        raise ValueError("a scope of 1 to 64 printable ASCII characters without spaces")
    return text


def request_field(text: str) -> str:
    """The name of a field of requests that may be left out."""
    if not _FIELD.fullmatch(text) or text in {"model", "messages", "prompt", "stream"}:
        raise ValueError("a field of requests such as temperature, but not a required one")
    return text


def time_zone(text: str) -> str:
    """The name of a time zone in the IANA database."""
    try:
        return zoneinfo.ZoneInfo(text).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("an IANA time zone such as UTC or America/Los_Angeles") from None


def certificates(path: Path) -> Path:
    """The path itself, if there is a file with certificates in PEM."""
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise ValueError("a file with certificates in PEM") from None
    return path.absolute()


def is_bearer_token(text: str) -> bool:
    """Whether `text` is a b64token of RFC 6750 §2.1."""
    return _TOKEN.fullmatch(text) is not None


def is_header_value(text: str) -> bool:
    """Whether `text` is printable ASCII with no space at its ends (RFC 9110 §5.5)."""
    return _HEADER_VALUE.fullmatch(text) is not None
