"""Error replies as providers send them, and the errors they stand for."""

import json
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.adapters.failures import classify, error_object
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

NOW = 1_763_700_000.0
"""2025-11-21 04:40:00 UTC, when the replies came."""

HERE, ELSEWHERE, NEVER = Retry.HERE, Retry.ELSEWHERE, Retry.NEVER
LIMITED, REJECTED, BROKEN = UpstreamRateLimited, UpstreamRejected, UpstreamUnavailable
INVALID = UpstreamInvalidResponse

CANARIES = ("canary", "org_01kjh7p9", "org-AbCd", "user_30vF", "Chutes", "Kluster")
"""Parts of keys, of ids and of names in the bodies that no client may see."""


@dataclass(frozen=True)
class Reply:
    """A reply, and the error it stands for.

    Without a ``message`` the client gets a sentence of the reply word for word.
    """

    name: str
    status: int
    body: Any
    kind: type[UpstreamError]
    retry: Retry
    client_status: int
    code: str
    message: str | None = None
    wait: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


def no_access(name: str, status: int, body: Any) -> Reply:
    """A reply that refuses the gateway's key; the client sees none of its words."""
    message = f"The provider refused the gateway's own credentials or account (status {status})."
    return Reply(
        name, status, body, UpstreamAuthError, ELSEWHERE, 502, "upstream_auth_error", message
    )


def classified(reply: Reply) -> UpstreamError:
    """What the shared code makes of a reply."""
    body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
    return classify(reply.status, reply.headers, error_object(body.encode()), now=NOW)


def strings(value: Any) -> list[str]:
    """Every string in a body."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [text for each in inner for text in strings(each)]
    return [value] if isinstance(value, str) else []
