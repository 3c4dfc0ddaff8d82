"""The real wire: one pooled aiohttp session per provider.

It verifies TLS (by the provider's own certificate authorities, if the configuration names some),
follows no redirect (a redirect would carry the key to another host), keeps no cookies, and puts the
provider's keys on at the last moment, so that no layer above it ever holds a request with a key in
it. Above it stands each key's masked form in its place; a request where somebody took that out
or put another key in is sent as it is, and one that was pointed at another host travels without.

Only connecting is bounded in time here.
"""

import asyncio
import functools
import re
import ssl
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path

import aiohttp
import certifi
from multidict import CIMultiDict
from yarl import URL

from llm_gateway.adapters.contract import Whole
from llm_gateway.config import Credential, Http, Provider
from llm_gateway.errors import Retry, UpstreamConnectionError, UpstreamError, UpstreamTimeout
from llm_gateway.http_pool import (
    FAILURES,
    Pool,
    StaleConnection,
    detail,
    fresh_connection,
    shutting_down,
)
from llm_gateway.keymask import KeyMask, without_key
from llm_gateway.known import in_base64
from llm_gateway.oauth import AccessToken
from llm_gateway.patience import Patience
from llm_gateway.proxies import environment_proxy
from llm_gateway.secret import Secret
from llm_gateway.wire import MARK, UpstreamRequest, UpstreamResponse

DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 0.5
"""How much of a finished answer's tail is read so that its connection can be used again."""

MIN_MASKED_KEY = 12
"""Shorter keys are no secrets (local servers take ``EMPTY`` or ``ollama``) but words of answers."""

TOKEN_SECONDS = 30.0
TOKEN_BYTES = 64 * 1024
"""How long an exchange of a key for a token may take, and how large its answer may be."""

_MASKED = re.compile(r"\*\*\*[0-9a-f]{8}")


