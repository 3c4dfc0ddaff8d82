"""From the name a client asks for to the targets that can serve it, best first.

A name is a model's ``name``, a ``provider/model`` pair with either the client's or the provider's
name of the model, or a size class (``SMALL``, ``BIG``) which stands for every model of that size.
Only what the configuration lists can be reached; a client's string never becomes part of a URL.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway.config import Config, Model, Provider, Size
from llm_gateway.errors import RequestError, shown


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider."""

    provider: Provider
    name: str
    model: str

    @property
    def label(self) -> str:
        """``provider/model`` as the provider names the model."""
        return f"{self.provider.name}/{self.model}"


class Catalogue:
    """The usable models of one configuration."""

    def __init__(self, config: Config, created: int) -> None:
        """``created`` (seconds since the epoch) is what the models list says of each model."""
        self._created = created
        self._targets: dict[str, tuple[Target, ...]] = {}
        self._listed: dict[str, str] = {}
        for model in sorted(config.models, key=lambda model: model.priority):
            provider = config.providers[model.provider]
            if provider.off is None:
                self._add(model, Target(provider, model.name, model.model))

    def _add(self, model: Model, target: Target) -> None:
        for name in dict.fromkeys(_names(model)):
            self._targets[name] = (*self._targets.get(name, ()), target)
        self._listed.setdefault(model.name, target.provider.name)
        if model.size is not None:
            self._listed.setdefault(model.size, "llm-gateway")

    def targets(self, name: str) -> tuple[Target, ...]:
        """Every target of ``name``, lowest priority first.

        Raises :class:`RequestError` (404, ``model_not_found``) when there is none.
        """
        try:
            return self._targets[name]
        except KeyError:
            raise RequestError(
                404,
                f"The model `{shown(name)}` does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            ) from None

    def listing(self) -> dict[str, Any]:
        """The body of ``GET /v1/models``: models by name, then the size classes."""
        ordered = sorted(self._listed.items(), key=lambda item: item[0] in Size.__members__)
        return {"object": "list", "data": [self._entry(*item) for item in ordered]}

    def entry(self, name: str) -> Mapping[str, Any]:
        """The body of ``GET /v1/models/{name}``; any name that can be asked for has one.

        Raises :class:`RequestError` (404) for an unknown name.
        """
        owner = self._listed.get(name) or self.targets(name)[0].provider.name
        return self._entry(name, owner)

    def _entry(self, name: str, owner: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": owner}


def _names(model: Model) -> Iterator[str]:
    yield model.name
    yield f"{model.provider}/{model.name}"
    if model.model != model.name:
        yield f"{model.provider}/{model.model}"
    if model.size is not None:
        yield model.size
