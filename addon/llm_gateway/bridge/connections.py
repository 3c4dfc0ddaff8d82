"""Every client connection, from the first byte of TLS to the last one that a client takes.

:mod:`.phases` says what is late and who makes room, :mod:`.partings` ends it in words. There is one
timer for all of them.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.bridge.attach import Path, find_stream
from llm_gateway.bridge.clients import http_layers, is_ignored, transport_of, unsent
from llm_gateway.bridge.http1 import HEAD_BEGAN
from llm_gateway.bridge.intake import let_go, read_in_turn
from llm_gateway.bridge.leaving import Leaving, Report
from llm_gateway.bridge.partings import part
from llm_gateway.bridge.phases import Connection, Limit, Reason, Request, Roll
from llm_gateway.bridge.sinks import STALLED_SECONDS
from llm_gateway.config.values import Bounds
from llm_gateway.errors import RequestError
from llm_gateway.tasks import spawn
from llm_gateway.wheel import Wheel

logger = logging.getLogger(__name__)

TICK = 0.1
"""Seconds by which an end may come late, so that many ends are one look."""
BATCH = 100
"""Connections in one look, so that thousands that end together hold nobody up."""
BETWEEN_BATCHES = 0.01
HELD_UP = 0.1
"""Seconds by which a look comes late where the process has more to do than it can."""
LEAVING_SECONDS = 5.0
"""How long a client may take to hear that its connection is closed."""

Handlers = Mapping[Any, ConnectionHandler]


class _Body:
    """What is known of a client's request: see :class:`.phases.Body`."""

    __slots__ = ("_handlers", "flow")

    def __init__(self, flow: http.HTTPFlow, handlers: Handlers) -> None:
        self.flow = flow
        self._handlers = handlers

    def received(self) -> int | None:
        """As asked for."""
        flow = self.flow
        if flow.request.timestamp_end is not None or flow.intercepted:
            return None
        counted = getattr(flow.request.stream, "received", None)
        if isinstance(counted, int):
            return counted
        way = self.way()
        return len(way[-1][1].request_body_buf) if way else None

    def over(self) -> bool:
        """As asked for."""
        return not self.flow.live

    def way(self) -> Path:
        """Where it is in mitmproxy's layers; empty if it cannot be found."""
        handler = self._handlers.get(self.flow.client_conn.id)
        return find_stream(handler.layer, self.flow) if handler is not None else []


class _Other:
    """Something else than HTTP is spoken: see :class:`.phases.Body`."""

    def received(self) -> int | None:
        """It has no body."""
        return None

    def over(self) -> bool:
        """mitmproxy says when."""
        return False


class _Open:
    """What is kept of an open connection beside its phases."""

    __slots__ = ("guard", "transport", "waiting")

    def __init__(self, transport: asyncio.WriteTransport | None) -> None:
        self.transport = transport
        self.guard = ExitStack()
        self.waiting: int | None = None
        """The bytes that waited for the client when that was last looked at."""


