"""The `gateway` section."""

import re
import warnings
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.bounds import bounds
from llm_gateway.config.clients import client_tokens, default_token, list_in, tokens_file
from llm_gateway.config.cursor import Cursor, itself, plain, scalar
from llm_gateway.config.hosts import virtual_host
from llm_gateway.config.values import Bounds, ClientToken, Gateway


def gateway(cursor: Cursor) -> Gateway:
    """The section's values; without the key `tokens`, the token is `AUTH_TOKEN` if it is set."""
    values = cursor.fields(
        {
            "virtual_hosts": _virtual_hosts,
            "tokens": itself,
            "tokens_file": tokens_file,
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
    values["tokens"] = _clients(cursor, values)
    return Gateway(**values)


def _virtual_hosts(cursor: Cursor) -> tuple[str, ...]:
    items = cursor.items("a list of hosts")
    if not items:
        raise cursor.expected("a list of at least one host")
    hosts = (item.attempt(scalar(virtual_host)) for item in items)
    return tuple(dict.fromkeys(host for host in hosts if host is not None))


def _clients(section: Cursor, values: dict[str, Any]) -> tuple[ClientToken, ...]:
    concurrent = values.get("bounds", Bounds()).concurrent
    file, lists = values.get("tokens_file"), []
    if "tokens" in values:
        lists.append(values["tokens"])
    if file is not None:
        found = list_in(file, section.entries()["tokens_file"])
        lists += [] if found is None else [found]
    if not {"tokens", "tokens_file"} & section.entries().keys():
        return default_token(section, concurrent)
    return client_tokens(lists, concurrent)


def _patterns(cursor: Cursor) -> tuple[re.Pattern[str], ...]:
    items = cursor.items("a list of regular expressions")
    found = (item.attempt(_pattern) for item in items)
    return tuple(pattern for pattern in found if pattern is not None)


def _pattern(cursor: Cursor) -> re.Pattern[str]:
    # Of a pattern that it still has from an earlier configuration, re would say nothing.
    re.purge()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pattern = cursor.parse(_compiled)
    for each in told:
        cursor.report.warnings.append(
            f"{cursor.path} may mean something else to a later Python: {each.message}"
        )
    return pattern


def _compiled(text: str) -> re.Pattern[str]:
    """Python's regular expressions (docs.python.org/3/library/re)."""
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    if pattern.search(""):
        raise ValueError("a regular expression that does not match the empty text")
    return pattern
