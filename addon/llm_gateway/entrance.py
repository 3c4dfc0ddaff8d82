"""From a mitmproxy flow to an exchange: who is let in, and how it is answered.

The decision falls in the ``requestheaders`` hook, before the body is read. A refused request is
answered at once and its body thrown away as it comes; an admitted one is attached to the bridge and
begins when its body, and whoever intercepts it, is done. Flows that cannot be attached (replays)
are answered whole, in the ``request`` hook.
"""

import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Literal

from mitmproxy import http
from mitmproxy.net.http import url
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from llm_gateway.api import routes
from llm_gateway.api.front_door import Admission
from llm_gateway.api.http import ClientRequest, RequestHead, Sink
from llm_gateway.api.server import Api
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.kill import Killed, until_killed
from llm_gateway.bridge.responses import error_response
from llm_gateway.bridge.sinks import BufferSink
from llm_gateway.config import ClientToken
from llm_gateway.draining import Draining
from llm_gateway.errors import GatewayError, GatewayShutdown, InternalError, RequestError
from llm_gateway.host import announces_body, request_head, texts_of_head
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.inspect.bodies import BodyTap
from llm_gateway.inspect.masking import mask_client_credentials
from llm_gateway.inspect.metadata import CLIENT, EXCHANGE, REFUSED, is_attempt, is_client, is_ours
from llm_gateway.inspect.resend import resend, restore_address
from llm_gateway.inspect.veil import Veil
from llm_gateway.manner import manner_of
from llm_gateway.room import Room
from llm_gateway.runtime import Engine, Runtime
from llm_gateway.trace import Observer
from llm_gateway.upload import Upload, discard
from llm_gateway.wire import MARK

logger = logging.getLogger(__name__)

_REPLAYED = "request"

BodyReader = Callable[[bytes], list[bytes]] | Literal[False]
"""What takes a request's body piece by piece; False to have mitmproxy buffer it."""


class BodyStream:
    """A value for ``request.stream``: in force only as long as nobody else has answered.

    mitmproxy asks for its truth after all addons have had their turn, and fails on a response
    together with a streamed request.
    """

    def __init__(self, read: Callable[[bytes], list[bytes]], flow: http.HTTPFlow) -> None:
        self._read = read
        self._flow = flow
        self.received = 0
        """The bytes that have come."""

    def __bool__(self) -> bool:
        return self._flow.response is None

    def __call__(self, data: bytes) -> list[bytes]:
        self.received += len(data)
        return self._read(data)


