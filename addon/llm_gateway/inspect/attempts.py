"""Each upstream call as a flow of its own, through mitmproxy's hooks.

:class:`PublishedWire` wraps a provider's wire. Around each call it runs the hooks that mitmproxy
itself would run, on a flow that holds the request as it will go out, so intercepting, editing,
``map_local``, ``modify_headers``, ``server_replay``, saving and exporting work on it: what leaves
is what the hooks left in the flow. The provider's key is not in it. The wire below puts the key
on, where it finds the masked form in its place.

The body of a stream passes at once and is kept for reading afterwards; any other body is read
whole, so that it can be intercepted and edited before it is translated.

When nobody watches, none of this happens: the call goes straight to the wire.
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Mapping
from http import HTTPStatus

from mitmproxy import flow as mflow
from mitmproxy import hooks, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from multidict import CIMultiDict
from yarl import URL

from llm_gateway.bridge.hooks import trigger_event
from llm_gateway.bridge.responses import make_response
from llm_gateway.errors import Retry, UpstreamConnectionError, UpstreamError
from llm_gateway.inspect.bodies import BodyTap
from llm_gateway.inspect.watchers import IDLE, addon_name
from llm_gateway.patience import Patience
from llm_gateway.tasks import spawn
from llm_gateway.wire import (
    Label,
    UpstreamRequest,
    UpstreamResponse,
    Wire,
    is_event_stream,
    read_whole,
)

EXCHANGE = "ai.exchange"
ATTEMPT = "ai.attempt"
PROVIDER = "ai.provider"
MODEL = "ai.model"
URL_SENT = "ai.url"
REFUSED = "ai.refused"
RESUMES = "ai.resumes"
"""Flow metadata: plain values, so that flows can be saved and ``~meta`` finds them."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CODED_BODY = frozenset({"content-encoding", "content-length"})
_COMPUTED_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
"""Shown in the flow, made anew by the HTTP client when the request leaves."""


class Publisher:
    """Knows the live attempt flows and whether to make any."""

    def __init__(self, addons: AddonManager, watched: Callable[[], bool]) -> None:
        self._addons = addons
        self._watched = watched
        self._live: weakref.WeakSet[http.HTTPFlow] = weakref.WeakSet()
        self._clients: weakref.WeakValueDictionary[str, http.HTTPFlow] = (
            weakref.WeakValueDictionary()
        )

    def wrap(self, wire: Wire) -> Wire:
        """The same wire, with its calls published."""
        return PublishedWire(wire, self)

    def owns(self, flow: http.HTTPFlow) -> bool:
        """Whether this is an attempt of ours, on its way through the hooks."""
        return flow in self._live

    def client(self, exchange: str, flow: http.HTTPFlow) -> None:
        """Remember the client flow of an exchange; its attempts show the same client."""
        self._clients[exchange] = flow

    @property
    def watched(self) -> bool:
        """Whether attempts should be published."""
        return self._watched()

    def open(self, request: UpstreamRequest) -> http.HTTPFlow:
        """A live flow for this attempt."""
        client = self._clients.get(request.label.exchange)
        flow = make_flow(request, client.client_conn if client else _no_client())
        self._live.add(flow)
        return flow

    async def run(self, hook: hooks.Hook) -> None:
        """Run one hook on all addons that may see attempts, as mitmproxy's core does."""
        await trigger_event(self._addons, hook, skip=_has_no_business)
        await self._addons.trigger_event(hooks.UpdateHook(hook.args()))

    async def close(self, flow: http.HTTPFlow, error: str | None = None) -> None:
        """The attempt is over: its last hook."""
        if error is not None:
            flow.error = mflow.Error(error)
        elif flow.response is not None:
            flow.response.timestamp_end = time.time()
        await self.run(HttpErrorHook(flow) if error is not None else HttpResponseHook(flow))
        self.forget(flow)

    def forget(self, flow: http.HTTPFlow) -> None:
        """The attempt has been through all its hooks."""
        flow.live = False
        self._live.discard(flow)


class PublishedWire:
    """See the module. A :class:`~llm_gateway.wire.Wire`."""

    def __init__(self, wire: Wire, publisher: Publisher) -> None:
        self._wire = wire
        self._publisher = publisher

    async def send(self, request: UpstreamRequest, patience: Patience) -> UpstreamResponse:
        """See :class:`~llm_gateway.wire.Wire`."""
        if not self._publisher.watched:
            return await self._wire.send(request, patience)
        flow = self._publisher.open(request)
        try:
            return await self._send(flow, request, patience)
        except UpstreamError as error:
            await self._publisher.close(flow, error.detail or error.message)
            raise
        except BaseException as error:
            # Cancelled, or a bug: hooks may wait, and this task must not.
            reason = "given up: no answer in time" if patience.expired else _reason(error)
            spawn(self._publisher.close(flow, reason), "publish a broken-off attempt")
            raise

    async def close(self) -> None:
        """See :class:`~llm_gateway.wire.Wire`."""
        await self._wire.close()

    async def _send(
        self, flow: http.HTTPFlow, request: UpstreamRequest, patience: Patience
    ) -> UpstreamResponse:
        await self._publisher.run(HttpRequestHeadersHook(flow))
        await self._publisher.run(HttpRequestHook(flow))
        await hold(flow, patience)
        if flow.response is not None:
            # An addon answered in the provider's place.
            await self._publisher.run(HttpResponseHeadersHook(flow))
            return await self._whole(flow, flow.response, patience)
        sent = as_request(flow, request.label)
        flow.metadata[URL_SENT] = sent.url
        response = await self._wire.send(sent, patience)
        flow.response = _response_head(response)
        flow.server_conn.timestamp_start = flow.response.timestamp_start
        try:
            await self._publisher.run(HttpResponseHeadersHook(flow))
        except BaseException:
            response.close()
            raise
        if response.status == HTTPStatus.OK and is_event_stream(response):
            return _TappedResponse(response, flow, self._publisher)
        flow.response.data.content = await read_whole(response)
        return await self._whole(flow, flow.response, patience)

    async def _whole(
        self, flow: http.HTTPFlow, response: http.Response, patience: Patience
    ) -> UpstreamResponse:
        response.timestamp_end = time.time()
        await self._publisher.run(HttpResponseHook(flow))
        await hold(flow, patience)
        self._publisher.forget(flow)
        return _FlowResponse(flow.response or response)


