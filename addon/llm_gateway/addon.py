"""The mitmproxy addon: hooks and options, nothing else.

A hook that raises *fails open* in mitmproxy: the flow goes on to the reverse target with the
client's credentials. So every hook here is guarded and fails closed, with a 500 of ours; and as
long as ``passthrough`` is off, no server connection is opened at all.
"""

import asyncio
import gc
import logging
import secrets
import time

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.log import ALERT
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tcp import TCPFlow

from llm_gateway import banner, config, descriptors, host
from llm_gateway.adapters.openai import recorded
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.check import self_check
from llm_gateway.bridge.clients import LiveClients
from llm_gateway.bridge.connections import Connections
from llm_gateway.bridge.dialling import Dialling
from llm_gateway.bridge.failing import fail_closed, fail_closed_async, raise_nothing
from llm_gateway.bridge.guard import guard_check, guard_clients, unguard_clients
from llm_gateway.bridge.hooks import speed_up
from llm_gateway.bridge.kill import wake_on_kill
from llm_gateway.bridge.listening import Listening, calm_exhaustion
from llm_gateway.bridge.responses import error_response
from llm_gateway.draining import Draining
from llm_gateway.entrance import Entrance
from llm_gateway.errors import InternalError
from llm_gateway.fence import Fence
from llm_gateway.inspect import arrivals, keep, logs
from llm_gateway.inspect.desk import Desk
from llm_gateway.inspect.masking import hide_credentials
from llm_gateway.inspect.metadata import EXCHANGE, is_attempt, is_client
from llm_gateway.recordings import playback
from llm_gateway.recordings.playback import Playback, PlaybackError
from llm_gateway.recordings.wire import Pace
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.source import Source
from llm_gateway.tasks import spawn
from llm_gateway.wire import Wire
from llm_gateway.wires import wire_to

logger = logging.getLogger(__name__)

OPTIONS = (
    (
        "ai_config",
        "",
        "The gateway's configuration file. Default: provider_config.yaml in the working directory; "
        "without one, the built-in demo provider.",
    ),
    (playback.FILE, "", playback.HELP[playback.FILE]),
    (playback.PACE, str(Pace.NONE), playback.HELP[playback.PACE]),
    (
        "ai_keep_flows",
        keep.DEFAULT,
        "How many flows mitmweb and the console keep of what traffic brings; the oldest are "
        "dropped. 0: all. Those that are live, intercepted or marked by hand stay.",
    ),
)
"""Name, default and help of each. All are text: mitmproxy drops the addon, and forwards everything,
where an option of another type has a value that it cannot have."""


