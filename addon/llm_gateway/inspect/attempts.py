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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from mitmproxy import flow as mflow
from mitmproxy import hooks, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from multidict import CIMultiDict

from llm_gateway.bridge.hooks import trigger_event
from llm_gateway.bridge.kill import Killed, is_killed, until_killed, when_killed
from llm_gateway.errors import Retry, UpstreamConnectionError, UpstreamError
from llm_gateway.inspect.as_flow import as_request, make_flow, no_client, response_head
from llm_gateway.inspect.bodies import NO_SCREEN, BodyTap, Screen
from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.metadata import (
    EXCHANGE,
    FAULT,
    URL_SENT,
)
from llm_gateway.inspect.rows import Rows, no_price
from llm_gateway.inspect.watchers import IDLE, addon_name
from llm_gateway.masks import NO_MASKS, Covered, Masks
from llm_gateway.patience import Patience
from llm_gateway.prices import Price
from llm_gateway.tasks import spawn
from llm_gateway.trace import Observer, Observers
from llm_gateway.wire import (
    UpstreamRequest,
    UpstreamResponse,
    Wire,
    is_event_stream,
    read_whole,
)

_CLIENT_KILLED = "broken off: the client's flow was killed by hand"


class Publisher:
    """Knows the live attempt flows and whether to make any."""

    def __init__(
        self,
        addons: AddonManager,
        watched: Callable[[], bool],
        price: Price = no_price,
        screen: Screen = NO_SCREEN,
        also: Iterable[Observer] = (),
        masks: Masks = NO_MASKS,
    ) -> None:
        """``price`` is what answers cost; ``also`` hears of exchanges beside the rows."""
        self.masks = masks
        self._addons = addons
        self._watched = watched
        self.screen = screen
        self.rows = Rows(price, screen, masks)
        self._observer = Observers(self.rows, *also)
        self.kin = Kin()
        """The flows that somebody may look at."""
        self._live: weakref.WeakSet[http.HTTPFlow] = weakref.WeakSet()

    def wrap(self, wire: Wire) -> Wire:
        """The same wire, with its calls published."""
        return PublishedWire(wire, self)

    def owns(self, flow: http.HTTPFlow) -> bool:
        """Whether this is an attempt of ours, on its way through the hooks."""
        return flow in self._live

    @property
    def watched(self) -> bool:
        """Whether attempts should be published."""
        return self._watched()

    def client(self, exchange: str, flow: http.HTTPFlow) -> Observer | None:
        """A client's request is to be served: who is to hear of that; None if nobody watches."""
        if not self.watched:
            return None
        self.kin.add(flow)
        self.rows.client(exchange, flow)
        return self._observer

    def open(self, request: UpstreamRequest) -> http.HTTPFlow:
        """A live flow for this attempt."""
        client = self.rows.client_of(request.label.exchange)
        shown = self.masks.hide(request.body)
        if shown is not request.body:
            request = replace(request, body=shown)
        flow = make_flow(request, client.client_conn if client else no_client())
        self._live.add(flow)
        self.kin.add(flow)
        self.rows.attempt(request.label, flow)
        return flow

    async def run(self, hook: hooks.Hook) -> None:
        """Run one hook on all addons that may see attempts, as mitmproxy's core does."""
        await trigger_event(self._addons, hook, skip=_has_no_business)
        await self._addons.trigger_event(hooks.UpdateHook(hook.args()))

    async def close(self, flow: http.HTTPFlow, error: str | None = None) -> None:
        """The attempt is over: its last hook."""
        if error is not None:
            flow.error = mflow.Error(self.masks.hide_text(error))
        elif flow.response is not None:
            flow.response.timestamp_end = time.time()
        self.rows.settle(flow)
        await self.run(HttpErrorHook(flow) if error is not None else HttpResponseHook(flow))
        if flow.intercepted:
            # Nobody waits for it: it was broken off, or its stream has passed already.
            flow.resume()
            await self._addons.trigger_event(hooks.UpdateHook([flow]))
        self.forget(flow)

    def why(self, flow: http.HTTPFlow, otherwise: str) -> str:
        """Why the attempt is broken off: its client's flow was killed, or ``otherwise``."""
        client = self.rows.client_of(str(flow.metadata.get(EXCHANGE)))
        return _CLIENT_KILLED if client is not None and is_killed(client) else otherwise

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
            return await self._unless_killed(flow, request, patience)
        except UpstreamError as error:
            await self._publisher.close(flow, error.detail or error.message)
            raise
        except BaseException as error:
            # Cancelled, or a bug: hooks may wait, and this task must not.
            reason = "given up: no answer in time" if patience.expired else _reason(error)
            reason = self._publisher.why(flow, reason)
            spawn(self._publisher.close(flow, reason), "publish a broken-off attempt")
            raise

    async def close(self) -> None:
        """See :class:`~llm_gateway.wire.Wire`."""
        await self._wire.close()

    async def _unless_killed(
        self, flow: http.HTTPFlow, request: UpstreamRequest, patience: Patience
    ) -> UpstreamResponse:
        try:
            async with until_killed(flow):
                return await self._send(flow, request, patience)
        except Killed:
            raise _killed_by_hand() from None

    async def _send(
        self, flow: http.HTTPFlow, request: UpstreamRequest, patience: Patience
    ) -> UpstreamResponse:
        masks = self._publisher.masks
        covered = Covered(masks, request.body, flow.request.content or b"")
        await self._publisher.run(HttpRequestHeadersHook(flow))
        await self._publisher.run(HttpRequestHook(flow))
        await hold(flow, patience)
        if flow.response is not None:
            # An addon answered in the provider's place.
            await self._publisher.run(HttpResponseHeadersHook(flow))
            return await self._whole(flow, flow.response, patience)
        sent = as_request(flow, request.label)
        told = partial(flow.metadata.__setitem__, FAULT)
        sent = replace(sent, body=covered.now(sent.body), on_fault=told)
        flow.metadata[URL_SENT] = sent.url
        tap = BodyTap(flow, self._publisher.screen, masks)
        tap.begin()
        response = await self._wire.send(sent, patience)
        flow.response = response_head(response)
        flow.server_conn.timestamp_start = flow.response.timestamp_start
        try:
            await self._publisher.run(HttpResponseHeadersHook(flow))
        except BaseException:
            response.close()
            raise
        if response.status == HTTPStatus.OK and is_event_stream(response):
            return _TappedResponse(response, flow, self._publisher, tap)
        return await self._whole(flow, flow.response, patience, await read_whole(response))

    async def _whole(
        self,
        flow: http.HTTPFlow,
        response: http.Response,
        patience: Patience,
        body: bytes | None = None,
    ) -> UpstreamResponse:
        """The answer as it is when the hooks are done; ``body`` is what came, if anything did."""
        covered = self._publisher.masks.cover(body or b"")
        if body is not None:
            response.data.content = covered.shown
        response.timestamp_end = time.time()
        self._publisher.rows.settle(flow)
        await self._publisher.run(HttpResponseHook(flow))
        await hold(flow, patience)
        self._publisher.forget(flow)
        response = flow.response or response
        return _FlowResponse(response, covered.now(response.content or b""))


