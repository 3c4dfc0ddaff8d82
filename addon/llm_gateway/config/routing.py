"""The `routing` section: aliases, and in which order the targets of a name are tried."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, did_you_mean, scalar
from llm_gateway.config.nodes import quote
from llm_gateway.config.values import Model, Provider, Routing, Strategy

_A_NAME = "the name of a model, provider/model, or a size class that some model has"
_strategy = scalar(scalars.member(Strategy))


@dataclass(frozen=True, slots=True)
class Names:
    """What can be asked for: `known` names, and whatever the `listing` providers may list."""

    known: Collection[str]
    listing: Collection[str] = ()

    def __contains__(self, name: str) -> bool:
        provider, _, model = name.partition("/")
        return name in self.known or (provider in self.listing and _is_model(model))


def names(models: Collection[Model], providers: Mapping[str, Provider]) -> Names:
    """The names of a valid configuration, aliases aside."""
    known = dict.fromkeys(model.name for model in models)
    for model in models:
        known |= dict.fromkeys((f"{model.provider}/{model.name}", model.label))
        if model.size is not None:
            known[model.size] = None
    return Names(known, [name for name, provider in providers.items() if provider.discover])


@dataclass(frozen=True, slots=True)
class RoutingReader:
    """Reads the section. Without `names`, because they could not be read, any name will do."""

    names: Names | None

    def __call__(self, cursor: Cursor) -> Routing:
        """The valid entries; names that are taken, or that nobody can ask for, are problems."""
        values = cursor.fields(
            {"strategy": _strategy, "strategies": Cursor.entries, "aliases": Cursor.entries}
        )
        aliases: dict[str, Cursor] = values.get("aliases", {})
        strategies: dict[str, Cursor] = values.get("strategies", {})
        return Routing(
            values.get("strategy", Routing().strategy),
            _valid(
                {n: at.attempt(partial(self._named, aliases, n)) for n, at in strategies.items()}
            ),
            _valid({n: at.attempt(partial(self._alias, aliases, n)) for n, at in aliases.items()}),
        )

    def _named(self, aliases: Collection[str], name: str, cursor: Cursor) -> Strategy:
        if name in aliases:
            raise Invalid(f"{quote(name)} is an alias, use the name it stands for")
        if self.names is not None and name not in self.names:
            raise Invalid(f"expected {_A_NAME}, got {quote(name)}{self._close_to(name)}")
        return _strategy(cursor)

    def _alias(self, aliases: Collection[str], alias: str, cursor: Cursor) -> str:
        try:
            scalars.model_name(alias)
        except ValueError as error:
            raise Invalid(f"expected {error}") from None
        if self.names is not None and alias in self.names.known:
            raise Invalid(f"expected a new name, {quote(alias)} is the name of a model")
        name = cursor.text()
        if name in aliases:
            raise Invalid(f"{cursor.expected('no alias')}, use the name it stands for")
        if self.names is not None and name not in self.names:
            raise Invalid(f"{cursor.expected(_A_NAME)}{self._close_to(name)}")
        return name

    def _close_to(self, name: str) -> str:
        return did_you_mean(name, self.names.known) if self.names else ""


def _is_model(text: str) -> bool:
    try:
        scalars.upstream_model(text)
    except ValueError:
        return False
    return True


def _valid[T](found: Mapping[str, T | None]) -> Mapping[str, T]:
    return MappingProxyType({name: value for name, value in found.items() if value is not None})
