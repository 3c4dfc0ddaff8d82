"""Where the page is served, and what it takes: nothing at all except under mitmweb."""

import importlib
from collections.abc import Callable

from mitmproxy.master import Master

from llm_gateway.host import http_url
from llm_gateway.inspect.page.facts import gather
from llm_gateway.inspect.screen import is_web
from llm_gateway.prices import Price
from llm_gateway.runtime import Runtime
from llm_gateway.statistics import Statistics

PATH = "/ai/"


class Place:
    """``statistics`` is to be told of all exchanges; None where nobody could look at it."""

    def __init__(self, master: Master, price: Price) -> None:
        self.statistics = Statistics(price) if is_web(master) else None
        self.address: str | None = None
        """The page's, once it is open; without mitmweb's token."""

    def open(self, master: Master, runtime: Callable[[], Runtime]) -> None:
        """Serve the page, if there is a place for it. ``runtime`` gives the current one."""
        statistics = self.statistics
        if statistics is None:
            return
        # Only here: the import takes mitmdump half a second.
        handlers = importlib.import_module("llm_gateway.inspect.page.handlers")
        handlers.install(master, lambda: gather(runtime(), statistics))
        host, port = master.options.web_host, master.options.web_port
        self.address = http_url((host or "127.0.0.1", port)) + PATH