class Entrance:
    """Admits, refuses and attaches flows by the engine's current configuration."""

    def __init__(
        self,
        engine: Engine,
        bridge: Bridge,
        publisher: Publisher,
        draining: Draining,
        mark: str,
    ) -> None:
        """``mark`` is what this gateway's own requests to others carry."""
        self._engine = engine
        self._bridge = bridge
        self._publisher = publisher
        self._draining = draining
        self._mark = mark
        self._veil = Veil(publisher.masks)
        self._api = Api(
            lambda: engine.current, draining=draining, hide=publisher.masks.hide_secrets
        )
        self._answers: weakref.WeakKeyDictionary[
            http.HTTPFlow, Callable[[Sink], Awaitable[None]]
        ] = weakref.WeakKeyDictionary()
        self._uploads: weakref.WeakKeyDictionary[http.HTTPFlow, Upload] = (
            weakref.WeakKeyDictionary()
        )
        self._room: Room[http.HTTPFlow] = Room(_is_over)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a request by its head."""
        if self._publisher.owns(flow):
            return
        if not flow.live:
            # Read from a file: mitmproxy runs its hooks, and nobody asked for anything.
            self._publisher.kin.add(flow)
            restore_address(flow)
            return
        runtime = self._engine.current
        if flow.is_replay == _REPLAYED and is_attempt(flow):
            self._publisher.kin.add(flow)
            flow.request.stream = False
            self._answers[flow] = lambda sink: resend(
                flow, self._engine.current, sink, self._veil.lift(flow)
            )
            return
        if flow.response is not None:
            # Another addon has answered in this very hook, proxyauth for one.
            self._mask_head(flow)
            return
        exchange = f"req_{uuid.uuid4().hex}"
        head = request_head(flow)
        try:
            if self._draining.stopping:
                raise GatewayShutdown
            admission = self._admit(flow, head, runtime)
            if admission is None:
                self._pass(flow, runtime)
                return
            self._make_room(flow, admission, head.content_length or 0, runtime)
        except GatewayError as error:
            self._mask_head(flow)
            self._refuse(flow, exchange, error)
        else:
            self._mask_head(flow)
            name = runtime.front_door.name_of(head)
            if self._attach(flow, exchange, name, admission.client):
                read = self._body_reader(flow, exchange, admission, head, runtime)
                flow.request.stream = read and BodyStream(read, flow)

    async def request(self, flow: http.HTTPFlow) -> None:
        """The body is here. Attached flows go on to the bridge by themselves."""
        upload = self._uploads.pop(flow, None)
        if upload is not None:
            flow.request.data.content = upload.body
        self._cover(flow)
        answer = self._answers.pop(flow, None)
        if answer is not None and flow.response is None:
            sink = BufferSink()
            with suppress(Killed):
                # mitmproxy ends a flow that was killed as soon as this hook is over.
                async with until_killed(flow):
                    await answer(sink)
                    flow.response = sink.response
            if flow.is_replay == _REPLAYED:
                self._veil.cover_answer(flow)

    def over(self, flow: http.HTTPFlow) -> None:
        """The flow has its answer, or has ended without. What is kept for it refers to it."""
        self._room.give_back(flow)
        self._uploads.pop(flow, None)
        self._answers.pop(flow, None)

    def _mask_head(self, flow: http.HTTPFlow) -> None:
        mask_client_credentials(flow)
        self._veil.cover_path(flow)
        if self._publisher.watched:
            self._veil.cover_fields(flow)

    def _cover(self, flow: http.HTTPFlow) -> None:
        """Mask the body of a request of ours; the publisher does that for attempts."""
        is_request = is_ours(flow) and flow.live and not self._publisher.owns(flow)
        if is_request and self._publisher.watched:
            self._veil.cover(flow)

    def kept_by_mitmproxy(self, flow: http.HTTPFlow) -> None:
        """mitmproxy has put a streamed answer into the flow itself (``store_streamed_bodies``)."""
        if is_ours(flow) and flow.response is not None and flow.response.stream:
            self._veil.cover_answer(flow)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A proxy client asks for a tunnel: only to our own hosts, unless others may pass."""
        runtime = self._engine.current
        host = flow.request.host
        if not runtime.config.gateway.passthrough and not runtime.front_door.answers_for(host):
            flow.response = error_response(_misdirected(), f"req_{uuid.uuid4().hex}")

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """mitmproxy is about to open a connection: never, unless other hosts may pass."""
        if not self._engine.current.config.gateway.passthrough:
            data.server.error = "The gateway opens no connections through mitmproxy."

    def _admit(self, flow: http.HTTPFlow, head: RequestHead, runtime: Runtime) -> Admission | None:
        """Where a request to us goes, None for another host's. Raises RequestError."""
        if flow.request.headers.get(MARK) == self._mark:
            raise RequestError(508, "This request came from this gateway itself.", code="loop")
        if flow.is_replay == _REPLAYED and is_client(flow):
            # Replayed by the operator: it was admitted once, and its token is masked.
            return Admission(routes.find(head.method, head.path))
        if runtime.front_door.is_ours(head):
            return runtime.front_door.admit(head)
        return None

    def _pass(self, flow: http.HTTPFlow, runtime: Runtime) -> None:
        if not runtime.config.gateway.passthrough:
            raise _misdirected()
        if runtime.front_door.finds_token_in(texts_of_head(flow.request)):
            raise RequestError(
                400, "This is the gateway's own token; it is not sent to another host."
            )
        if isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            # What reverse mode does by itself where keep_host_header is off.
            request = flow.request
            request.host_header = url.hostport(request.scheme, request.host, request.port)
        flow.request.headers[MARK] = self._mark

    def _refuse(self, flow: http.HTTPFlow, exchange: str, error: GatewayError) -> None:
        # Popped so that mitmproxy does not invite the body of a request that is refused.
        flow.request.headers.pop("expect", None)
        flow.metadata |= {EXCHANGE: exchange, REFUSED: True}
        flow.metadata.pop(CLIENT, None)
        # It may name the address, and what is answered at the door is shown as it is.
        error.hide(self._publisher.masks.hide_secrets)
        observer = self._publisher.client(exchange, flow)
        request = _client_request(flow, exchange)
        answer = partial(self._api.refuse, request, error, observer=observer)
        if self._bridge.attach(flow, answer, None, at_once=True):
            flow.request.stream = BodyStream(discard, flow)
            flow.request.data.content = b""
        else:
            flow.response = error_response(error, exchange)

    def _attach(
        self, flow: http.HTTPFlow, exchange: str, name: str, client: ClientToken | None
    ) -> bool:
        """Have the flow answered: by the bridge, or else whole in the ``request`` hook."""
        flow.metadata[EXCHANGE] = exchange
        flow.request.stream = False
        flow.metadata.pop(REFUSED, None)
        flow.metadata.pop(CLIENT, None)
        if client is not None:
            flow.metadata[CLIENT] = client.name
        observer = self._publisher.client(exchange, flow)
        answer = partial(self._answer, flow, exchange, client, observer)
        tap = None
        if observer is not None:
            tap = BodyTap(flow, self._publisher.screen, self._publisher.masks)
        attached = self._bridge.attach(flow, answer, tap, host=name)
        if not attached:
            self._answers[flow] = answer
        return attached

    def _make_room(
        self, flow: http.HTTPFlow, admission: Admission, size: int, runtime: Runtime
    ) -> None:
        """Have room for so much of a body until its request is over. Raises GatewayError (503)."""
        if not admission.route.takes_body:
            return
        client, gateway = admission.client, runtime.config.gateway
        most = max(gateway.bounds.all_bodies, gateway.max_request_bytes)
        self._room.take(flow, "" if client is None else client.name, size, most)

    def _body_reader(
        self,
        flow: http.HTTPFlow,
        exchange: str,
        admission: Admission,
        head: RequestHead,
        runtime: Runtime,
    ) -> BodyReader:
        """What reads the body of an attached request: mitmproxy itself, where that is bounded."""
        if not admission.route.takes_body:
            return discard if announces_body(flow.request) else False
        if head.content_length is not None:
            return False

        def check(received: int) -> None:
            if received > runtime.config.gateway.max_request_bytes:
                raise runtime.front_door.too_large()
            self._make_room(flow, admission, received, runtime)

        upload = Upload(check, partial(self._refuse_now, flow, exchange))
        self._uploads[flow] = upload
        return partial(self._take, upload)

    def _take(self, upload: Upload, data: bytes) -> list[bytes]:
        # An exception here would go to mitmproxy's core, which would lose the piece and go on.
        try:
            return upload(data)
        except Exception as error:
            logger.exception("The gateway failed on a request's body.")
            upload.give_up(InternalError(type(error).__name__))
            return []

    def _refuse_now(self, flow: http.HTTPFlow, exchange: str, error: GatewayError) -> None:
        request = _client_request(flow, exchange)
        observer = self._publisher.client(exchange, flow)
        self.over(flow)
        self._bridge.answer_now(flow, partial(self._api.refuse, request, error, observer=observer))

    async def _answer(
        self,
        flow: http.HTTPFlow,
        exchange: str,
        client: ClientToken | None,
        observer: Observer | None,
        sink: Sink,
    ) -> None:
        request = _client_request(flow, exchange, self._veil.lift(flow), client)
        await self._api.serve(request, sink, observer)


def _client_request(
    flow: http.HTTPFlow, exchange: str, body: bytes = b"", client: ClientToken | None = None
) -> ClientRequest:
    """The request as the flow holds it now, edits included."""
    return ClientRequest(
        exchange=exchange,
        method=flow.request.method,
        path=flow.request.path,
        body=body,
        manner=manner_of(flow.request.headers),
        client=client,
    )


def _misdirected() -> RequestError:
    return RequestError(
        421,
        "This gateway does not serve the requested host. Ask for one of its virtual hosts "
        "(gateway.virtual_hosts in its configuration).",
        code="misdirected_request",
    )


def _is_over(flow: http.HTTPFlow) -> bool:
    """Whether nothing will come of it any more, even if no hook has told so."""
    return not flow.live or flow.client_conn.timestamp_end is not None
