"""Who may come in: decided from a request's head, before its body is read.

The order is host, token, route, body headers, so that a caller without a token learns nothing of
what is behind. Tokens follow RFC 6750: one ``Authorization: Bearer`` field, the scheme without
regard to case; a token in the query is refused, because addresses end up in logs. Tokens are
compared as SHA-256 digests of bytes, in constant time and all of them.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from llm_gateway.api import routes
from llm_gateway.api.http import RequestHead
from llm_gateway.api.routes import Route
from llm_gateway.config.hosts import virtual_host
from llm_gateway.errors import RequestError
from llm_gateway.secret import Secret

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_MAX_PORT = 65535
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_MAX_TOKEN_BYTES = 4096
QUERY_TOKENS = {"access_token", "api_key", "api-key", "key"}
_REALM = 'Bearer realm="llm-gateway"'


class FrontDoor:
    """The checks that one configuration asks for."""

    def __init__(
        self, virtual_hosts: Iterable[str], tokens: Iterable[Secret], max_request_bytes: int
    ) -> None:
        self._virtual_hosts = frozenset(virtual_hosts)
        self._tokens = tuple(tokens)
        self._digests = tuple(_digest(token.reveal().encode()) for token in self._tokens)
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
        tokens = [token.reveal().encode() for token in self._tokens]
        return any(token in text for text in texts for token in tokens)

    def admit(self, head: RequestHead) -> Route:
        """The route of a request to one of our hosts. Raises RequestError: 400 to 415."""
        if not routes.is_open(head.path):
            self._authenticate(head)
        route = routes.find(head.method, head.path)
        if route.takes_body:
            self._check_body_headers(head)
        return route

    def too_large(self) -> RequestError:
        """What a request body above the limit is refused with (413)."""
        return RequestError(
            413,
            f"The request body is larger than the {self._max_request_bytes} bytes allowed.",
            code="request_too_large",
        )

    def _authenticate(self, head: RequestHead) -> None:
        names = {name.lower() for name, _ in parse_qsl(head.path.partition("?")[2])}
        if len(head.authorization) > 1 or names & QUERY_TOKENS:
            raise RequestError(
                400,
                "Send the API key in exactly one Authorization header and nowhere else.",
                headers=(("www-authenticate", f'{_REALM}, error="invalid_request"'),),
            )
        if not head.authorization or head.authorization[0][:6].lower() != b"bearer":
            raise RequestError(
                401,
                "You didn't provide an API key. Send it in an Authorization header using Bearer "
                "auth (Authorization: Bearer YOUR_KEY).",
                headers=(("www-authenticate", _REALM),),
            )
        match = _BEARER.fullmatch(head.authorization[0].strip(b" \t"))
        if match is None or not self._accepts(match[1]):
            raise RequestError(
                401,
                "Incorrect API key provided. This gateway takes its own tokens (AUTH_TOKEN), not a "
                "provider's key.",
                code="invalid_api_key",
                headers=(("www-authenticate", f'{_REALM}, error="invalid_token"'),),
            )

    def _accepts(self, token: bytes) -> bool:
        if len(token) > _MAX_TOKEN_BYTES:
            return False
        digest = _digest(token)
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches)

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


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _unsupported(message: str) -> RequestError:
    return RequestError(415, message, code="unsupported_media_type")
