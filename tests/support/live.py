"""mitmproxy's HTTP layer on a real socket, without the rest of mitmproxy.

The layer, the connection handler and the event loop's eager tasks are mitmproxy's own; only the
hooks go to one plain object of the test's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, override

from mitmproxy import options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import commands, layer, mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.server import ConnectionHandler, LiveConnectionHandler

REVERSE = mode_specs.ProxyMode.parse("reverse:http://127.0.0.1:1")
REGULAR = mode_specs.ProxyMode.parse("regular")


@dataclass(frozen=True)
class Live:
    """A listening HTTP layer; `handlers` by client connection id, as the proxyserver addon has."""

    port: int
    handlers: dict[str, ConnectionHandler]


class _Handler(LiveConnectionHandler):
    """Serves one connection; runs each hook that `addon` has."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        opts: options.Options,
        addon: object,
    ) -> None:
        regular = "regular" in opts.mode
        super().__init__(reader, writer, opts, REGULAR if regular else REVERSE)
        context = Context(self.client, opts)
        if not regular:
            context.server.address = ("127.0.0.1", 1)
        self.layer = HttpLayer(context, HTTPMode.regular if regular else HTTPMode.transparent)
        self._addon = addon

    @override
    async def handle_hook(self, hook: commands.StartHook) -> None:
        if isinstance(hook, layer.NextLayerHook):
            [next_layer] = hook.args()
            next_layer.layer = HttpLayer(next_layer.context, HTTPMode.transparent)
        function = getattr(self._addon, hook.name, None)
        if function is not None:
            result: Awaitable[None] | None = function(*hook.args())
            if result is not None:
                await result


class _OptionLoader:
    """Takes the options that an addon declares, without a master that would be told."""

    def __init__(self, opts: options.Options) -> None:
        self.add_option = opts.add_option


def proxy_options(**values: Any) -> options.Options:
    """mitmproxy's options with those of the proxyserver addon, as the gateway needs them."""
    opts = options.Options()
    loader: Any = _OptionLoader(opts)
    Proxyserver().load(loader)
    opts.update(keep_host_header=True, connection_strategy="lazy", **values)
    return opts


@asynccontextmanager
async def live_layer(
    addon: object, handlers: dict[str, ConnectionHandler], **values: Any
) -> AsyncIterator[Live]:
    """Listen on loopback and give every connection an HTTP layer whose hooks are `addon`'s."""
    opts = proxy_options(**values)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = _Handler(reader, writer, opts, addon)
        handlers[handler.client.id] = handler
        try:
            await handler.handle_client()
        finally:
            del handlers[handler.client.id]

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield Live(server.sockets[0].getsockname()[1], handlers)
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop.set_task_factory(None)
