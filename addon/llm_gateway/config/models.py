"""The `models` section."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, did_you_mean, itself, plain, scalar
from llm_gateway.config.http import model_http
from llm_gateway.config.limits import limits
from llm_gateway.config.policies import breaker, nearest, retry
from llm_gateway.config.values import Capability, Http, Model, Provider
from llm_gateway.known import without_credentials

_CAPABILITIES = f"a list of {', '.join(Capability)}"
_UNREAD = Provider("", "", "", Http(), None)
"""Stands for a provider that could not be read, which is a problem of its own."""


@dataclass(frozen=True, slots=True)
class ModelsReader:
    """Reads the section, given the names under `providers`, and which of them do not draw.

    Without names, any provider will do: that there are none is a problem of `providers` alone.
    `providers` are those that could be read; their models have their rules.
    """

    declared: Collection[str]
    draw_nothing: Collection[str] = ()
    providers: Mapping[str, Provider] = MappingProxyType({})

    def __call__(self, cursor: Cursor) -> tuple[Model, ...]:
        """The valid entries in the file's order."""
        items = cursor.items("a list of models")
        if not items:
            raise cursor.expected("a list of at least one model")
        same: dict[tuple[str, str, str], Cursor] = {}
        first: dict[str, tuple[Model, Cursor]] = {}
        models: list[Model] = []
        for item in items:
            model = item.attempt(self._model)
            if model is None:
                continue
            place = same.setdefault((model.name, model.provider, model.model), item)
            if place is not item:
                item.problem(f"the same name, provider and model as {place.path}")
            models.append(_shared(model, item, *first.setdefault(model.label, (model, item))))
        return tuple(models)

    def _model(self, cursor: Cursor) -> Model | None:
        values = cursor.fields(
            {
                "name": scalar(scalars.model_name),
                "provider": self._provider,
                "model": scalar(scalars.upstream_model),
                "size": scalar(scalars.size_class),
                "priority": plain(scalars.integer),
                "weight": plain(scalars.integer_from(1)),
                "capabilities": _capabilities,
                "omit": _omit,
                "max_request_bytes": scalar(scalars.size_in_bytes),
                "limits": limits,
                "retry": itself,
                "breaker": itself,
                "hedge": scalar(scalars.duration),
                "resume": scalar(_resume),
                "http": itself,
            },
            required=("name", "provider"),
            elsewhere={"throttle": "belongs to the provider, whose models share it"},
        )
        values |= self._rules(values)
        if "name" not in values or "provider" not in values:
            return None
        self._check_drawing(cursor, values)
        return Model(**{"model": values["name"], "size": None, "priority": 1, **values})

    def _rules(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a model has from its provider where it says nothing else."""
        above = self.providers.get(values.get("provider", ""), _UNREAD)
        return {
            "http": nearest(values.get("http"), model_http, above.http),
            "retry": nearest(values.get("retry"), retry, above.retry),
            "breaker": nearest(values.get("breaker"), breaker, above.breaker),
        }

    def _check_drawing(self, cursor: Cursor, values: Mapping[str, Any]) -> None:
        wanted = Capability.IMAGE in values.get("capabilities", ())
        if wanted and values["provider"] in self.draw_nothing:
            cursor.entries()["capabilities"].problem(
                f"provider {values['provider']} makes no pictures"
            )

    def _provider(self, cursor: Cursor) -> str:
        name = cursor.text()
        if self.declared and name not in self.declared:
            names = ", ".join(map(without_credentials, self.declared))
            expected = cursor.expected(f"a key of providers ({names})")
            raise Invalid(f"{expected}{did_you_mean(name, self.declared)}")
        return name


def _shared(model: Model, item: Cursor, first: Model, place: Cursor) -> Model:
    """One model of a provider has one quota and one breaker, under whichever names it stands."""
    if model.limits != first.limits and "limits" in item.entries():
        item.entries()["limits"].problem(_differs("limits", place))
    if model.breaker != first.breaker and "breaker" in item.entries():
        item.entries()["breaker"].problem(_differs("breaker", place))
    return replace(model, limits=first.limits, breaker=first.breaker)


def _differs(key: str, place: Cursor) -> str:
    return f"differs from the {key} of {place.path}, which is the same model of the same provider"


def _capabilities(cursor: Cursor) -> frozenset[Capability]:
    items = cursor.items(_CAPABILITIES)
    if not items:
        raise cursor.expected(_CAPABILITIES)
    read = scalar(scalars.member(Capability))
    found = [item.attempt(read) for item in items]
    if Capability.PREFILL in found and not {Capability.CHAT, None} & {*found}:
        raise Invalid("prefill is a way to chat, and needs chat as well")
    return frozenset(filter(None, found))


def _omit(cursor: Cursor) -> frozenset[str]:
    items = cursor.items("a list of fields of requests")
    read = scalar(scalars.request_field)
    return frozenset(filter(None, (item.attempt(read) for item in items)))


def _resume(text: str) -> bool:
    if text != Capability.PREFILL:
        raise ValueError(Capability.PREFILL)
    return True


def resume_warnings(models: Collection[Model]) -> Iterator[str]:
    """A sentence for each model whose texts are to be resumed, but by nobody."""
    able = {
        name
        for model in models
        if Capability.PREFILL in model.capabilities
        for name in (model.name, model.size)
    }
    for model in models:
        if model.resume and not able & {model.name, model.size} - {None}:
            yield f"model {model.name} has resume, but no target of it has the capability prefill"


def usability_warning(models: Collection[Model], providers: Mapping[str, Provider]) -> str | None:
    """A sentence if every model's provider is switched off, and none lists models of its own."""
    if any(provider.discover and not provider.off for provider in providers.values()):
        return None
    used = {model.provider: providers[model.provider].off for model in models}
    if not all(used.values()):
        return None
    reasons = "; ".join(f"{name} is switched off ({off})" for name, off in used.items())
    return f"no model is usable: {reasons}"
