"""The whole document, and each of its models, in our format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.environment import expand
from llm_gateway.config.hosts import base_url
from llm_gateway.config.legacy.models import SIGNS, OldModel, read, warn
from llm_gateway.config.legacy.providers import Providers
from llm_gateway.config.legacy.rules import rules
from llm_gateway.config.legacy.tree import moved, text
from llm_gateway.config.legacy.urls import Place, locate, upstream_name
from llm_gateway.config.nodes import Entry, MappingNode, Node, SequenceNode
from llm_gateway.config.values import Problem, ProviderDefaults

_OURS = ("gateway", "routing")
"""Sections of ours that may stand beside the old models."""
_NOT_READ = {
    "auth_token": "ai-proxy does not read it, nor is it read here: clients' tokens are in the "
    "variable AUTH_TOKEN or in gateway.tokens"
}

type _Target = tuple[str, str]
"""A provider, and its name of a model."""


def translated(node: Node, report: Report, kinds: Mapping[str, ProviderDefaults]) -> Node | None:
    """The document in our format if it is one of ai-proxy's, otherwise itself.

    None, with problems noted, if none of its models can be served.
    """
    if not isinstance(node, MappingNode) or not _is_legacy(node):
        return node
    return _Translation(report, kinds).document(Cursor(node, "", node.line, report))


def _is_legacy(document: MappingNode) -> bool:
    sections = {entry.key: entry.value for entry in document.entries}
    models = sections.get("models")
    if "providers" in sections or not isinstance(models, SequenceNode):
        return False
    items = (item for item in models.items if isinstance(item, MappingNode))
    return any(entry.key in SIGNS for item in items for entry in item.entries)


@dataclass(frozen=True, slots=True)
class _Translation:
    report: Report
    kinds: Mapping[str, ProviderDefaults]
    providers: Providers = field(default_factory=Providers)
    names: dict[str, set[_Target]] = field(default_factory=dict)
    first: dict[_Target, OldModel] = field(default_factory=dict)
    left_out: list[Problem] = field(default_factory=list)

    def document(self, cursor: Cursor) -> MappingNode | None:
        sections = cursor.entries()
        for key, place in sections.items():
            if key not in {"models", *_OURS}:
                warn(place, _NOT_READ.get(key, "ai-proxy has no such section, and it is not read"))
        old = sections["models"]
        models = tuple(filter(None, map(self._model, old.items("a list of models"))))
        if not models:
            self.report.problems.extend(self.left_out)
            return None
        self.report.warnings.extend(map(str, self.left_out))
        ours = [moved(key, sections[key]) for key in _OURS if key in sections]
        listed = Entry("models", old.line, SequenceNode(old.line, models))
        return MappingNode(cursor.line, (*ours, self.providers.entry(old.line), listed))

    def _model(self, cursor: Cursor) -> MappingNode | None:
        """A model in our format; None, with the reason noted, if it has none."""
        old = cursor.attempt(read)
        place = None if old is None else self._place(old)
        if old is None or place is None:
            return None
        provider = self.providers.name_for(old, place)
        model = upstream_name(old.provider, old.texts["name"], place)
        if not self._is_new(old, (provider, model)):
            return None
        first = self.first.setdefault((provider, model), old)
        defaults = self.kinds.get(place.kind)
        draws = defaults is not None and defaults.draws
        entries = (
            moved("name", old.places["name"]),
            text("provider", old.line("provider"), provider),
            text("model", old.line("name"), model),
            *rules(old, first, place.kind, draws=draws),
        )
        return MappingNode(cursor.line, entries)

    def _place(self, old: OldModel) -> Place | None:
        try:
            place = locate(old.provider, old.texts.get("url", ""), self.kinds)
            address = expand(place.address.get("base_url", ""), self.report.environment)
            if address.text and not address.unset:
                base_url(address.text, keyed=place.key is not None or "token" in old.places)
        except ValueError as error:
            self._leave_out(old, "url", f"expected {error}")
            return None
        return place

    def _is_new(self, old: OldModel, target: _Target) -> bool:
        known = self.names.setdefault(old.texts["name"], set())
        if target in known:
            self._leave_out(old, "name", "the same model as an earlier one")
            return False
        if known:
            old.warn(
                "name",
                "ai-proxy asks the first model of a name only; here it is one of its targets",
            )
        known.add(target)
        return True

    def _leave_out(self, old: OldModel, key: str, reason: str) -> None:
        where = old.places.get(key, old.cursor)
        message = f"{reason}; the model is left out"
        self.left_out.append(Problem(self.report.file, where.line, where.path, message))
