"""How every target and client stands, for people to see: plain values that change nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_gateway.config import ClientToken, Config, Provider
from llm_gateway.limits.breaker import Breaker, State
from llm_gateway.limits.clients import Clients
from llm_gateway.limits.gate import Gate
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.quota import Reading


@dataclass(frozen=True, slots=True)
class BreakerState:
    """``left`` is for how many seconds it stays open, ``reason`` the code that it opened on."""

    state: State
    left: float
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What the targets of one provider share.

    ``off`` says in words why it is switched off, or is None. ``quotas`` are those of its key. Its
    ``breaker`` is for connections. Of its ``places``, ``running`` are taken, and ``waiting`` calls
    are in the queue for one.
    """

    name: str
    off: str | None
    quotas: tuple[Reading, ...]
    breaker: BreakerState
    running: int
    places: int
    waiting: int


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target, ``label`` being ``provider/model``; ``names`` is what clients ask for.

    It rests for ``parked`` more seconds, 0.0 if not. ``latency`` is about how many seconds its
    answers take to be good, ``idle`` how long ago it was last asked; None: it never was. The latest
    call was told that there will be quota for it in ``spent`` seconds, 0.0 if it was let through.
    """

    label: str
    names: tuple[str, ...]
    provider: ProviderState
    quotas: tuple[Reading, ...]
    breaker: BreakerState
    parked: float
    latency: float | None
    idle: float | None
    spent: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientState:
    """What is left to one client: its quota, and ``running`` requests of ``places``."""

    name: str
    quotas: tuple[Reading, ...]
    running: int
    places: int


def of_clients(tokens: Iterable[ClientToken], clients: Clients) -> list[ClientState]:
    """Every client, in the order of their tokens; those of one name are one."""
    return [
        ClientState(
            name, tuple(clients.quota(token)), clients.running.get(name, 0), token.concurrent
        )
        for name, token in {each.name: each for each in tokens}.items()
    ]


def overview(config: Config, gatekeeper: Gatekeeper) -> list[TargetState]:
    """Every target of the configuration, in its order; then those that were found and asked for."""
    gates = {gate.label: gate for gate in map(gatekeeper.gate, config.models)}
    gates |= {gate.label: gate for gate in gatekeeper.gates if gate.label not in gates}
    names = _names(config)
    providers: dict[str, ProviderState] = {}
    states: list[TargetState] = []
    for label, gate in gates.items():
        provider = config.providers.get(gate.provider.name)
        if provider is None:
            # It is gone from the configuration; an exchange that began before may still use it.
            continue
        if provider.name not in providers:
            providers[provider.name] = _provider(provider, gate)
        states.append(_target(gate, names.get(label, (label,)), providers[provider.name]))
    return states


def _names(config: Config) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for model in config.models:
        found = (*names.get(model.label, ()), model.name, *filter(None, (model.size,)))
        names[model.label] = tuple(dict.fromkeys(map(str, found)))
    return names


def _target(gate: Gate, names: tuple[str, ...], provider: ProviderState) -> TargetState:
    return TargetState(
        label=gate.label,
        names=names,
        provider=provider,
        quotas=tuple(gate.quota()),
        breaker=_breaker(gate.breaker),
        parked=gate.cooldown.left(),
        latency=gate.latency,
        idle=gate.idle,
        spent=gate.spent,
    )


def _provider(provider: Provider, gate: Gate) -> ProviderState:
    throttle = gate.provider.throttle
    return ProviderState(
        name=provider.name,
        off=provider.off,
        quotas=tuple(gate.provider_quota()),
        breaker=_breaker(gate.provider.breaker),
        running=throttle.running,
        places=throttle.places,
        waiting=throttle.waiting,
    )


def _breaker(breaker: Breaker) -> BreakerState:
    return BreakerState(breaker.state, breaker.left, breaker.reason)
