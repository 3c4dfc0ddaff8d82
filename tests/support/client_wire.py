"""A client's connection without a network: bytes into mitmproxy's HTTP layer, bytes out of it."""

from collections.abc import Callable

from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpLayer,
    HTTPMode,
    HttpRequestHeadersHook,
    HttpRequestHook,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server

from support.live import REVERSE, proxy_options

CLIENT = ("192.0.2.1", 4711)


def answer_with_body(flow: http.HTTPFlow) -> None:
    """Answer a request with its method, target and body."""
    request = flow.request
    body = b"%b %b " % (request.data.method, request.data.path) + (request.content or b"")
    flow.response = http.Response.make(200, body)


class ClientWire:
    """A connection that is served by the given server; `request` answers in the hook of the name.

    Hooks are answered at once, unless `request` is None: then they are `waiting`.
    """

    def __init__(
        self,
        server: Callable[[Context], Http1Server | Http2Server],
        request: Callable[[http.HTTPFlow], None] | None = answer_with_body,
        **options: object,
    ) -> None:
        self.client = Client(
            peername=CLIENT, sockname=("", 0), state=ConnectionState.OPEN, proxy_mode=REVERSE
        )
        context = Context(self.client, proxy_options(**options))
        context.server.address = ("127.0.0.1", 1)
        self.layer = HttpLayer(context, HTTPMode.transparent)
        self.server = server(context.fork())
        self.layer.connections[self.client] = self.server
        self._request = request
        self.sent = b""
        self.half_closed = self.closed = False
        self.flows: list[http.HTTPFlow] = []
        self.errors: list[str] = []
        self.log: list[str] = []
        self.wakeups: list[commands.RequestWakeup] = []
        self.waiting: list[commands.StartHook] = []
        self.feed(events.Start())
        self.greeting, self.sent = self.sent, b""

    def feed(self, event: events.Event) -> None:
        """Give it an event, and answer what it asks for."""
        queue = [event]
        while queue:
            for command in self.layer.handle_event(queue.pop(0)):
                self._obey(command, queue)

    def receive(self, data: bytes, *, bytewise: bool = False) -> None:
        """The client has sent this."""
        for piece in [data[n : n + 1] for n in range(len(data))] if bytewise else [data]:
            if not self.closed:
                self.feed(events.DataReceived(self.client, piece))

    def end(self) -> None:
        """The client has closed its side."""
        self.client.state &= ~ConnectionState.CAN_READ
        self.feed(events.ConnectionClosed(self.client))

    def wake(self) -> None:
        """The time has passed that was last asked for."""
        self.feed(events.Wakeup(self.wakeups[-1]))

    def _obey(self, command: commands.Command, queue: list[events.Event]) -> None:
        match command:
            case commands.SendData():
                assert not self.half_closed
                self.sent += command.data
            case commands.CloseTcpConnection(half_close=True):
                self.half_closed = True
                self.client.state &= ~ConnectionState.CAN_WRITE
            case commands.CloseConnection():
                self.closed = True
                self.client.state = ConnectionState.CLOSED
            case commands.RequestWakeup():
                self.wakeups.append(command)
            case commands.Log():
                self.log.append(command.message)
            case commands.StartHook():
                self._hook(command)
                if self._request is not None:
                    queue.append(events.HookCompleted(command))
                elif command.blocking:
                    self.waiting.append(command)

    def _hook(self, hook: commands.StartHook) -> None:
        match hook:
            case HttpRequestHeadersHook():
                self.flows.append(hook.flow)
            case HttpRequestHook() if self._request is not None:
                self._request(hook.flow)
            case HttpErrorHook():
                self.errors.append(hook.flow.error.msg if hook.flow.error else "")
