"""The `gateway` section."""

import re

from llm_gateway.config import scalars
from llm_gateway.config.bounds import bounds
from llm_gateway.config.cursor import Cursor, Invalid, plain, scalar
from llm_gateway.config.hosts import virtual_host
from llm_gateway.config.nodes import ScalarNode
from llm_gateway.config.values import Gateway
from llm_gateway.secret import Secret

DEFAULT_REFERENCE = "${AUTH_TOKEN}"
SHORT_TOKEN = 16


def gateway(cursor: Cursor) -> Gateway:
    """The section's values; without the key `tokens`, the token is `AUTH_TOKEN` if it is set."""
    values = cursor.fields(
        {
            "virtual_hosts": _virtual_hosts,
            "tokens": _tokens,
            "passthrough": plain(scalars.boolean),
            "deadline": scalar(scalars.duration),
            "max_attempts": plain(scalars.integer_from(1)),
            "keepalive": scalar(scalars.duration),
            "drain": scalar(scalars.duration),
            "max_request_bytes": scalar(scalars.size_in_bytes),
            "mask": _patterns,
            "bounds": bounds,
        }
    )
    if "tokens" not in cursor.entries():
        values["tokens"] = _default_tokens(cursor)
    return Gateway(**values)


def _virtual_hosts(cursor: Cursor) -> tuple[str, ...]:
    items = cursor.items("a list of hosts")
    if not items:
        raise cursor.expected("a list of at least one host")
    hosts = (item.attempt(scalar(virtual_host)) for item in items)
    return tuple(dict.fromkeys(host for host in hosts if host is not None))


def _tokens(cursor: Cursor) -> tuple[Secret, ...]:
    tokens: dict[Secret, Cursor] = {}
    for item in cursor.items("a list of tokens"):
        token = item.attempt(_token)
        if token is None:
            continue
        if token in tokens:
            item.problem(f"the same token as {tokens[token].path}")
        tokens.setdefault(token, item)
    return tuple(tokens)


def _patterns(cursor: Cursor) -> tuple[re.Pattern[str], ...]:
    items = cursor.items("a list of regular expressions")
    found = (item.attempt(scalar(_pattern)) for item in items)
    return tuple(pattern for pattern in found if pattern is not None)


def _pattern(text: str) -> re.Pattern[str]:
    """Python's regular expressions (docs.python.org/3/library/re)."""
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    if pattern.search(""):
        raise ValueError("a regular expression that does not match the empty text")
    return pattern


def _default_tokens(cursor: Cursor) -> tuple[Secret, ...]:
    place = cursor.default("tokens", ScalarNode(0, DEFAULT_REFERENCE, plain=False))
    if place.expansion().unset:
        return ()
    token = place.attempt(_token)
    return () if token is None else (token,)


def _token(cursor: Cursor) -> Secret | None:
    """A bearer token, RFC 6750 §2.1; None, with a warning, if its variable is not set."""
    expansion = cursor.expansion()
    warnings = cursor.report.warnings
    if expansion.unset:
        warnings.append(f"{cursor.path} is skipped: {', '.join(expansion.unset)}")
        return None
    if not scalars.is_bearer_token(expansion.text):
        origin = f" in {', '.join(expansion.names)}" if expansion.names else ""
        raise Invalid(
            f"expected a token{origin} of letters, digits and ._~+/- that may end in = (RFC 6750)"
        )
    if len(expansion.text) < SHORT_TOKEN:
        warnings.append(
            f"{cursor.path} is shorter than {SHORT_TOKEN} characters and may be guessed"
        )
    return Secret(expansion.text)
