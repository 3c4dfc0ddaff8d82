"""What the page tells: the process's own numbers, and how its targets stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_gateway import __version__
from llm_gateway.inspect.page.words import span
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ClientState, ProviderState, TargetState
from llm_gateway.limits.quota import Reading
from llm_gateway.runtime import Runtime
from llm_gateway.statistics import Snapshot, Statistics
from llm_gateway.tallies import TargetTotals

type Mood = Literal["good", "odd", "bad", "off"]
type Row = tuple[TargetState, TargetTotals | None]
"""A target, and what is known of the calls to it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it; ``source`` names the configuration. Holds no secret. Is JSON, as orjson has it."""

    version: str
    source: str
    statistics: Snapshot
    targets: Sequence[TargetState]
    clients: Sequence[ClientState] = ()


@dataclass(frozen=True, slots=True)
class Sign:
    """How something stands, in a few words."""

    mood: Mood
    words: str


def gather(runtime: Runtime, statistics: Statistics) -> Facts:
    """What is known now."""
    return Facts(
        version=__version__,
        source=runtime.config.source,
        statistics=statistics.snapshot(),
        targets=runtime.overview(),
        clients=runtime.clients_overview(),
    )


def by_provider(facts: Facts) -> list[tuple[ProviderState, list[Row]]]:
    """The targets of each provider, in the configuration's order."""
    totals = {each.label: each for each in facts.statistics.targets}
    found: dict[str, tuple[ProviderState, list[Row]]] = {}
    for target in facts.targets:
        _, rows = found.setdefault(target.provider.name, (target.provider, []))
        rows.append((target, totals.get(target.label)))
    return [*found.values()]


def signs_of_target(target: TargetState) -> list[Sign]:
    """Why it may not be asked now, or that it may."""
    if target.provider.off is not None:
        return [Sign("off", "off")]
    return [*_hindrances(target)] or [Sign("good", "ready")]


def signs_of_provider(provider: ProviderState) -> list[Sign]:
    """What holds up all of its targets."""
    if provider.off is not None:
        return [Sign("off", f"off: {provider.off}")]
    found = [*_breaker(provider.breaker, "cannot be reached"), *_spent(provider.quotas)]
    if provider.waiting:
        found.append(Sign("odd", f"{provider.waiting} in the queue"))
    return found


def _hindrances(target: TargetState) -> Iterator[Sign]:
    if target.parked:
        yield Sign("odd", f"parked for {span(target.parked)}")
    yield from _breaker(target.breaker, "breaker open")
    if target.spent:
        # Something may be left, and too little for a call of that size.
        yield Sign("bad", f"too little quota for the latest call, enough in {span(target.spent)}")
    else:
        yield from _spent(target.quotas)
    if any(sign.mood == "bad" for sign in signs_of_provider(target.provider)):
        yield Sign("bad", "held up by its provider")


def _breaker(breaker: BreakerState, opened: str) -> Iterator[Sign]:
    if breaker.state is State.OPEN:
        yield Sign("bad", f"{opened} for {span(breaker.left)} ({breaker.reason})")
    elif breaker.state is State.HALF_OPEN:
        yield Sign("odd", f"breaker half-open, the next call is a probe ({breaker.reason})")


def _spent(quotas: Sequence[Reading]) -> Iterator[Sign]:
    for each in quotas:
        if not each.remaining:
            yield Sign("bad", f"no {each.unit} left this {each.window}")
