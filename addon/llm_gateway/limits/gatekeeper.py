"""The gates of all targets, kept from one configuration to the next."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count

from llm_gateway.config import Limits, Model, Provider
from llm_gateway.limits.gate import Gate
from llm_gateway.limits.provider_gate import ProviderGate
from llm_gateway.limits.quota import QuotaStore


class Gatekeeper:
    """The gates of all targets, from one configuration to the next."""

    def __init__(self, store: QuotaStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._uses = count(1)
        self._accounts: Counter[str] = Counter()
        """How often a provider has become another one under the same name."""
        self._known: dict[str, Provider] = {}
        self._models: dict[str, Model] = {}
        self._providers: dict[str, ProviderGate] = {}
        self._gates: dict[str, Gate] = {}

    def adopt(self, providers: Sequence[Provider], models: Sequence[Model]) -> None:
        """Obey a new configuration. What was counted stays, for providers that stay.

        What a provider did, and what was spent, count no more where its address or keys are new.
        """
        known = {provider.name: provider for provider in providers}
        for name, old in self._known.items():
            if name not in known:
                self._forget(name)
            elif _is_another(old, known[name]):
                self._accounts[name] += 1
                self._forget(name)
        for name, provider in known.items():
            if name in self._providers:
                self._providers[name].adopt(provider)
        # Those that are gone stay known: an exchange that began with them may ask once more.
        self._known |= known
        self._adopt_models(models)

    def gate(self, model: Model) -> Gate:
        """The gate of this model at its provider. Entries alike in both share the first one's."""
        label = model.label
        gate = self._gates.get(label)
        if gate is None:
            provider = self._provider(model.provider)
            model = self._models.get(label, model)
            gate = Gate(model, provider, self._store, self._clock, self._uses)
            self._gates[label] = gate
        return gate

    @property
    def gates(self) -> Sequence[Gate]:
        """Those that somebody has asked for."""
        return [*self._gates.values()]

    def _adopt_models(self, models: Sequence[Model]) -> None:
        self._models = {model.label: model for model in reversed(models)}
        for label, gate in self._gates.items():
            provider = self._known[gate.provider.name]
            model = self._models.get(label)
            gate.breaker.policy = model.breaker if model else provider.breaker
            gate.limits = model.limits if model else Limits()

    def _provider(self, name: str) -> ProviderGate:
        gate = self._providers.get(name)
        if gate is None:
            number = self._accounts[name]
            account = f" (key {number + 1})" if number else ""
            gate = self._providers[name] = ProviderGate(self._known[name], self._clock, account)
        return gate

    def _forget(self, name: str) -> None:
        self._providers.pop(name, None)
        for label, gate in [*self._gates.items()]:
            if gate.provider.name == name:
                del self._gates[label]


def _is_another(old: Provider, new: Provider) -> bool:
    return (old.kind, old.base_url, old.credentials) != (new.kind, new.base_url, new.credentials)