class AIProxy:
    """The gateway as mitmproxy sees it."""

    name = "ai_proxy"

    def __init__(self) -> None:
        self._token = Secret(secrets.token_urlsafe(24))
        self._mark = secrets.token_hex(8)
        self._descriptors = descriptors.raise_limit()
        self._playback = Playback()
        self._watching: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    def load(self, loader: Loader) -> None:
        """Declare our options, and set those of mitmproxy's that must be set."""
        for name, default, help_text in OPTIONS:
            loader.add_option(name, str, default, help_text)
        host.set_required_options(ctx.options)
        host.guard_options(ctx.options)
        speed_up(ctx.master.addons)
        wake_on_kill()
        arrivals.install(time.monotonic)
        self._proxyserver = proxyserver()
        self._listening = Listening(self._proxyserver)
        self._bridge = Bridge(self._proxyserver.connections)
        self._connections = Connections(self._proxyserver.connections)
        self._desk = Desk(ctx.master, self)
        self._engine = Engine(
            self._wire_to, self._desk.wrap, self._token, int(time.time()), self._desk.learnt
        )
        guard_clients(lambda: self._engine.current.config.gateway)
        self._fence = Fence(
            lambda: host.own_listeners(self._proxyserver.listen_addrs(), ctx.options)
        )
        self._source = Source(
            lambda: str(ctx.options.ai_config),
            self._engine,
            self._playback,
            check=self._fence.check,
            adopted=self._adopted,
            changed=self._changed,
        )
        self._desk.command(self._engine, self._source.reload, self._proxyserver.listen_addrs)
        self._dialling = Dialling(self._fence, self._proxyserver.connections)
        self._draining = Draining()
        self._entrance = Entrance(
            self._engine, self._bridge, self._desk.publisher, self._draining, self._mark
        )

    def configure(self, updated: set[str]) -> None:
        """Obey changed options. Raises OptionsError, and then nothing has changed."""
        host.check_options(ctx.options)
        try:
            self._desk.configure(updated)
            self._playback.obey(ctx.options, updated)
            if not updated.isdisjoint(("ai_config", "ai_replay")):
                self._source.begin()
        except config.ConfigError as error:
            self._refuse(f"The configuration is refused.\n{error}")
        except (PlaybackError, ValueError) as error:
            self._refuse(str(error))

    def _refuse(self, message: str) -> None:
        """Refuse changed options. mitmweb shows the message, and it may quote a file."""
        message = self._desk.masks.hide_secrets(message)
        if self._engine.is_running:
            raise exceptions.OptionsError(message) from None
        # At start mitmproxy would wrap an OptionsError in a traceback; a logged error ends the
        # start as well.
        logger.error(message)

    def running(self) -> None:
        """Say what runs, and begin to watch the configuration. Errors logged here end the start."""
        for name in host.mistyped_options(ctx.options):
            known = ", ".join(host.own_options(ctx.options))
            logger.error("Unknown option %s: the gateway's options are %s.", name, known)
        for exposure in host.exposures(ctx.options):
            logger.warning(exposure)
        for complaint in self_check(self._proxyserver, ctx.options):
            logger.warning("Answers will be sent whole, not streamed: %s", complaint)
            self._bridge.disable()
        for complaint in [*guard_check(ctx.options)]:
            logger.warning("Clients' heads and frames are not bounded: %s", complaint)
            unguard_clients()
        try:
            self._fence.check(self._engine.current.config)
        except config.ConfigError as error:
            logger.error("The configuration is refused.\n%s", error)
        self._desk.open(self._engine)
        self._announce()
        calm_exhaustion(asyncio.get_running_loop())
        # What is loaded by now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        self._watching = spawn(self._source.watch(), "watch the configuration")
        # When those of mitmproxy's addons that come after this one are running, too.
        asyncio.get_running_loop().call_soon(self._ready.set)

    async def done(self) -> None:
        """Let what is under way finish, and close every connection to providers."""
        if self._watching is not None:
            self._watching.cancel()
        try:
            if self._engine.is_running:
                await self._drain()
        except Exception:
            logger.exception("The gateway failed to stop in good order.")
        self._connections.close()
        await self._engine.close()

    async def _drain(self) -> None:
        """See Draining. mitmproxy serves on until this is done."""
        # A second signal sets again what the first one has set; nobody else looks at it any more.
        again = ctx.master.should_exit
        again.clear()
        self._draining.stopping = self._bridge.closing = True
        try:
            await self._proxyserver.servers.update(())
        except Exception:
            logger.exception("The gateway failed to stop listening; it answers 503 now.")
        clients = LiveClients(self._proxyserver.connections, is_client)
        seconds = self._engine.current.config.gateway.drain
        await self._draining.drain(clients, seconds, again)

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a request before its body is read."""
        if not is_attempt(flow):
            self._connections.requested(flow)
        self._desk.began(flow)
        self._entrance.requestheaders(flow)

    @fail_closed_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer whole what cannot be streamed."""
        self._connections.proceeded(flow)
        await self._entrance.request(flow)

    @fail_closed
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Let no tunnel through to foreign hosts."""
        self._entrance.http_connect(flow)

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Let mitmproxy open no connection that was not allowed."""
        try:
            self._entrance.server_connect(data)
            if not data.server.error:
                await self._dialling.before(data)
        except Exception:
            logger.exception("The gateway failed in server_connect.")
            data.server.error = "The gateway failed."

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Nor one that led elsewhere than was looked up."""
        try:
            self._dialling.after(data)
        except Exception:
            logger.exception("The gateway failed in server_connected.")
            self._dialling.cut(data.server)

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The flow has its answer, perhaps not from us."""
        self._connections.proceeded(flow)
        self._bridge.settle(flow)
        if ctx.options.store_streamed_bodies:
            self._entrance.kept_by_mitmproxy(flow)
        self._entrance.over(flow)
        self._desk.ended(flow)

    @raise_nothing
    def error(self, flow: http.HTTPFlow) -> None:
        """The flow is over without an answer: stop working for it."""
        self._connections.proceeded(flow)
        self._bridge.cancel(flow)
        self._entrance.over(flow)
        self._desk.ended(flow)

    @raise_nothing
    def tcp_start(self, flow: TCPFlow) -> None:
        """What passes through a tunnel to another host is kept as well."""
        self._connections.tunnelled(flow.client_conn, flow.id)
        self._desk.began(flow)

    @raise_nothing
    def tcp_end(self, flow: TCPFlow) -> None:
        """It is over."""
        self._connections.tunnel_ended(flow.client_conn, flow.id)
        self._desk.ended(flow)

    @raise_nothing
    def tcp_error(self, flow: TCPFlow) -> None:
        """It is over, and broken."""
        self._connections.tunnel_ended(flow.client_conn, flow.id)
        self._desk.ended(flow)

    @raise_nothing
    def websocket_start(self, flow: http.HTTPFlow) -> None:
        """Another host answers in WebSocket frames from now on."""
        self._connections.tunnelled(flow.client_conn, flow.id)

    @raise_nothing
    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """It is over."""
        self._connections.tunnel_ended(flow.client_conn, flow.id)

    async def client_connected(self, client: Client) -> None:
        """A client has connected: is there room for it?

        It waits until everything is ready. mitmproxy listens before that, its addon for TLS fails
        on a request then, and whatever is logged as an error during the start ends the process.
        """
        self._connect(client)
        await self._ready.wait()

    @raise_nothing
    def _connect(self, client: Client) -> None:
        self._connections.connected(client)

    @raise_nothing
    def client_disconnected(self, client: Client) -> None:
        """The client has left: stop working for it."""
        self._connections.disconnected(client)
        self._bridge.client_gone(client)

    def fail(self, flow: http.HTTPFlow, error: Exception) -> None:
        """Answer 500 in place of whatever would have happened."""
        logger.error("The gateway failed on a request.", exc_info=error)
        hide_credentials(flow)
        response = error_response(
            InternalError(type(error).__name__), flow.metadata.get(EXCHANGE, flow.id)
        )
        if not self._bridge.answer_streamed(flow, response):
            flow.request.stream = False
            flow.response = response

    def _wire_to(self, provider: config.Provider) -> Wire:
        if provider.kind == recorded.NAME:
            return self._playback.wire(self._desk.masks.hide)
        return wire_to(provider, self._mark)

    def _adopted(self, new: config.Config) -> None:
        self._desk.adopted(new)
        providers = (each.http.max_connections for each in new.providers.values() if not each.off)
        most = descriptors.left_for_clients(self._descriptors, sum(providers))
        self._connections.obey(new.gateway.bounds, most)

    def _changed(self, new: config.Config) -> None:
        logger.log(ALERT, "The configuration %s was read again.", new.source)
        self._announce()

    def _announce(self) -> None:
        """Say what is served; and how to use it, where only we know the token."""
        current = self._engine.current.config
        listening = self._proxyserver.listen_addrs()
        addresses = [host.http_url(address) for address in listening]
        logger.log(ALERT, banner.start_block(current, addresses, self._desk.page.address))
        if self._playback.summary:
            logger.log(ALERT, self._playback.summary)
        if current.gateway.tokens or not listening:
            return
        if host.is_quiet(ctx.options):
            logger.error("AUTH_TOKEN is not set, and with -q nobody would see a token made here.")
        else:
            base_url = f"{host.base_url(listening[0], current.gateway.virtual_hosts)}/v1"
            invitation = banner.invitation(current, base_url, self._token)
            logger.log(ALERT, invitation, extra=logs.SHOWN)


def proxyserver() -> Proxyserver:
    """mitmproxy's own addon that knows every client connection."""
    addon = ctx.master.addons.get("proxyserver")
    if not isinstance(addon, Proxyserver):
        raise exceptions.OptionsError("The gateway needs mitmproxy's proxyserver addon.")
    return addon
