"""Every failure the gateway can answer with, and what each means to retry, log and client.

::

    GatewayError                    a status, OpenAI's four error keys, headers
    ├── RequestError                the client's request is at fault; found by us (4xx)
    ├── InternalError               a bug of ours (500)
    ├── GatewayShutdown             the gateway stops (503)
    ├── NoTargetError               nobody may be asked now: quota, breaker, queue (429, 503)
    └── UpstreamError               a provider failed; carries the decision: retry here,
        │                           go elsewhere, or give up
        ├── UpstreamConnectionError no connection, or it broke (502)
        ├── UpstreamTimeout         connected, but too slow (504)
        ├── UpstreamAuthError       the provider refused *our* key (502, never 401)
        ├── UpstreamRateLimited     429, with the provider's hint when there is one
        ├── UpstreamRejected        the provider refused the request itself (its own 4xx)
        ├── UpstreamUnsupported     the provider cannot do what was asked; nothing was sent (400)
        ├── UpstreamUnavailable     the provider's own 5xx, passed with its status
        ├── UpstreamRecorded        a failure from a recording, as it was told then
        └── UpstreamInvalidResponse 2xx, but not an answer (502)

``message`` is what the client may read; ``detail`` is for the log only. Neither ever holds a
secret. The body is OpenAI's error object: ``{"error": {"message", "type", "param", "code"}}``.
"""

import enum
import math
from collections.abc import Callable
from typing import ClassVar, Self

import orjson

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"

_SHOWN = 64


class Retry(enum.Enum):
    """What may mend an upstream failure."""

    HERE = "here"
    """The same target may well answer next time."""
    ELSEWHERE = "elsewhere"
    """Only another target can."""
    NEVER = "never"
    """The request itself is at fault."""


class GatewayError(Exception):
    """A failure with an HTTP answer. ``type``, ``code`` and ``param`` are OpenAI's error keys."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers
        self.detail = detail

    def add(self, sentence: str) -> None:
        """Say more in the message."""
        end = "" if self.message.endswith((".", "!", "?")) else "."
        self.message = f"{self.message}{end} {sentence}"

    def hide(self, hide: Callable[[str], str]) -> None:
        """Take out of all texts what ``hide`` takes out of one."""
        self.message = hide(self.message)
        self.type = hide(self.type)
        self.code = self.code and hide(self.code)
        self.param = self.param and hide(self.param)
        self.detail = self.detail and hide(self.detail)
        self.headers = tuple((name, hide(value)) for name, value in self.headers)

    def body(self) -> bytes:
        """The OpenAI error body as JSON bytes, all four keys present."""
        return orjson.dumps(
            {
                "error": {
                    "message": self.message,
                    "type": self.type,
                    "param": self.param,
                    "code": self.code,
                }
            }
        )


class RequestError(GatewayError):
    """The client's request is at fault; nothing was sent to a provider."""


class InternalError(GatewayError):
    """A bug of ours. The message says nothing of its cause; the log does."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            500,
            "The gateway failed to handle the request. This is a bug in the gateway; "
            "its log has the details.",
            type=SERVER_ERROR,
            code="internal_error",
            detail=detail,
        )


class GatewayShutdown(GatewayError):
    """The gateway stops; another one, or this one started again, may well answer."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "The gateway is shutting down.",
            type=SERVER_ERROR,
            code="gateway_shutdown",
            headers=waiting(1.0),
        )


class NoTargetError(GatewayError):
    """No target of the model may be asked now; nothing was sent. ``wait``: until one may, seconds.

    None is never: the request alone is more than a limit allows.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = SERVER_ERROR,
        code: str,
        wait: float | None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(status, message, type=type, code=code, headers=(*waiting(wait), *headers))
        self.wait = wait


def waiting(wait: float | None) -> tuple[tuple[str, str], ...]:
    """The headers that tell a client how long to wait, in seconds; None: that it need not try.

    ``retry-after`` (RFC 9110 §10.2.3) counts whole seconds; ``retry-after-ms`` and
    ``x-should-retry`` are understood by OpenAI's SDKs.
    """
    if wait is None:
        return (("x-should-retry", "false"),)
    return (
        ("retry-after", str(max(1, math.ceil(wait)))),
        ("retry-after-ms", str(max(1, math.ceil(wait * 1000)))),
    )


class UpstreamError(GatewayError):
    """A provider failed. ``retry_after`` is its own hint in seconds, if it gave one.

    ``sent`` is False where the request never left. ``resent``: that was its second try; the first
    one did leave.
    """

    default_status: ClassVar[int] = 502
    default_code: ClassVar[str] = "upstream_error"
    default_type: ClassVar[str] = SERVER_ERROR
    default_retry: ClassVar[Retry] = Retry.HERE
    sent: bool = True
    resent: bool = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry: Retry | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        headers = () if retry_after is None else waiting(retry_after)
        super().__init__(
            status or self.default_status,
            message,
            type=type or self.default_type,
            code=code or self.default_code,
            param=param,
            headers=headers,
            detail=detail,
        )
        self.retry = retry or self.default_retry
        self.retry_after = retry_after

    @property
    def counts(self) -> bool:
        """Whether the provider may have counted the request."""
        return self.sent or self.resent

    def unsent(self) -> Self:
        """The same failure, of a request that never left."""
        self.sent = False
        return self


class UpstreamConnectionError(UpstreamError):
    """No connection to the provider, or it broke before the answer was complete."""

    default_code = "upstream_connection_error"


class UpstreamTimeout(UpstreamError):
    """The provider was reached but did not answer in time."""

    default_status = 504
    default_code = "upstream_timeout"


class UpstreamAuthError(UpstreamError):
    """The provider refused the gateway's key, or its account has no access or no money.

    Never a 401: the client's own token is fine.
    """

    default_code = "upstream_auth_error"
    default_retry = Retry.ELSEWHERE


class UpstreamRateLimited(UpstreamError):
    """The provider is out of quota for us."""

    default_status = 429
    default_type = "requests"
    default_code = "rate_limit_exceeded"


class UpstreamRejected(UpstreamError):
    """The provider refused the request itself; its own sentence is passed on."""

    default_status = 400
    default_type = INVALID_REQUEST
    default_code = "upstream_rejected"
    default_retry = Retry.NEVER


class UpstreamUnsupported(UpstreamError):
    """The provider's API has no way to say what the request asks for; found before sending."""

    default_status = 400
    default_type = INVALID_REQUEST
    default_code = "unsupported_parameter"
    default_retry = Retry.ELSEWHERE
    sent = False


class UpstreamUnavailable(UpstreamError):
    """The provider's own server error, passed on with its status."""

    default_status = 503
    default_code = "upstream_unavailable"


class UpstreamInvalidResponse(UpstreamError):
    """A success status without an answer in it: HTML, broken JSON, an empty stream."""

    default_code = "upstream_invalid_response"


class UpstreamRecorded(UpstreamError):
    """A failure from a recording: the client is told exactly what it was told then."""

    default_retry = Retry.NEVER

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str,
        code: str | None,
        param: str | None,
        headers: tuple[tuple[str, str], ...] = (),
        detail: str = "",
    ) -> None:
        super().__init__(message, status=status, type=type, param=param, detail=detail)
        self.code = code
        self.headers = headers


def shown(text: str) -> str:
    """A client's string made fit for a message or a log line: short, and printable throughout."""
    if len(text) <= _SHOWN and text.isprintable() and "`" not in text:
        return text
    printable = "".join(c if c.isprintable() and c != "`" else "?" for c in text[:_SHOWN])
    return printable if len(text) <= _SHOWN else printable + "…"
