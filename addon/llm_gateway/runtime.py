"""What a configuration becomes, and how one follows another.

A new configuration makes a new runtime. Requests under way finish on the one they began with; the
wires of providers that did not change are handed on with their open connections; the others are
closed when the last request that may use them is done.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from llm_gateway.adapters import KINDS, Kind
from llm_gateway.adapters.openai import recorded
from llm_gateway.api.front_door import FrontDoor
from llm_gateway.api.identity import Identity
from llm_gateway.config import ClientToken, Config, Provider
from llm_gateway.discovery import Discovery
from llm_gateway.dispatch import Dispatcher
from llm_gateway.limits.clients import Clients
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.overview import ClientState, TargetState, of_clients, overview
from llm_gateway.limits.quota import MemoryStore
from llm_gateway.memory import Memory
from llm_gateway.routing import Catalogue
from llm_gateway.secret import Secret
from llm_gateway.tasks import spawn
from llm_gateway.upstream import Upstream, site_of
from llm_gateway.wire import Wire

logger = logging.getLogger(__name__)

MADE_HERE = "made at start"
"""The name of the token that is made where the configuration names none."""

WireFactory = Callable[[Provider], Wire]
Decorator = Callable[[Wire], Wire]


class Kept:
    """What goes on from one configuration to the next."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.gatekeeper = Gatekeeper(store)
        self.clients = Clients(store)
        self.memory = Memory()


class Runtime:
    """One configuration at work."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        wires: Mapping[Provider, Wire],
        publish: Decorator,
        created: int,
        kept: Kept | None = None,
    ) -> None:
        """``wires`` for every provider that is on, which exchanges use through ``publish``.

        ``identity`` knows the clients. ``created`` (seconds since the epoch) dates the models.
        ``kept`` is of earlier exchanges, new if there were none.
        """
        gateway = config.gateway
        self.config = config
        self.wires = wires
        self._identity = identity
        self.front_door = FrontDoor(gateway.virtual_hosts, identity, gateway.max_request_bytes)
        kept = kept or Kept()
        self.clients = kept.clients
        self.catalogue = Catalogue(config, created)
        upstreams = {
            provider.name: Upstream(provider, _kind(provider), site_of(provider), publish(wire))
            for provider, wire in wires.items()
        }
        self.discovery = Discovery(upstreams.values(), self.catalogue.learn)
        gatekeeper = self._gatekeeper = kept.gatekeeper
        gatekeeper.adopt([*config.providers.values()], config.models)
        self.dispatcher = Dispatcher(self.catalogue, upstreams, gateway, gatekeeper, kept.memory)
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @contextmanager
    def in_use(self) -> Iterator[Self]:
        """Keeps the wires open while a request is served."""
        self._users += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    def overview(self) -> list[TargetState]:
        """How every target stands: quota, breakers, queue."""
        return overview(self.config, self._gatekeeper)

    def clients_overview(self) -> list[ClientState]:
        """What is left to every client."""
        return of_clients(self._identity.tokens, self.clients)

    def wire(self, provider: str) -> Wire | None:
        """The provider's wire itself, unpublished; None if it is unknown or switched off."""
        return next((wire for p, wire in self.wires.items() if p.name == provider), None)

    async def wait_unused(self) -> None:
        """Until no request is served by this runtime."""
        await self._unused.wait()


class Engine:
    """The current runtime, and the orderly end of those before it. Made inside the event loop."""

    def __init__(
        self,
        make_wire: WireFactory,
        publish: Decorator,
        fallback_token: Secret,
        created: int,
        learnt: Callable[[], None] = lambda: None,
    ) -> None:
        """``fallback_token`` is the clients' token where the configuration names none. ``learnt``
        is told when there is one more secret.
        """
        self._make_wire = make_wire
        self._publish = publish
        self._fallback_token = ClientToken.of(MADE_HERE, fallback_token)
        self._created = created
        self._learnt = learnt
        self._tokens: tuple[ClientToken, ...] = (self._fallback_token,)
        self._texts: dict[bytes, Secret] = {}
        """Current tokens of which the configuration has the digest alone, by that: those that
        clients have come with."""
        self._current: Runtime | None = None
        self._retiring: asyncio.Task[None] | None = None
        self._open: set[Wire] = set()
        self._kept = Kept()

    @property
    def tokens(self) -> tuple[Secret, ...]:
        """The clients' current tokens, as far as they are known."""
        texts = (each.secret or self._texts.get(each.digest) for each in self._tokens)
        return tuple(filter(None, texts))

    @property
    def is_running(self) -> bool:
        """Whether there is a configuration to serve requests by."""
        return self._current is not None

    @property
    def current(self) -> Runtime:
        """The runtime that new requests are served by."""
        if self._current is None:
            raise RuntimeError("the engine has no configuration yet")
        return self._current

    def secrets(self) -> Iterator[Secret]:
        """Every current token and key."""
        yield from self.tokens
        if self._current is not None:
            for provider in self._current.config.providers.values():
                yield from (credential.secret for credential in provider.credentials)

    def adopt(self, config: Config) -> None:
        """Serve new requests by ``config``. What making its wires raises changes nothing."""
        old = self._current
        known = old.wires if old else {}
        wires = self._make_wires(config, known)
        self._open.update(wires.values())
        self._tokens = config.gateway.tokens or (self._fallback_token,)
        current = {each.digest for each in self._tokens}
        self._texts = {digest: each for digest, each in self._texts.items() if digest in current}
        self._current = Runtime(
            config,
            Identity(self._tokens, self._learn),
            wires,
            self._publish,
            self._created,
            self._kept,
        )
        if old is not None:
            old.discovery.stop()
            self._current.catalogue.inherit(old.catalogue)
            retirement = self._retire(old, wires, self._retiring)
            self._retiring = spawn(retirement, "close the wires of the old configuration")
        self._current.discovery.start()

    def _learn(self, token: ClientToken, text: str) -> None:
        """A client has come with a token of which only the digest was known."""
        if token.digest not in self._texts and token in self._tokens:
            self._texts[token.digest] = Secret(text)
            self._learnt()

    def _make_wires(self, config: Config, known: Mapping[Provider, Wire]) -> dict[Provider, Wire]:
        wires: dict[Provider, Wire] = {}
        try:
            for provider in config.providers.values():
                if provider.off is None:
                    wires[provider] = known.get(provider) or self._make_wire(provider)
        except BaseException:
            for provider, wire in wires.items():
                if provider not in known:
                    spawn(self._close(wire), "close a wire that is not needed")
            raise
        return wires

    async def close(self) -> None:
        """Close every wire; answers still under way break off."""
        if self._current is not None:
            self._current.discovery.stop()
        if self._retiring is not None:
            self._retiring.cancel()
        for wire in [*self._open]:
            await self._close(wire)

    async def _retire(
        self, old: Runtime, kept: Mapping[Provider, Wire], before: asyncio.Task[None] | None
    ) -> None:
        # A wire may be older than its runtime, so the runtimes before it must be done as well.
        if before is not None:
            await before
        await old.wait_unused()
        for provider, wire in old.wires.items():
            if provider not in kept:
                await self._close(wire)

    async def _close(self, wire: Wire) -> None:
        self._open.discard(wire)
        try:
            await wire.close()
        except Exception:
            logger.exception("A provider's connections could not be closed.")


def _kind(provider: Provider) -> Kind:
    """What it speaks; recordings are no kind that a configuration can name."""
    return recorded.KIND if provider.kind == recorded.NAME else KINDS[provider.kind]
