"""The way out: one pooled aiohttp session per provider.

A :class:`Wire` sends one request and gives back a response whose body is read piece by piece.
:class:`HttpWire` is the real one. It verifies TLS, follows no redirect (a redirect would carry the
key to another host), keeps no cookies, and puts the provider's key on at the last moment, so that
no layer above it ever holds a request with a key in it. Above it stands the key's
masked form in its place; a request where somebody took that out or put another key in is sent as
it is, and one that was pointed at another host travels without the key.

Timeouts for the first event and between events belong to the caller, who knows what an event is;
here only connecting is bounded.
"""

import asyncio
import re
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, override

import aiohttp
import certifi
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from llm_gateway import __version__
from llm_gateway.config import Http, Provider
from llm_gateway.errors import (
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from llm_gateway.keymask import KeyMask
from llm_gateway.patience import Patience
from llm_gateway.secret import Secret

DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 0.5
"""How much of a finished answer's tail is read so that its connection can be used again."""

MIN_MASKED_KEY = 12
"""Shorter keys are no secrets (local servers take ``EMPTY`` or ``ollama``) but words of answers."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""A whole reply above this is refused; pictures in base64 stay far below."""

EVENT_STREAM = "text/event-stream"
KEY_HEADER = "authorization"
_USERINFO = re.compile(r"//[^/@\s]+@")
_PLACEHOLDER = re.compile(r"Bearer \*\*\*[0-9a-f]{8}")
STANDARD_HEADERS = (
    ("user-agent", f"llm-gateway/{__version__}"),
    ("accept-encoding", "identity"),
    ("content-type", "application/json"),
)
"""What every request carries. Compression would only delay the events of a stream."""


@dataclass(frozen=True, slots=True)
class Label:
    """Which attempt of which exchange a request is; for people and logs, never on the wire."""

    exchange: str
    attempt: int
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to a provider. Its headers never hold a key, at most a masked one."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    label: Label


class UpstreamResponse(Protocol):
    """A provider's answer; its body is still on the way."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names compare without case."""

    async def read(self) -> bytes:
        """The next piece of the body as it arrives; ``b""`` at its end.

        Raises :class:`UpstreamConnectionError` when the connection breaks before the end.
        """

    async def release(self) -> None:
        """The answer is complete: read what little is left and give the connection back."""

    def close(self) -> None:
        """Break off: close the connection at once, so that the provider stops working.

        A read that is waiting ends with UpstreamConnectionError.
        """


class Wire(Protocol):
    """Sends requests to one provider."""

    async def send(self, request: UpstreamRequest, patience: Patience) -> UpstreamResponse:
        """The answer's status and headers. Raises :class:`UpstreamError`.

        ``patience`` holds the time limits that run meanwhile, for who has to stop them.
        """

    async def close(self) -> None:
        """Close every connection. Answers still being read break off."""


_FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What aiohttp raises where a connection or an answer breaks."""


class _HttpResponse:
    """An answer over HTTP, in which the key that was sent does not appear."""

    def __init__(
        self, response: aiohttp.ClientResponse, key: Secret | None, session: aiohttp.ClientSession
    ) -> None:
        self._response = response
        self._session = session
        self._mask: KeyMask | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        if key is not None and len(key.reveal()) >= MIN_MASKED_KEY:
            self._mask = KeyMask(key.reveal().encode(), key.masked.encode())
            if any(key.reveal() in value for value in response.headers.values()):
                self.headers = CIMultiDict(
                    (name, value.replace(key.reveal(), key.masked))
                    for name, value in response.headers.items()
                )
        connection = response.connection
        protocol = connection.protocol if connection is not None else None
        self._lost = protocol.closed if protocol is not None else None
        if self._lost is not None:
            self._lost.add_done_callback(self._end_reading)

    async def read(self) -> bytes:
        content = self._response.content
        try:
            while True:
                if content.exception() is not None and content._buffer:
                    # aiohttp would raise before it hands out what came before the break.
                    data = content._read_nowait(-1)
                else:
                    data = await content.readany()
                if not data:
                    break
                masked = self._mask.feed(data) if self._mask else data
                if masked:
                    return masked
        except (*_FAILURES, RuntimeError) as error:  # RuntimeError: the session was closed
            self._forget_connection()
            if self._session.closed:
                raise _shutting_down() from error
            raise _as_upstream_error(error) from error
        self._forget_connection()
        return self._mask.flush() if self._mask else b""

    async def release(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._drain()
        except (TimeoutError, UpstreamError):
            self.close()
        finally:
            self._forget_connection()
            self._response.release()

    def close(self) -> None:
        self._forget_connection()
        self._response.close()

    async def _drain(self) -> None:
        left = DRAIN_BYTES
        while left > 0:
            data = await self.read()
            if not data:
                return
            left -= len(data)
        self.close()

    def _end_reading(self, _: asyncio.Future[None]) -> None:
        # aiohttp lets a read wait for ever when it closes the connection because of a broken body.
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection was lost"))

    def _forget_connection(self) -> None:
        if self._lost is not None:
            self._lost.remove_done_callback(self._end_reading)
            # Its failure is nobody's business any more, and asyncio must not report it.
            self._lost.remove_done_callback(_retrieve)
            self._lost.add_done_callback(_retrieve)
            self._lost = None


def _retrieve(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, with three bounds that it does not have.

    On the idle connections; on connecting as a whole (it bounds each step by itself, and name
    lookup and a proxy's answer not at all); and on closing: over TLS it would wait half a minute
    for the other side's goodbye, while a provider goes on computing.
    """

    def __init__(self, http: Http, tls: ssl.SSLContext) -> None:
        super().__init__(limit=http.max_connections, keepalive_timeout=http.keepalive, ssl=tls)
        self._max_idle = http.max_idle
        self._connect_seconds = http.connect

    @override
    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list["aiohttp.tracing.Trace"],
        timeout: aiohttp.ClientTimeout,
    ) -> ResponseHandler:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await super()._create_connection(req, traces, timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("connecting took too long") from error

    @override
    def _release(
        self,
        key: "aiohttp.client_reqrep.ConnectionKey",
        protocol: ResponseHandler,
        *,
        should_close: bool = False,
    ) -> None:
        idle = sum(map(len, self._conns.values()))
        if should_close or protocol.should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close or idle >= self._max_idle)


