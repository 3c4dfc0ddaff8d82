"""The `models` section."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, did_you_mean, plain, scalar
from llm_gateway.config.values import Capability, Model, Provider


@dataclass(frozen=True, slots=True)
class ModelsReader:
    """Reads the section, given the names under `providers`, and which of them do not draw.

    Without names, any provider will do: that there are none is a problem of `providers` alone.
    """

    declared: Collection[str]
    draw_nothing: Collection[str] = ()

    def __call__(self, cursor: Cursor) -> tuple[Model, ...]:
        """The valid entries in the file's order."""
        items = cursor.items("a list of models")
        if not items:
            raise cursor.expected("a list of at least one model")
        first: dict[tuple[str, str, str], Cursor] = {}
        models: list[Model] = []
        for item in items:
            model = item.attempt(self._model)
            if model is None:
                continue
            same = first.setdefault((model.name, model.provider, model.model), item)
            if same is not item:
                item.problem(f"the same name, provider and model as {same.path}")
            models.append(model)
        return tuple(models)

    def _model(self, cursor: Cursor) -> Model | None:
        values = cursor.fields(
            {
                "name": scalar(scalars.model_name),
                "provider": self._provider,
                "model": scalar(scalars.upstream_model),
                "size": scalar(scalars.size_class),
                "priority": plain(scalars.integer),
                "capabilities": _capabilities,
                "omit": _omit,
            },
            required=("name", "provider"),
        )
        if "name" not in values or "provider" not in values:
            return None
        self._check_drawing(cursor, values)
        return Model(
            name=values["name"],
            provider=values["provider"],
            model=values.get("model", values["name"]),
            size=values.get("size"),
            priority=values.get("priority", 1),
            capabilities=values.get("capabilities", frozenset({Capability.CHAT})),
            omit=values.get("omit", frozenset()),
        )

    def _check_drawing(self, cursor: Cursor, values: Mapping[str, Any]) -> None:
        wanted = Capability.IMAGE in values.get("capabilities", ())
        if wanted and values["provider"] in self.draw_nothing:
            cursor.entries()["capabilities"].problem(
                f"provider {values['provider']} makes no pictures"
            )

    def _provider(self, cursor: Cursor) -> str:
        name = cursor.text()
        if self.declared and name not in self.declared:
            expected = cursor.expected(f"a key of providers ({', '.join(self.declared)})")
            raise Invalid(f"{expected}{did_you_mean(name, self.declared)}")
        return name


def _capabilities(cursor: Cursor) -> frozenset[Capability]:
    items = cursor.items("a list of chat and image")
    if not items:
        raise cursor.expected("a list of chat and image")
    return frozenset(filter(None, (item.attempt(scalar(scalars.capability)) for item in items)))


def _omit(cursor: Cursor) -> frozenset[str]:
    items = cursor.items("a list of fields of requests")
    read = scalar(scalars.request_field)
    return frozenset(filter(None, (item.attempt(read) for item in items)))


def usability_warning(models: Collection[Model], providers: Mapping[str, Provider]) -> str | None:
    """A sentence if every model's provider is switched off, and none lists models of its own."""
    if any(provider.discover and not provider.off for provider in providers.values()):
        return None
    used = {model.provider: providers[model.provider].off for model in models}
    if not all(used.values()):
        return None
    reasons = "; ".join(f"{name} is switched off ({off})" for name, off in used.items())
    return f"no model is usable: {reasons}"
