"""What can be asked for, and how the targets stand: a line each."""

from collections.abc import Iterable, Iterator, Sequence

from llm_gateway.config import Config, Strategy
from llm_gateway.inspect.comments import duration
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ClientState, ProviderState, TargetState
from llm_gateway.limits.quota import Reading
from llm_gateway.routing import Catalogue


def model_lines(config: Config, catalogue: Catalogue) -> list[str]:
    """Each name that is listed, with its targets in their order; then what is switched off."""
    listed = [entry["id"] for entry in catalogue.listing()["data"]]
    off = [
        (model.name, f"off: {reason}")
        for model in config.models
        if (reason := config.providers[model.provider].off) and model.name not in catalogue.names
    ]
    rows = [(name, _targets(catalogue, name)) for name in listed]
    return _aligned([*rows, *dict.fromkeys(off)]) or ["No model can be used."]


def limit_lines(targets: Sequence[TargetState]) -> list[str]:
    """Each provider, and below it its targets: what is left, what rests, and until when."""
    providers = {target.provider.name: target.provider for target in targets}
    rows: list[tuple[str, str]] = []
    for name, provider in providers.items():
        rows.append((name, ", ".join(_provider(provider))))
        if provider.off is None:
            own = [target for target in targets if target.provider.name == name]
            rows += [(f"  {target.label}", ", ".join(_target(target))) for target in own]
    return _aligned(rows) or ["No provider is configured."]


def client_lines(clients: Sequence[ClientState]) -> list[str]:
    """Each client by the name of its token, and what is left to it."""
    return _aligned(
        (
            f"client {client.name}",
            ", ".join(
                [f"{client.running} of {client.places} under way", *map(_quota, client.quotas)]
            ),
        )
        for client in clients
    )


def change_line(before: Config, now: Config) -> str:
    """What a configuration that was read again has changed of providers and models."""
    if now == before:
        return f"The configuration {now.source} is as it was."
    models = f"{len(now.models)} models at {len(now.providers)} providers"
    words = [f"The configuration {now.source} was read again: {models}"]
    was, names = _names(before), _names(now)
    words += [f"new: {', '.join(new)}"] if (new := [n for n in names if n not in was]) else []
    words += [f"gone: {', '.join(gone)}"] if (gone := [n for n in was if n not in names]) else []
    return "; ".join([*words, *now.warnings]) + "."


def _names(configuration: Config) -> dict[str, None]:
    """Models and aliases, each once."""
    return dict.fromkeys(
        [*(model.name for model in configuration.models), *configuration.routing.aliases]
    )


def _targets(catalogue: Catalogue, name: str) -> str:
    targets = catalogue.names.get(name, ())
    strategy = catalogue.strategy(name)
    how = f" ({strategy})" if len(targets) > 1 and strategy != Strategy.PRIORITY else ""
    return f"→ {', '.join(target.label for target in targets)}{how}"


def _provider(provider: ProviderState) -> Iterator[str]:
    if provider.off is not None:
        yield f"off: {provider.off}"
        return
    yield f"{provider.running} of {provider.places} places taken"
    if provider.waiting:
        yield f"{provider.waiting} waiting"
    yield from _breaker(provider.breaker, "not reached")
    yield from map(_quota, provider.quotas)


def _target(target: TargetState) -> Iterator[str]:
    rests = [*_breaker(target.breaker, "breaker open")]
    if target.parked > 0:
        rests.append(f"parked for {_span(target.parked)} more")
    yield from rests or ["ready"]
    yield from map(_quota, target.quotas)
    if target.latency is not None:
        yield f"rated {duration(target.latency)}"
    yield "not asked yet" if target.idle is None else f"asked {_span(target.idle)} ago"


def _breaker(breaker: BreakerState, word: str) -> Iterator[str]:
    because = f" ({breaker.reason})" if breaker.reason else ""
    if breaker.state == State.OPEN:
        yield f"{word}{because} for {_span(breaker.left)} more"
    elif breaker.state == State.HALF_OPEN:
        yield f"{word}{because}, the next call is the probe"


def _quota(reading: Reading) -> str:
    left = f"{reading.remaining} of {reading.limit} {reading.unit} per {reading.window} left"
    return f"{left}, whole in {_span(reading.reset)}" if reading.used else left


def _span(value: float) -> str:
    """A time that may be long: ``1.2 s``, ``75 s``, ``42 min``, ``11 h``."""
    for unit, length in (("h", 3600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:.0f} {unit}"
    return duration(value)


def _aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = [*rows]
    width = max((len(first) for first, _ in rows), default=0)
    return [f"{first:<{width}}  {second}" for first, second in rows]
