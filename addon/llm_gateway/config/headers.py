"""Request headers of a provider's that the configuration adds, such as an attribution."""

import re
from collections.abc import Collection

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(
    # An author is none, authorization is.
    r"auth(?!or(?!i[sz]))|cookie|credential|jwt|passw|secret|token|(^|[-_])key$|api[-_]?key",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(?:basic|bearer) ", re.IGNORECASE)
_CREDENTIAL = "headers are shown in flows; a credential belongs into a key of its own"
_OURS = {
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def headers(own: Collection[str], cursor: Cursor) -> tuple[tuple[str, str], ...]:
    """The header fields (RFC 9110 §5), names in lower case. `own` are the names of credentials.

    They are shown in flows, so nothing that looks like a credential may be among them.
    """
    found: dict[str, str] = {}
    for name, place in cursor.entries().items():
        value = place.attempt(_value)
        problem = _wrong_with(name, own)
        if problem:
            place.problem(problem)
        elif name.lower() in found:
            place.problem("the same header twice")
        elif value is not None:
            found[name.lower()] = value
    return tuple(found.items())


def _wrong_with(name: str, own: Collection[str]) -> str:
    if not _NAME.fullmatch(name):
        return "expected the name of a header field (RFC 9110 §5.1)"
    if name.lower() in own or _SECRET.search(name):
        return _CREDENTIAL
    return "is set by the gateway itself" if name.lower() in _OURS else ""


def _value(cursor: Cursor) -> str:
    text = cursor.text()
    if not scalars.is_header_value(text):
        raise Invalid("expected printable ASCII characters without spaces around them")
    if _SECRET_VALUE.match(text):
        raise Invalid(_CREDENTIAL)
    return text