class _HttpResponse:
    """An answer over HTTP, in which the keys that were sent do not appear."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        secrets: Iterable[Secret],
        session: aiohttp.ClientSession,
    ) -> None:
        self._response = response
        self._session = session
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._masks: list[KeyMask] = []
        # The longest first: one may be the beginning of another.
        for secret in sorted(secrets, key=lambda each: len(each.reveal()), reverse=True):
            key = secret.reveal()
            if len(key) < MIN_MASKED_KEY:
                continue
            # Who quotes a key in base64 complains of it; good answers are not searched for that.
            in_error = in_base64(key) if self.status >= HTTPStatus.MULTIPLE_CHOICES else ()
            for form in dict.fromkeys((*secret.spellings, *in_error)):
                escaped = form == key and "\\" not in key
                self._masks.append(KeyMask(form.encode(), secret.masked.encode(), escaped=escaped))
                self.headers = without_key(self.headers, form, secret.masked)
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
                for mask in self._masks:
                    data = mask.feed(data)
                if data:
                    return data
        except (*FAILURES, RuntimeError) as error:  # RuntimeError: the session was closed
            self._forget_connection()
            if self._session.closed:
                raise shutting_down(sent=True) from error
            raise _broken(error) from error
        self._forget_connection()
        rest = b""
        for mask in self._masks:
            rest = mask.feed(rest) + mask.flush()
        return rest

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
        content = self._response.content
        if content.exception() is None:
            # aiohttp would end a read with the one exception that it has for this, whose traceback
            # grows with each, and holds all that the readers had in their hands.
            content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
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


class HttpWire:
    """A provider over HTTP. Made inside the event loop; connects on first use."""

    def __init__(self, provider: Provider, mark: str = "") -> None:
        """``mark``, if not empty, goes with every request in the field ``wire.MARK``."""
        self._mark = {MARK: mark} if mark else {}
        self._origin = URL(provider.base_url).origin()
        self._proxy = environment_proxy(self._origin)
        self._credentials = {each.header: each for each in provider.credentials}
        self._tokens: dict[str, AccessToken] = {}
        if provider.oauth is not None:
            for exchanged in provider.credentials[:1]:
                self._tokens[exchanged.header] = AccessToken(
                    provider.oauth,
                    exchanged.secret,
                    self._post,
                    time.time,
                    lambda: str(uuid.uuid4()),
                )
        tls = tls_context(provider.ca_file)
        self._session = _session(provider.http, tls)
        # Apart from the others: a full pool must not keep back the token that it waits for.
        self._token_session = _session(provider.http, tls)

    async def send(self, request: UpstreamRequest, patience: Patience) -> UpstreamResponse:
        """See :class:`~llm_gateway.wire.Wire`."""
        del patience
        try:
            url = URL(request.url, encoded=True)
            headers, secrets = await self._with_keys(request, url)
            response = await self._request(
                self._session, request.method, url, headers, request.body
            )
        except FAILURES as error:
            raise self._failure(error) from error
        if response.status == HTTPStatus.UNAUTHORIZED:
            for token in self._tokens.values():
                for secret in secrets:
                    token.drop(secret)
        return _HttpResponse(response, secrets, self._session)

    async def close(self) -> None:
        """See :class:`~llm_gateway.wire.Wire`."""
        await self._session.close()
        await self._token_session.close()

    async def _with_keys(
        self, request: UpstreamRequest, url: URL
    ) -> tuple[CIMultiDict[str], list[Secret]]:
        """The request's headers with the keys that belong there, and these keys."""
        headers = CIMultiDict(request.headers)
        secrets = [each.secret for each in self._credentials.values()]
        for name, credential in self._credentials.items():
            if not _is_masked(headers.get(name, ""), credential):
                continue
            if url.origin() != self._origin:
                del headers[name]
                continue
            secret = credential.secret
            if name in self._tokens:
                secret = await _token(self._tokens[name])
                secrets.append(secret)
            headers[name] = credential.scheme + secret.reveal()
        return headers, secrets

    async def _request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes,
    ) -> aiohttp.ClientResponse:
        """The one way out. Raises UpstreamError where nothing left, or what aiohttp raises.

        A connection that the provider had closed meanwhile is not the request's fault: it is sent
        once more, on a new one.
        """
        if self._session.closed:
            raise shutting_down(sent=False)
        origin = url.origin()
        request = functools.partial(
            session.request,
            method,
            url,
            headers=CIMultiDict(headers, **self._mark) if self._mark else headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy if origin == self._origin else environment_proxy(origin),
        )
        try:
            return await request()
        except StaleConnection:
            if self._session.closed:
                raise shutting_down(sent=True) from None
            with fresh_connection():
                return await request()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Whole:
        """Ask the authorization server. Raises UpstreamError."""
        try:
            target = URL(url, encoded=True)
            async with (
                asyncio.timeout(TOKEN_SECONDS),
                await self._request(self._token_session, "POST", target, headers, body) as response,
            ):
                answer = b""
                while len(answer) < TOKEN_BYTES and (piece := await response.content.readany()):
                    answer += piece
                return Whole(response.status, response.headers, answer[:TOKEN_BYTES])
        except TimeoutError as error:
            raise UpstreamTimeout(
                "The provider gave no access token in time.", detail=detail(error)
            ) from error
        except FAILURES as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> UpstreamError:
        return shutting_down(sent=True) if self._session.closed else _broken(error)


def _session(http: Http, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=Pool(http, tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
    )


def _is_masked(value: str, credential: Credential) -> bool:
    # Any masked key: a recorded request may have been made with the key of that time.
    return value.startswith(credential.scheme) and bool(
        _MASKED.fullmatch(value, len(credential.scheme))
    )


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Trusts the authorities in ``ca_file`` alone, or those that the system trusts.

    ``SSL_CERT_FILE`` is honoured, and where the system has none, certifi's are taken.
    """
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    paths = ssl.get_default_verify_paths()
    return _system_context(paths.cafile, paths.capath)


@cache
def _system_context(cafile: str | None, capath: str | None) -> ssl.SSLContext:
    """One for all providers: to read a system's certificates takes 20 ms and more."""
    context = ssl.create_default_context()
    if cafile is None and capath is None:
        context.load_verify_locations(certifi.where())
    return context


async def _token(token: AccessToken) -> Secret:
    """Raises UpstreamError, also where it was the authorization server that was asked."""
    try:
        return await token.get()
    except UpstreamError as error:
        error.sent = False
        raise


def _broken(error: Exception) -> UpstreamConnectionError:
    """What aiohttp raises once there is a connection, and before it looks for one."""
    if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
        return UpstreamConnectionError(
            "The request to the provider has no valid address, or a header that is none.",
            retry=Retry.ELSEWHERE,
            detail=detail(error),
        ).unsent()
    return UpstreamConnectionError(
        "The connection to the provider broke before the answer was complete.",
        detail=detail(error),
    )