class _TappedResponse:
    """A streamed answer that leaves a copy in its flow."""

    def __init__(
        self,
        response: UpstreamResponse,
        flow: http.HTTPFlow,
        publisher: Publisher,
        tap: BodyTap,
    ) -> None:
        self._response = response
        self._flow = flow
        self._publisher = publisher
        self._tap = tap
        self._over = False
        self.status = response.status
        self.headers = response.headers
        when_killed(flow, self._kill)

    async def read(self) -> bytes:
        _check_killed(self._flow)
        try:
            data = await self._response.read()
        except UpstreamError as error:
            _check_killed(self._flow)
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
            reason = self._publisher.why(self._flow, "closed by the gateway before its end")
            spawn(self._end(reason), "publish a cut attempt")

    def _kill(self, flow: mflow.Flow) -> None:
        self._response.close()
        spawn(self._end(mflow.Error.KILLED_MESSAGE), "publish a killed attempt")

    async def _end(self, error: str | None = None) -> None:
        if self._over:
            return
        self._over = True
        when_killed(self._flow, None)
        self._tap.store()
        await self._publisher.close(self._flow, error)


class _FlowResponse:
    """A whole answer as its flow holds it, edits included."""

    def __init__(self, response: http.Response, body: bytes) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = CIMultiDict(response.headers.items(multi=True))
        self._body = body

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
    _check_killed(flow)


def _check_killed(flow: http.HTTPFlow) -> None:
    if is_killed(flow):
        raise _killed_by_hand()


def _killed_by_hand() -> UpstreamConnectionError:
    return UpstreamConnectionError(
        "The attempt was killed by hand.", retry=Retry.NEVER, detail=mflow.Error.KILLED_MESSAGE
    )


def _has_no_business(addon: object) -> bool:
    return addon_name(addon) in IDLE


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "broken off: the client left, or had its answer from elsewhere"
    return f"the gateway failed: {type(error).__name__}"
