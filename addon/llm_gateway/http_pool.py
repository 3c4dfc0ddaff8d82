"""aiohttp's pool of connections to one provider, held to what the gateway promises.

* Whatever fails before a request has its connection is an UpstreamError that says ``sent=False``.
* A connection that the provider had closed while it rested is told from one that breaks under a
  request (:class:`StaleConnection`).
* A connection on which anything came unasked is not used again: it would be taken for the answer to
  the next request, which may be another client's.
"""

import asyncio
import functools
import math
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import override

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace

from llm_gateway.config import Http
from llm_gateway.errors import Retry, UpstreamConnectionError, UpstreamError, UpstreamTimeout

STALE_SECONDS = 1.0
"""Within this time of a request a connection is lost that had been closed before it.

That takes a round trip, or two if a packet is lost. What is lost later was lost while the provider
worked on the request, and that must not be hidden.
"""

FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What aiohttp raises where a connection or an answer breaks."""

_USERINFO = re.compile(r"//[^/@\s]+@")

_fresh: ContextVar[bool] = ContextVar("fresh", default=False)


class StaleConnection(aiohttp.ClientConnectionError):
    """The connection had been closed when the request came, which nobody has seen therefore."""


@contextmanager
def fresh_connection() -> Iterator[None]:
    """A request inside, which was sent before, uses no connection that was used before.

    Where it does not leave this time, its UpstreamError says ``resent``: what broke under it may
    have been no old connection, but a provider that goes down, and that has seen it.
    """
    token = _fresh.set(True)
    try:
        yield
    except UpstreamError as error:
        error.resent = True
        raise
    finally:
        _fresh.reset(token)


class _Line(ResponseHandler):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._heard = False
        self._stale_until = -math.inf

    def rest(self) -> None:
        """Its request is answered."""
        self._heard = False

    def resume(self) -> bool:
        """Whether it can carry another request, which follows now."""
        self._stale_until = self._loop.time() + STALE_SECONDS
        return not self._heard and not self.should_close

    @override
    def data_received(self, data: bytes) -> None:
        if data:
            self._heard = True
        super().data_received(data)

    @override
    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        if (
            isinstance(exc, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
            and not self._heard
            and self._loop.time() < self._stale_until
        ):
            exc, exc_cause = StaleConnection(), exc
        # To aiohttp, what is its own cause has none.
        super().set_exception(exc, exc_cause or exc)


class Pool(aiohttp.TCPConnector):
    """The connections to one provider.

    With three bounds that aiohttp does not have: on the idle connections; on connecting as a whole
    (it bounds each step by itself, and name lookup and a proxy's answer not at all); and on
    closing: over TLS it would wait half a minute for the other side's goodbye, while a provider
    goes on computing.
    """

    def __init__(self, http: Http, tls: ssl.SSLContext) -> None:
        super().__init__(limit=http.max_connections, keepalive_timeout=http.keepalive, ssl=tls)
        line: type[ResponseHandler] = _Line
        self._factory = functools.partial(line, loop=self._loop)
        self._max_idle = http.max_idle
        self._connect_seconds = http.connect

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """A connection for this request. Raises UpstreamError."""
        try:
            return await super().connect(req, traces, timeout)
        except FAILURES as error:
            raise shutting_down(sent=False) if self._closed else _unconnected(error) from error
        except asyncio.CancelledError:
            # aiohttp forgets the others that wait when the one that it woke was cancelled.
            self._release_waiter()
            if self._closed and not _is_cancelled():
                raise shutting_down(sent=False) from None
            raise

    @override
    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        if _fresh.get():
            return None
        while (connection := await super()._get(key, traces)) is not None:
            line = connection.protocol
            if isinstance(line, _Line) and line.resume():
                return connection
            connection.close()
        return None

    @override
    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await super()._create_connection(req, traces, timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"connecting to {req.url.origin()}") from error

    @override
    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        idle = sum(map(len, self._conns.values()))
        if should_close or protocol.should_close:
            protocol.abort()
        elif isinstance(protocol, _Line):
            protocol.rest()
        super()._release(key, protocol, should_close=should_close or idle >= self._max_idle)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def shutting_down(*, sent: bool) -> UpstreamConnectionError:
    """The gateway closed the connection, or makes no more."""
    error = UpstreamConnectionError(
        "The gateway is shutting down.",
        status=503,
        code="gateway_shutdown",
        retry=Retry.ELSEWHERE,
        retry_after=1.0,
        detail="the provider's wire is closed",
    )
    return error if sent else error.unsent()


def _unconnected(error: Exception) -> UpstreamError:
    return _as_upstream_error(error).unsent()


def _as_upstream_error(error: Exception) -> UpstreamError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamTimeout(
                "The provider could not be connected to in time.", detail=detail(error)
            )
        case aiohttp.ClientConnectorCertificateError():
            return UpstreamConnectionError(
                "The provider's TLS certificate could not be verified.",
                retry=Retry.ELSEWHERE,
                detail=detail(error),
            )
        case _:
            return UpstreamConnectionError(
                "The connection to the provider could not be established.",
                detail=detail(error),
            )


def detail(error: Exception) -> str:
    """For the log and the flow: what went wrong, without anything that came from the other side.

    The texts of aiohttp's other errors quote what it could not parse, which may be anything.
    """
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return _USERINFO.sub("//***@", f"{name}: {error}")
    return f"{name} {error.status}" if isinstance(error, aiohttp.ClientResponseError) else name