class Connections:
    """Ends what takes too long, and keeps the number of connections within bounds."""

    def __init__(self, handlers: Handlers) -> None:
        """``handlers`` as for the bridge."""
        self._handlers = handlers
        self._loop = asyncio.get_running_loop()
        self._roll = Roll()
        self._open: dict[str, _Open] = {}
        self._bounds = Bounds()
        self._most = self._bounds.connections
        self._wheel: Wheel[Connection] = Wheel(TICK)
        self._leaving = Leaving()
        self._report = Report()
        self._timer: asyncio.TimerHandle | None = None
        self._waited = False

    def obey(self, bounds: Bounds, most: int) -> None:
        """Other bounds are in force, and never more than ``most`` connections."""
        self._bounds = bounds
        if most < bounds.connections and most != self._most:
            logger.info(
                "Clients may have %d connections at a time, and not %d: the process may not open "
                "more files (ulimit -n).",
                most,
                bounds.connections,
            )
        self._most = min(bounds.connections, most)
        now = self._loop.time()
        for connection in self._roll:
            self._wheel.by(connection, now)
        self._arm()

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def connected(self, client: Client) -> None:
        """A client has come. Where nobody makes room for it, it is refused."""
        handler = self._handlers.get(client.id)
        if handler is None:
            return
        state = self._open[client.id] = _Open(transport_of(handler))
        if client.transport_protocol == "tcp":
            # mitmproxy's own limit knows no phases; ours take its place.
            state.guard.enter_context(handler.timeout_watchdog.disarm())
            read_in_turn(handler)
        connection = self._roll.add(client.id, client.peername, self._loop.time())
        setattr(client, HEAD_BEGAN, lambda: self._head_began(connection))
        self._schedule(connection)
        self._make_room(connection, client)

    def disconnected(self, client: Client) -> None:
        """It has gone, or mitmproxy has closed it; what it was sent may still be on its way."""
        state = self._open.pop(client.id, None)
        let_go(client)
        connection = self._roll.get(client.id)
        if connection is not None:
            self._wheel.remove(connection)
            self._roll.remove(connection)
        if state is None or state.transport is None:
            return
        # mitmproxy leaves it open where its own task was waiting for its turn when it was ended.
        state.transport.close()
        if self._leaving.watch(state.transport, self._loop.time(), STALLED_SECONDS):
            self._arm()

    def requested(self, flow: http.HTTPFlow) -> None:
        """A request's head is here."""
        connection = self._roll.get(flow.client_conn.id)
        if connection is not None:
            now = self._loop.time()
            body = _Body(flow, self._handlers)
            self._roll.request_began(connection, Request(flow.id, now, body))
            if self._wheel.by(connection, now + self._bounds.body_time):
                self._arm()

    def proceeded(self, flow: http.HTTPFlow) -> None:
        """A request has all of its body, or all of its answer, or broke off."""
        if flow.error is None:
            complete = flow.request.timestamp_end is not None and flow.response is not None
            if not complete or flow.websocket is not None:
                return
        self._ended(flow.client_conn, flow.id)

    def tunnelled(self, client: Client, key: str) -> None:
        """It speaks something else from now on, whose silence is mitmproxy's business."""
        connection, state = self._roll.get(client.id), self._open.get(client.id)
        if connection is not None and state is not None:
            self._roll.request_began(connection, Request(key, 0.0, _Other()))
            state.guard.close()

    def tunnel_ended(self, client: Client, key: str) -> None:
        """That is over."""
        self._ended(client, key)

    def _ended(self, client: Client, key: str) -> None:
        connection = self._roll.get(client.id)
        if connection is not None and self._roll.request_ended(connection, key, self._loop.time()):
            self._schedule(connection)

    def _head_began(self, connection: Connection) -> None:
        self._roll.head_began(connection, self._loop.time())
        self._schedule(connection)

    def _make_room(self, new: Connection, client: Client) -> None:
        while self._roll.too_many(new, self._most, self._bounds.per_address):
            other = self._roll.in_the_way(new, self._bounds.per_address)
            self._wheel.remove(other)
            self._roll.remove(other)
            if other is new:
                client.error = "There are too many connections."
                self._report.note(Reason.REFUSED)
                break
            self._end(other, Limit(0.0, Reason.ROOM))
        self._arm()

    def _schedule(self, connection: Connection) -> None:
        limit = connection.limit(self._bounds)
        if limit is not None and self._wheel.by(connection, limit.when):
            self._arm()

    def _arm(self) -> None:
        """Look again when it is time, and no sooner."""
        times = (self._wheel.next(), self._leaving.next(), self._report.next())
        when = min((each for each in times if each is not None), default=None)
        if when is None or (self._timer is not None and self._timer.when() <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        # What is overdue already does not make the look a late one.
        when = max(when, self._loop.time())
        self._timer = self._loop.call_at(when, self._look, when)

    def _look(self, when: float) -> None:
        self._timer = None
        now = self._loop.time()
        if now - when > HELD_UP and not self._waited:
            # The clients' bytes have waited as long as we have, and nobody has read them yet.
            self._waited = True
            self._timer = self._loop.call_at(2 * now - when, self._look, now)
            return
        self._waited = False
        looked_at = 0
        for connection in self._wheel.take(now, BATCH):
            looked_at += 1
            try:
                self._look_at(connection, now)
            except Exception:
                logger.exception("Looking at a client's connection failed.")
        self._leaving.look(now, BATCH)
        self._report.tell(now)
        if looked_at == BATCH:
            self._timer = self._loop.call_at(now + BETWEEN_BATCHES, self._look, now)
        else:
            self._arm()

    def _look_at(self, connection: Connection, now: float) -> None:
        for key, request in [*connection.requests.items()]:
            if request.body.over():
                # No hook has told of its end.
                self._roll.request_ended(connection, key, now)
        limit = connection.limit(self._bounds)
        if limit is None:
            self._wheel.by(connection, now + self._bounds.body_time)
        elif limit.when > now:
            self._wheel.by(connection, limit.when)
        elif limit.reason is not Reason.BODY and self._is_ignored(connection):
            self._wheel.by(connection, now + self._bounds.body_time)
        elif limit.reason is Reason.IDLE and self._takes(connection):
            self._wheel.by(connection, now + STALLED_SECONDS)
        else:
            self._end(connection, limit)

    def _is_ignored(self, connection: Connection) -> bool:
        """Whether it turns out to be a tunnel that nobody has told of."""
        handler = self._handlers.get(connection.key)
        if handler is None or not is_ignored(handler.layer.context.layers):
            return False
        self.tunnelled(handler.client, connection.key)
        return True

    def _takes(self, connection: Connection) -> bool:
        """Whether something waits for the client, and less than when that was last looked at."""
        state, handler = self._open.get(connection.key), self._handlers.get(connection.key)
        if state is None or handler is None:
            return False
        before, state.waiting = state.waiting, unsent(handler, state.transport)
        return bool(state.waiting) and (before is None or state.waiting < before)

    def _end(self, connection: Connection, limit: Limit) -> None:
        self._report.note(limit.reason)
        handler, state = self._handlers.get(connection.key), self._open.get(connection.key)
        if handler is None or state is None:
            return
        request = connection.requests.get(limit.request)
        if request is not None and isinstance(request.body, _Body):
            spawn(_end_request(handler, request.body.way()), "end a request that is late")
            self._roll.request_ended(connection, limit.request, self._loop.time())
            if handler.client.alpn == b"h2":
                # The connection goes on.
                self._schedule(connection)
                return
        else:
            spawn(_end_connection(handler, limit.reason), "end a connection")
        if self._leaving.watch(state.transport, self._loop.time(), LEAVING_SECONDS):
            self._arm()


async def _end_request(handler: ConnectionHandler, way: Path) -> None:
    """Answer 408, or reset the stream."""
    if way:
        await part(handler, [*way], _late("body", "gateway.bounds.body_time"))
    else:
        _hang_up(handler)


async def _end_connection(handler: ConnectionHandler, reason: Reason) -> None:
    layers = [*http_layers(handler.layer.context.layers)]
    error = _late("head", "gateway.bounds.head_time") if reason is Reason.HEAD else None
    if len(layers) == 1 and handler.client in layers[0].connections:
        await part(handler, [(layers[0], None)], error)
    else:
        # No HTTP has been spoken yet; or it is spoken inside a tunnel.
        _hang_up(handler)


def _hang_up(handler: ConnectionHandler) -> None:
    """As mitmproxy itself does with those that are silent too long."""
    io = handler.transports.get(handler.client)
    if io is not None and io.handler is not None:
        io.handler.cancel("closed by the gateway")


def _late(what: str, bound: str) -> RequestError:
    return RequestError(
        408,
        f"The {what} of the request did not arrive in time. The gateway's configuration says how "
        f"long that may take ({bound}).",
        code="request_timeout",
    )
