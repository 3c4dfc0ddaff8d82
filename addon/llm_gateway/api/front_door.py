"""Who may come in: decided from a request's head, before its body is read.

The order is host, token, route, body headers, so that a caller without a token learns nothing of
what is behind. Tokens follow RFC 6750: one ``Authorization: Bearer`` field, the scheme without
regard to case; a token in the query is refused, because addresses end up in logs. Tokens are
compared by :class:`~llm_gateway.api.identity.Identity`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from llm_gateway.api import routes
from llm_gateway.api.http import RequestHead
from llm_gateway.api.identity import Identity
from llm_gateway.api.routes import Route
from llm_gateway.config import ClientToken
from llm_gateway.config.hosts import virtual_host
from llm_gateway.errors import RequestError

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_MAX_PORT = 65535
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_MAX_TOKEN_BYTES = 4096
QUERY_TOKENS = {"access_token", "api_key", "api-key", "key"}
_REALM = 'Bearer realm="llm-gateway"'


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that is let in: its route, and whose token it came with.

    ``client`` is None where the route needs none, or the operator asks.
    """

    route: Route
    client: ClientToken | None = None


class FrontDoor:
    """The checks that one configuration asks for."""

    def __init__(
        self, virtual_hosts: Iterable[str], identity: Identity, max_request_bytes: int
    ) -> None:
        self._virtual_hosts = frozenset(virtual_hosts)
        self._identity = identity
        self._max_request_bytes = max_request_bytes

    def is_ours(self, head: RequestHead) -> bool:
        """Whether the request names one of the virtual hosts.

        Raises RequestError (400) unless it names exactly one host, and a well-formed one.
        """
        if len(head.hosts) != 1:
            raise RequestError(400, "The request must name exactly one host.")
        match = _HOST.fullmatch(head.hosts[0])
        if match is None or int(match[2] or 0) > _MAX_PORT:
            raise RequestError(400, "The request's Host is not a host name with an optional port.")
        return self.answers_for(match[1])

    def name_of(self, head: RequestHead) -> str:
        """The virtual host that a request to us names, in the configuration's spelling."""
        match = _HOST.fullmatch(head.hosts[0]) if head.hosts else None
        return self._canonical(match[1]) if match else ""

    def answers_for(self, host: str) -> bool:
        """Whether a host, in whatever spelling, is one of the virtual hosts."""
        try:
            return self._canonical(host) in self._virtual_hosts
        except ValueError:
            return False

    def _canonical(self, host: str) -> str:
        """The one spelling of a host. Raises ValueError if it is none."""
        # Mostly it is spelled so already, and parsing costs more than looking.
        return host if host in self._virtual_hosts else virtual_host(host)

    def finds_token_in(self, texts: Iterable[bytes]) -> bool:
        """Whether a token of the gateway's own stands anywhere in these."""
        return self._identity.is_in(texts)

    def admit(self, head: RequestHead) -> Admission:
        """Where a request to one of our hosts goes. Raises RequestError: 400 to 417."""
        client = None if routes.is_open(head.path) else self._authenticate(head)
        route = routes.find(head.method, head.path)
        _check_expectation(head.expect)
        if route.takes_body:
            self._check_body_headers(head)
        return Admission(route, client)

    def too_large(self) -> RequestError:
        """What a request body above the limit is refused with (413)."""
        return RequestError(
            413,
            f"The request body is larger than the {self._max_request_bytes} bytes allowed "
            "(gateway.max_request_bytes).",
            code="request_too_large",
        )

    def _authenticate(self, head: RequestHead) -> ClientToken:
        names = {name.lower() for name, _ in parse_qsl(head.path.partition("?")[2])}
        if len(head.authorization) > 1 or names & QUERY_TOKENS:
            raise RequestError(
                400,
                "Send the API key in exactly one Authorization header and nowhere else.",
                code="invalid_request",
                headers=_challenge("invalid_request", "Send one token in one Authorization field"),
            )
        if not head.authorization or head.authorization[0][:6].lower() != b"bearer":
            raise RequestError(
                401,
                "You didn't provide an API key. Send it in an Authorization header using Bearer "
                "auth (Authorization: Bearer YOUR_KEY).",
                headers=(("www-authenticate", _REALM),),
            )
        match = _BEARER.fullmatch(head.authorization[0].strip(b" \t"))
        client = None if match is None else self._client(match[1])
        if client is None:
            raise RequestError(
                401,
                "Incorrect API key provided. This gateway takes its own tokens (AUTH_TOKEN, or "
                "gateway.tokens in its configuration), not a provider's key.",
                code="invalid_api_key",
                headers=_challenge("invalid_token", "The access token is invalid"),
            )
        return client

    def _client(self, token: bytes) -> ClientToken | None:
        return None if len(token) > _MAX_TOKEN_BYTES else self._identity.of(token)

    def _check_body_headers(self, head: RequestHead) -> None:
        if head.content_encoding not in {None, "", "identity"}:
            raise _unsupported("Send the request body without a Content-Encoding.")
        content_type, _, parameters = (head.content_type or "application/json").partition(";")
        if content_type.strip().lower() != "application/json":
            raise _unsupported("Send the request body with Content-Type: application/json.")
        charset = re.search(r'charset\s*=\s*"?([^\s";]+)', parameters, re.IGNORECASE)
        if charset is not None and charset[1].lower() not in {"utf-8", "utf8"}:
            raise _unsupported("Send the request body as JSON in UTF-8.")
        if (head.content_length or 0) > self._max_request_bytes:
            raise self.too_large()


def _challenge(error: str, description: str) -> tuple[tuple[str, str], ...]:
    """What a refused token is told; whoever showed none learns nothing (RFC 6750 §3)."""
    value = f'{_REALM}, error="{error}", error_description="{description}"'
    return (("www-authenticate", value),)


def _check_expectation(expect: str | None) -> None:
    """Raises RequestError (417) for anything but the one that there is (RFC 9110 §10.1.1)."""
    if expect is not None and expect.lower() != "100-continue":
        raise RequestError(
            417, "The gateway meets no Expect but 100-continue.", code="expectation_failed"
        )


def _unsupported(message: str) -> RequestError:
    return RequestError(415, message, code="unsupported_media_type")
