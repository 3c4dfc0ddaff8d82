"""From the name a client asks for to the targets that can serve it, best first.

A name is a model's ``name``, a ``provider/model`` pair with either the client's or the provider's
name of the model, or a size class (``SMALL``, ``BIG``) which stands for every model of that size.
Only what the configuration lists can be reached, and what a provider lists that the configuration
lets; a client's string never becomes part of a URL.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any

from llm_gateway.adapters.contract import Listed
from llm_gateway.config import Capability, Config, Model, Provider, Size, Strategy
from llm_gateway.config.scalars import model_name
from llm_gateway.errors import RequestError, shown

MAX_FOUND = 5000
"""Models that one provider lists; the longest lists there are have some hundreds."""


type May = Callable[[str], bool]
"""Whether a client may ask for a name, which is no alias."""


def anything(_name: str) -> bool:
    """What clients may ask for that nobody restricts."""
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider, and what the configuration says of it."""

    provider: Provider
    spec: Model

    @property
    def label(self) -> str:
        """``provider/model`` as the provider names the model."""
        return self.spec.label


class Catalogue:
    """The usable models of one configuration."""

    def __init__(self, config: Config, created: int) -> None:
        """``created`` (seconds since the epoch) is what the models list says of each model."""
        self._created = created
        self._config = config
        self._found: dict[str, tuple[Listed, ...]] = {}
        self._targets: Mapping[str, tuple[Target, ...]] = {}
        self._listed: Mapping[str, str] = {}
        self._off: Set[str] = frozenset()
        """Names that nothing answers to because of providers that are switched off."""
        self._build()

    def learn(self, provider: str, listed: Iterable[Listed]) -> int:
        """Take what a provider says it has, in place of what it said before.

        Returns how many of them can be used: a name that has no place in an address cannot, nor
        what can do neither of what can be asked for, nor what comes after ``MAX_FOUND`` others.
        """
        self._found[provider] = tuple(islice(filter(_is_usable, listed), MAX_FOUND))
        self._build()
        return len(self._found[provider])

    def inherit(self, old: "Catalogue") -> None:
        """Take over what was learnt of providers that are still the same, until they are asked."""
        providers = self._config.providers
        for name, found in old._found.items():
            if name in providers and providers[name] == old._config.providers[name]:
                self._found[name] = found
        self._build()

    def _build(self) -> None:
        targets: dict[str, tuple[Target, ...]] = {}
        off: set[str] = set()
        listed: dict[str, str] = {}
        for model in sorted(self._config.models, key=lambda model: model.priority):
            provider = self._config.providers[model.provider]
            if provider.off is not None:
                off.update(_names(model))
                continue
            target = Target(provider, model)
            for name in dict.fromkeys(_names(model)):
                known = targets.get(name, ())
                # Under a size class, one model may stand by several names.
                if all(each.label != target.label for each in known):
                    targets[name] = (*known, target)
            listed.setdefault(model.name, provider.name)
            if model.size is not None:
                listed.setdefault(model.size, "llm-gateway")
        found = [*self._found_targets()]
        # What the configuration names comes first: it may say more of the model. And one
        # provider's `a/b` must not stand before the `b` of the provider `a`.
        for target in found:
            if target.spec.name not in targets:
                targets[target.spec.name] = (target,)
                listed[target.spec.name] = target.provider.name
        for target in found:
            targets.setdefault(target.spec.model, (target,))
        self._targets, self._listed, self._off = targets, listed, off
        self._add_aliases(targets, listed, off)

    def _add_aliases(
        self, targets: dict[str, tuple[Target, ...]], listed: dict[str, str], off: set[str]
    ) -> None:
        for alias, name in self._config.routing.aliases.items():
            if name in targets:
                targets[alias] = targets[name]
                listed[alias] = "llm-gateway"
            elif name in off:
                off.add(alias)

    def _found_targets(self) -> Iterator[Target]:
        """What was learnt, in the configuration's order, whoever answered first."""
        for name, provider in self._config.providers.items():
            for each in self._found.get(name, ()):
                yield Target(provider, _found_model(provider, each))

    def targets(self, name: str, capability: Capability, may: May = anything) -> tuple[Target, ...]:
        """Every target of ``name`` that can do this, lowest priority first.

        Raises :class:`RequestError` (404, ``model_not_found``) when there is none. What a client
        may not ask for is to it as if there were no such name.
        """
        allowed = may(self._meant(name))
        known = self._targets.get(name) or self._targets.get(self._config.others)
        if known is None or not allowed:
            off = " Its provider is switched off." if allowed and name in self._off else ""
            raise _not_found(
                f"The model `{shown(name)}` does not exist or you do not have access to it.{off}"
            )
        able = tuple(target for target in known if capability in target.spec.capabilities)
        if not able:
            raise _not_found(_CANNOT[capability].format(shown(name)))
        return able

    @property
    def names(self) -> Mapping[str, tuple[Target, ...]]:
        """Every name that can be asked for, and its targets, lowest priority first."""
        return self._targets

    def strategy(self, name: str) -> Strategy:
        """In which order the targets of ``name`` are tried."""
        routing = self._config.routing
        return routing.strategies.get(self._meant(name), routing.strategy)

    def _meant(self, name: str) -> str:
        """The name that a client's stands for."""
        return self._config.routing.aliases.get(name, name)

    def any(self, capability: Capability, may: May = anything) -> tuple[Target, ...]:
        """Every target that can do this, lowest priority first. Raises RequestError (404).

        What was merely found at a provider counts only where the configuration names none.
        """
        able = {
            target.label: target
            for name, targets in self._targets.items()
            for target in targets
            if capability in target.spec.capabilities and may(self._meant(name))
        }
        named = {model.label for model in self._config.models}
        chosen = [target for label, target in able.items() if label in named] or [*able.values()]
        if not chosen:
            raise _not_found(f"No model here has the capability {capability}.")
        return tuple(sorted(chosen, key=lambda target: target.spec.priority))

    def listing(self, may: May = anything) -> dict[str, Any]:
        """The body of ``GET /v1/models``: models by name, then the size classes."""
        ordered = sorted(self._listed.items(), key=lambda item: item[0] in Size.__members__)
        entries = [self._entry(*item) for item in ordered if may(self._meant(item[0]))]
        return {"object": "list", "data": entries}

    def entry(self, name: str, may: May = anything) -> Mapping[str, Any]:
        """The body of ``GET /v1/models/{name}``; any name that can be asked for has one.

        Raises :class:`RequestError` (404) for an unknown name.
        """
        if not may(self._meant(name)):
            raise _not_found(f"The model `{shown(name)}` does not exist.")
        owner = self._listed.get(name)
        if owner is None:
            known = self._targets.get(name)
            if known is None:
                raise _not_found(f"The model `{shown(name)}` does not exist.")
            owner = known[0].provider.name
        return self._entry(name, owner)

    def _entry(self, name: str, owner: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": owner}


_CANNOT = {
    Capability.CHAT: "The model `{}` makes pictures. Use /v1/images/generations.",
    Capability.IMAGE: "The model `{}` makes no pictures, as far as the configuration says.",
}


def _not_found(message: str) -> RequestError:
    return RequestError(404, message, code="model_not_found", param="model")


def _found_model(provider: Provider, found: Listed) -> Model:
    """What is learnt of a model, with its provider's rules."""
    return Model(
        name=f"{provider.name}/{found.id}",
        provider=provider.name,
        model=found.id,
        size=None,
        priority=1,
        capabilities=frozenset({Capability(found.capability)}),
        http=provider.http,
        retry=provider.retry,
        breaker=provider.breaker,
    )


def _is_usable(found: Listed) -> bool:
    try:
        model_name(found.id)
    except ValueError:
        return False
    return found.capability in Capability


def _names(model: Model) -> Iterator[str]:
    yield model.name
    yield f"{model.provider}/{model.name}"
    if model.model != model.name:
        yield f"{model.provider}/{model.model}"
    if model.size is not None:
        yield model.size