class _TappedResponse:
    """A streamed answer that leaves a copy in its flow."""

    def __init__(
        self, response: UpstreamResponse, flow: http.HTTPFlow, publisher: Publisher
    ) -> None:
        self._response = response
        self._flow = flow
        self._publisher = publisher
        self._tap = BodyTap()
        self._over = False
        self.status = response.status
        self.headers = response.headers

    async def read(self) -> bytes:
        try:
            data = await self._response.read()
        except UpstreamError as error:
            await self._end(error.detail or error.message)
            raise
        if data:
            self._tap.add(data)
        else:
            await self._end()
        return data

    async def release(self) -> None:
        await self._response.release()
        await self._end()

    def close(self) -> None:
        self._response.close()
        if not self._over:
            spawn(self._end("closed by the gateway before its end"), "publish a cut attempt")

    async def _end(self, error: str | None = None) -> None:
        if self._over:
            return
        self._over = True
        self._tap.store(self._flow)
        await self._publisher.close(self._flow, error)


class _FlowResponse:
    """A whole answer as its flow holds it, edits included."""

    def __init__(self, response: http.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = CIMultiDict(response.headers.items(multi=True))
        self._body = response.content or b""

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def release(self) -> None:
        self.close()

    def close(self) -> None:
        self._body = b""


async def hold(flow: http.HTTPFlow, patience: Patience) -> None:
    """Wait while somebody has stopped the flow. Raises UpstreamConnectionError if it is killed."""
    if flow.intercepted:
        with patience.suspended():
            await flow.wait_for_resume()
    if flow.error is not None and flow.error.msg == mflow.Error.KILLED_MESSAGE:
        raise UpstreamConnectionError(
            "The attempt was killed by hand.", retry=Retry.NEVER, detail=flow.error.msg
        )


def make_flow(request: UpstreamRequest, client: Client) -> http.HTTPFlow:
    """The flow that shows this request."""
    url = URL(request.url, encoded=True)
    host, port = url.host or "", url.port or 0
    flow = http.HTTPFlow(client, Server(address=(host, port), tls=url.scheme == "https"), live=True)
    flow.request = http.Request(
        host=host,
        port=port,
        method=request.method.encode(),
        scheme=url.scheme.encode(),
        authority=b"",
        path=url.raw_path_qs.encode(),
        http_version=b"HTTP/1.1",
        headers=http.Headers(
            [
                (b"host", (url.host_port_subcomponent or "").encode()),
                *((name.encode(), value.encode()) for name, value in request.headers),
                (b"content-length", str(len(request.body)).encode()),
            ]
        ),
        content=request.body,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=time.time(),
    )
    label = request.label
    flow.metadata |= {
        EXCHANGE: label.exchange,
        ATTEMPT: label.attempt,
        PROVIDER: label.provider,
        MODEL: label.model,
    }
    if label.resumes:
        flow.metadata[RESUMES] = True
    return flow


def as_request(flow: http.HTTPFlow, label: Label) -> UpstreamRequest:
    """The request as the flow holds it now."""
    return UpstreamRequest(
        method=flow.request.method,
        url=_url(flow.request),
        headers=tuple(
            (name, value)
            for name, value in flow.request.headers.items(multi=True)
            if name.lower() not in _COMPUTED_HEADERS
        ),
        body=flow.request.content or b"",
        label=label,
    )


def _url(request: http.Request) -> str:
    """The request's address; unlike mitmproxy's, with brackets around an IPv6 address."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    port = "" if request.port == _DEFAULT_PORTS.get(request.scheme) else f":{request.port}"
    return f"{request.scheme}://{host}{port}{request.path}"


def _response_head(response: UpstreamResponse) -> http.Response:
    # The HTTP client has decoded the body already, so what described the coded one must go.
    decoded = _CODED_BODY if "content-encoding" in response.headers else frozenset[str]()
    headers = [item for item in response.headers.items() if item[0].lower() not in decoded]
    return make_response(response.status, tuple(headers))


def _has_no_business(addon: object) -> bool:
    return addon_name(addon) in IDLE


def _no_client() -> Client:
    return Client(peername=("", 0), sockname=("", 0))


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "broken off: the client left, or had its answer from elsewhere"
    return f"the gateway failed: {type(error).__name__}"
