"""The mitmproxy addon: hooks and options, nothing else.

A hook that raises *fails open* in mitmproxy: the flow goes on to the reverse target with the
client's credentials. So every hook here is guarded and fails closed, with a 500 of ours; and as
long as ``passthrough`` is off, no server connection is opened at all.
"""

import asyncio
import functools
import gc
import logging
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader, traverse
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.log import ALERT
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from llm_gateway import banner, config, host
from llm_gateway.adapters import KINDS
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.check import self_check
from llm_gateway.bridge.clients import LiveClients
from llm_gateway.bridge.hooks import speed_up
from llm_gateway.bridge.kill import wake_on_kill
from llm_gateway.bridge.responses import error_response
from llm_gateway.draining import Draining
from llm_gateway.echo import EchoWire
from llm_gateway.entrance import Entrance, is_admitted
from llm_gateway.errors import InternalError
from llm_gateway.http_wire import HttpWire
from llm_gateway.inspect import logs
from llm_gateway.inspect.attempts import EXCHANGE, Publisher
from llm_gateway.inspect.masking import hide_credentials
from llm_gateway.inspect.watchers import someone_watches
from llm_gateway.reload import FileWatch
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.tasks import spawn
from llm_gateway.wire import Wire

logger = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("provider_config.yaml")
RELOAD_SECONDS = 1.0
"""How often the configuration files are looked at."""


def fail_closed(hook: Callable[["AIProxy", http.HTTPFlow], None]) -> Callable[..., None]:
    """A flow hook that answers 500 where it would raise, and forwards nothing."""

    @functools.wraps(hook)
    def guarded(self: "AIProxy", flow: http.HTTPFlow) -> None:
        try:
            hook(self, flow)
        except Exception as error:
            self.fail(flow, error)

    return guarded


