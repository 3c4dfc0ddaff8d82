"""The addon in a mitmproxy without a network."""

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, override

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.log import ALERT
from mitmproxy.test import taddons

from llm_gateway.addon import AIProxy
from llm_gateway.bridge.guard import unguard_clients
from support.waiting import Changes


class House:
    """An addon that mitmproxy has loaded, and not yet configured."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.addon = AIProxy()
        context.master.addons.add(self.addon)

    def configure(self) -> None:
        """What mitmproxy does when it has loaded a script."""
        self.addon.configure(set(self.context.options.keys()))

    @property
    def source(self) -> str:
        """Where the configuration in force came from."""
        return self.addon._engine.current.config.source

    @property
    def models(self) -> list[str]:
        """The models of the configuration in force."""
        return [model.name for model in self.addon._engine.current.config.models]


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """A house in the working directory; the addon is done in the end."""
    with taddons.context(Proxyserver()) as context:
        try:
            house = House(context)
            yield house
            await house.addon.done()
        finally:
            # The handler would outlive its event loop, and fail on what later tests log.
            context.master._legacy_log_events.uninstall()
            unguard_clients()
            gc.unfreeze()


def start(house: House, caplog: pytest.LogCaptureFixture, *addresses: tuple[Any, ...]) -> str:
    """Start as if mitmproxy listened there; return what was said."""
    caplog.set_level(ALERT)
    house.configure()
    house.addon._proxyserver.listen_addrs = lambda: list(addresses)  # type: ignore[method-assign] # one object's
    house.addon.running()
    return caplog.text


class Listener(logging.Handler):
    """Waits for what is said in the log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__()
        self._caplog = caplog
        self._changes = Changes()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._changes.tell()

    async def hear(self, text: str) -> str:
        """Wait until the text is said; return, and forget, everything said until then."""
        await self._changes.until(lambda: text in self._caplog.text)
        said = self._caplog.text
        self._caplog.clear()
        return said


@contextmanager
def listening(caplog: pytest.LogCaptureFixture) -> Iterator[Listener]:
    """What is said meanwhile."""
    listener = Listener(caplog)
    logging.getLogger().addHandler(listener)
    try:
        yield listener
    finally:
        logging.getLogger().removeHandler(listener)


def run(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Start, and forget what was said of it."""
    start(house, caplog, ("127.0.0.1", 8080))
    caplog.set_level(logging.INFO)
    caplog.clear()