class HttpWire:
    """A provider over HTTP. Made inside the event loop; connects on first use."""

    def __init__(self, provider: Provider) -> None:
        self._origin = URL(provider.base_url).origin()
        self._key = provider.api_key
        self._session = aiohttp.ClientSession(
            connector=_Connector(provider.http, tls_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            proxy=environment_proxy(self._origin),
        )

    async def send(self, request: UpstreamRequest, patience: Patience) -> UpstreamResponse:
        """See :class:`Wire`."""
        del patience
        if self._session.closed:
            raise _shutting_down()
        try:
            url = URL(request.url, encoded=True)
            headers = self._with_key(request, url)
            response = await self._session.request(
                request.method, url, headers=headers, data=request.body, allow_redirects=False
            )
        except _FAILURES as error:
            raise _as_upstream_error(error) from error
        return _HttpResponse(response, self._key, self._session)

    async def close(self) -> None:
        """See :class:`Wire`."""
        await self._session.close()

    def _with_key(self, request: UpstreamRequest, url: URL) -> CIMultiDict[str]:
        headers = CIMultiDict(request.headers)
        # Any masked key: a recorded request may have been made with the key of that time.
        if self._key is not None and _PLACEHOLDER.fullmatch(headers.get(KEY_HEADER, "")):
            if url.origin() == self._origin:
                headers[KEY_HEADER] = bearer(self._key.reveal())
            else:
                del headers[KEY_HEADER]
        return headers


def bearer(credential: str) -> str:
    """The value of an Authorization field (RFC 6750 §2.1)."""
    return f"Bearer {credential}"


def is_event_stream(response: UpstreamResponse) -> bool:
    """Whether the body is a stream of server-sent events."""
    content_type = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == EVENT_STREAM


async def read_whole(response: UpstreamResponse) -> bytes:
    """The whole body. Raises UpstreamInvalidResponse above the limit, or what reading raises."""
    parts: list[bytes] = []
    left = MAX_REPLY_BYTES
    try:
        while data := await response.read():
            parts.append(data)
            left -= len(data)
            if left < 0:
                raise UpstreamInvalidResponse(
                    f"The provider's answer is larger than {MAX_REPLY_BYTES} bytes."
                )
    finally:
        response.close()
    return b"".join(parts)


def tls_context() -> ssl.SSLContext:
    """The system's trusted certificates (``SSL_CERT_FILE`` is honoured), or certifi's if none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        context.load_verify_locations(certifi.where())
    return context


def environment_proxy(origin: URL) -> URL | None:
    """The proxy that ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` ask for."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(origin.authority):
        return None
    return URL(proxy if "://" in proxy else f"http://{proxy}")


def _shutting_down() -> UpstreamConnectionError:
    return UpstreamConnectionError(
        "The gateway is shutting down.",
        status=503,
        code="gateway_shutdown",
        detail="the provider's wire is closed",
    )


def _as_upstream_error(error: Exception) -> UpstreamError:
    """aiohttp's exceptions as ours."""
    detail = _detail(error)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamTimeout("The provider could not be connected to in time.", detail=detail)
        case aiohttp.ClientConnectorCertificateError():
            return UpstreamConnectionError(
                "The provider's TLS certificate could not be verified.", detail=detail
            )
        case aiohttp.ClientConnectorError():
            return UpstreamConnectionError(
                "The connection to the provider could not be established.", detail=detail
            )
        case _:
            return UpstreamConnectionError(
                "The connection to the provider broke before the answer was complete.",
                detail=detail,
            )


def _detail(error: Exception) -> str:
    """For the log and the flow: what went wrong, without anything that came from the other side.

    The texts of aiohttp's other errors quote what it could not parse, which may be anything.
    """
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return _USERINFO.sub("//***@", f"{name}: {error}")
    return f"{name} {error.status}" if isinstance(error, aiohttp.ClientResponseError) else name