def fail_closed_async(
    hook: Callable[["AIProxy", http.HTTPFlow], Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """The same for an asynchronous hook."""

    @functools.wraps(hook)
    async def guarded(self: "AIProxy", flow: http.HTTPFlow) -> None:
        try:
            await hook(self, flow)
        except Exception as error:
            self.fail(flow, error)

    return guarded


class AIProxy:
    """The gateway as mitmproxy sees it."""

    name = "ai_proxy"

    def __init__(self) -> None:
        self._token = Secret(secrets.token_urlsafe(24))
        self._watched: bool | None = None
        self._addons: list[object] = []
        self._files = FileWatch()
        self._reloader: asyncio.Task[None] | None = None

    def load(self, loader: Loader) -> None:
        """Declare our option, and set those of mitmproxy's that must be set."""
        loader.add_option(
            "ai_config",
            str,
            "",
            "The gateway's configuration file. Default: provider_config.yaml in the working "
            "directory; without one, the built-in demo provider.",
        )
        host.set_required_options(ctx.options)
        speed_up(ctx.master.addons)
        wake_on_kill()
        self._proxyserver = proxyserver()
        self._bridge = Bridge(self._proxyserver.connections)
        self._publisher = Publisher(ctx.master.addons, self._someone_watches)
        self._engine = Engine(make_wire, self._publisher.wrap, self._token, int(time.time()))
        self._draining = Draining()
        self._entrance = Entrance(self._engine, self._bridge, self._publisher, self._draining)
        logs.install(logs.CredentialFilter(lambda: self._engine.tokens))

    def configure(self, updated: set[str]) -> None:
        """Obey changed options. Raises OptionsError, and then nothing has changed."""
        self._watched = None
        host.check_options(ctx.options)
        if "ai_config" in updated:
            try:
                self._adopt(read_config(or_demo=True))
            except config.ConfigError as error:
                message = f"The configuration is refused.\n{error}"
                if self._engine.is_running:
                    raise exceptions.OptionsError(message) from None
                # At start mitmproxy would wrap an OptionsError in a traceback; a logged error
                # ends the start as well.
                logger.error(message)

    def running(self) -> None:
        """Say what runs, and begin to watch the configuration. Errors logged here end the start."""
        self._watched = None
        for name in host.mistyped_options(ctx.options):
            logger.error("Unknown option %s: the gateway's only option is ai_config.", name)
        for complaint in self_check(self._proxyserver, ctx.options):
            logger.warning("Answers will be sent whole, not streamed: %s", complaint)
            self._bridge.disable()
        self._announce()
        # What is loaded by now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        self._reloader = spawn(self._watch_files(), "watch the configuration")

    async def done(self) -> None:
        """Let what is under way finish, and close every connection to providers."""
        if self._reloader is not None:
            self._reloader.cancel()
        try:
            if self._engine.is_running:
                await self._drain()
        except Exception:
            logger.exception("The gateway failed to stop in good order.")
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
        clients = LiveClients(self._proxyserver.connections, is_admitted)
        seconds = self._engine.current.config.gateway.drain
        await self._draining.drain(clients, seconds, again)

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on a request before its body is read."""
        self._entrance.requestheaders(flow)

    @fail_closed_async
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer whole what cannot be streamed."""
        await self._entrance.request(flow)

    @fail_closed
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Let no tunnel through to foreign hosts."""
        self._entrance.http_connect(flow)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Let mitmproxy open no connection that was not allowed."""
        try:
            self._entrance.server_connect(data)
        except Exception:
            logger.exception("The gateway failed in server_connect.")
            data.server.error = "The gateway failed."

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The flow has its answer, perhaps not from us."""
        self._bridge.settle(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """The flow is over without an answer: stop working for it."""
        try:
            self._bridge.cancel(flow)
        except Exception:
            logger.exception("The gateway failed in error.")

    def client_disconnected(self, client: Client) -> None:
        """The client has left: stop working for it."""
        try:
            self._bridge.client_gone(client)
        except Exception:
            logger.exception("The gateway failed in client_disconnected.")

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

    def _adopt(self, new: config.Config) -> None:
        self._engine.adopt(new)
        # What was seen of the files before this was read: a change since then is another change.
        self._files = FileWatch((*new.watched, config_path().absolute()), self._files)

    def _announce(self) -> None:
        """Say what is served; and how to use it, where only we know the token."""
        current = self._engine.current.config
        listening = self._proxyserver.listen_addrs()
        addresses = [host.http_url(address) for address in listening]
        logger.log(ALERT, banner.start_block(current, addresses))
        if current.gateway.tokens or not listening:
            return
        if host.is_quiet(ctx.options):
            logger.error("AUTH_TOKEN is not set, and with -q nobody would see a token made here.")
        else:
            base_url = f"{host.base_url(listening[0], current.gateway.virtual_hosts)}/v1"
            logger.log(ALERT, banner.invitation(current, base_url, self._token))

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                if self._files.changed():
                    await self._reload()
            except Exception:
                logger.exception("Reading the configuration again failed; the old one stays.")

    async def _reload(self) -> None:
        current = self._engine.current.config
        try:
            # In a thread: a large file takes the YAML parser a while. The demo is for who never
            # had a file; a file that vanishes is being written, or a mistake.
            new = await asyncio.to_thread(read_config, or_demo=current.source == config.DEMO_SOURCE)
            if new == current:
                logger.info("The configuration %s is as it was.", new.source)
                return
            self._adopt(new)
        except config.ConfigError as error:
            logger.error("The changed configuration is refused, the old one stays.\n%s", error)
        else:
            logger.log(ALERT, "The configuration %s was read again.", new.source)
            self._announce()

    def _someone_watches(self) -> bool:
        # Scripts come and go, and change, without an option changing.
        addons = [*traverse(ctx.master.addons.chain)]
        if self._watched is None or addons != self._addons:
            self._watched = someone_watches(ctx.master.addons.chain, ctx.options, self)
            self._addons = addons
        return self._watched


def proxyserver() -> Proxyserver:
    """mitmproxy's own addon that knows every client connection."""
    addon = ctx.master.addons.get("proxyserver")
    if not isinstance(addon, Proxyserver):
        raise exceptions.OptionsError("The gateway needs mitmproxy's proxyserver addon.")
    return addon


def config_path() -> Path:
    """The configuration file that the option names."""
    return Path(ctx.options.ai_config).expanduser() if ctx.options.ai_config else DEFAULT_CONFIG


def read_config(*, or_demo: bool) -> config.Config:
    """The configuration; perhaps, where there is no file, the demo. Raises ConfigError."""
    path = config_path()
    if or_demo and not ctx.options.ai_config and not path.exists():
        return config.demo(Path(), os.environ)
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    return config.load(path, os.environ, kinds)


def make_wire(provider: config.Provider) -> Wire:
    """The way to one provider. Raises ConfigError."""
    if provider.kind == "echo":
        return EchoWire(provider)
    try:
        return HttpWire(provider)
    except ValueError:
        raise config.ConfigError(
            [
                config.Problem(
                    "environment",
                    0,
                    f"providers.{provider.name}",
                    "expected HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to be a proxy's URL",
                )
            ]
        ) from None
