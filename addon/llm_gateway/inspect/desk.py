"""All that is for people who look at the gateway: rows, views, the page, commands, what is kept."""

from collections.abc import Callable, Iterable

from mitmproxy import flow, http
from mitmproxy.addonmanager import traverse
from mitmproxy.connection import Address
from mitmproxy.master import Master

from llm_gateway import config, prices
from llm_gateway.adapters.contract import Usage
from llm_gateway.injection import Faults
from llm_gateway.inspect import crash, keep, logs, views
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.inspect.commands.addon import Commands
from llm_gateway.inspect.commands.fault import FaultCommands
from llm_gateway.inspect.page.place import Place
from llm_gateway.inspect.screen import screen_of, show_comments
from llm_gateway.inspect.watchers import someone_watches
from llm_gateway.known import without_credentials
from llm_gateway.masks import Masks
from llm_gateway.runtime import Engine
from llm_gateway.wire import Wire

_FILES = ("save_stream_file", "hardump")
"""mitmproxy's options that write flows to files."""


class Desk:
    """Made when the addon is loaded; opened when mitmproxy runs."""

    def __init__(self, master: Master, ours: object) -> None:
        """``ours`` is the addon, which itself is nobody that watches."""
        self._master = master
        self._ours = ours
        self._engine: Engine | None = None
        self._watched: bool | None = None
        self._chain: list[object] = []
        self._parents: list[object] = []
        self._nested: list[object] = []
        self._screen = screen_of(master)
        self._keep = keep.keep_flows(master)
        self.masks = Masks()
        self.faults = Faults()
        self.page = Place(master, self._price)
        self.publisher = Publisher(
            master.addons,
            self._is_watched,
            self._price,
            self._screen,
            also=filter(None, [self.page.statistics]),
            masks=self.masks,
        )
        views.install(self.publisher.kin)

    def open(self, engine: Engine) -> None:
        """mitmproxy runs: show the comments, serve the page, and have prices ready."""
        show_comments(self._master.options)
        self.page.open(self._master, lambda: engine.current)
        if self._is_priced():
            prices.load(engine.current.config.providers.values())

    def command(
        self,
        engine: Engine,
        reload: Callable[[], None],
        listening: Callable[[], Iterable[Address]],
    ) -> None:
        """Give mitmproxy our commands, and have its log masked."""
        self._engine = engine
        commands = self._master.commands
        commands.collect_commands(Commands(engine, self.publisher.kin, reload, listening))
        commands.collect_commands(
            FaultCommands(self.faults, lambda: engine.current.catalogue.names)
        )
        logs.install(logs.LogFilter(self.masks))
        crash.install(lambda text: without_credentials(self.masks.hide_secrets(text)))

    def wrap(self, wire: Wire) -> Wire:
        """What exchanges use: a fault that is injected is an attempt like any other."""
        return self.publisher.wrap(self.faults.wrap(wire))

    def adopted(self, new: config.Config) -> None:
        """Another configuration is in force."""
        if self._engine is not None:
            self.masks.adopt(new.gateway.mask, self._engine.secrets())

    def learnt(self) -> None:
        """There is one more secret: a client has shown a token that was known by its hash."""
        if self._engine is not None:
            self.adopted(self._engine.current.config)

    def configure(self, updated: Iterable[str]) -> None:
        """Obey changed options. Raises ValueError, whose text is for people."""
        self._watched = None
        if "ai_keep_flows" in updated:
            self._keep.limit(keep.number(self._master.options.ai_keep_flows))

    def began(self, each: flow.Flow) -> None:
        """A flow has begun; it may push others out of the list."""
        self._keep.began(each)

    def ended(self, each: flow.Flow) -> None:
        """A flow is over: say what became of it."""
        if isinstance(each, http.HTTPFlow):
            self.publisher.rows.settle(each)
        self._keep.ended(each)

    def _price(self, target: str, usage: Usage) -> float | None:
        if self._engine is None or not self._is_priced():
            return None
        name, _, model = target.partition("/")
        provider = self._engine.current.config.providers.get(name)
        return None if provider is None else prices.cost(provider, model, usage)

    def _is_priced(self) -> bool:
        """Whether anybody would see a price: the table takes 30 MB."""
        options = self._master.options
        return self._screen.has_list or any(getattr(options, name, None) for name in _FILES)

    def _is_watched(self) -> bool:
        # Scripts come and go, and change, without an option changing.
        chain = self._master.addons.chain
        same = chain == self._chain and [*traverse(self._parents)] == self._nested
        if self._watched is None or not same:
            self._watched = someone_watches(chain, self._master.options, self._ours)
            self._chain = [*chain]
            self._parents = [each for each in chain if hasattr(each, "addons")]
            self._nested = [*traverse(self._parents)]
        return self._watched
