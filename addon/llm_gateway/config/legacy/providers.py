"""The section `providers`, put together from what the models say of theirs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_gateway.config.legacy.models import KEEPALIVE, OldModel
from llm_gateway.config.legacy.tree import mapping, moved, number, text
from llm_gateway.config.legacy.urls import CLOUDFLARE, GIGACHAT, Place
from llm_gateway.config.nodes import Entry

_SPACING = {
    **dict.fromkeys(("groq", "arliai", "github"), "3s"),
    "google": "10s",
    CLOUDFLARE: "1s",
    GIGACHAT: "1s",
}
"""How far apart ai-proxy keeps the calls of a provider."""

_GIGACHAT_SCOPE = "GIGACHAT_API_CORP"
"""What ai-proxy asks for with every key."""

_NO_NAME = "openai-compatible"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")

type _Identity = tuple[str, str, tuple[tuple[str, str], ...], str]


@dataclass(slots=True)
class _Provider:
    """An entry as it comes to be."""

    name: str
    line: int
    entries: list[Entry]
    keepalive: int = 0

    def keep_alive(self, old: OldModel) -> None:
        """Take over how long a model's connections are kept: here they are the provider's."""
        seconds = old.numbers.get(KEEPALIVE, 0)
        if seconds and not self.keepalive:
            self.keepalive = seconds
            line = old.line(KEEPALIVE)
            self.entries.append(mapping("http", line, [number("keepalive", line, seconds)]))
        elif seconds not in {0, self.keepalive}:
            old.warn(
                KEEPALIVE,
                "not read: the models of a provider share their connections, and an earlier one "
                f"has them kept for {self.keepalive} seconds",
            )


@dataclass(frozen=True, slots=True)
class Providers:
    """One entry for all models whose provider, address and key are the same."""

    found: dict[_Identity, _Provider] = field(default_factory=dict)

    def name_for(self, old: OldModel, place: Place) -> str:
        """The name of the entry that a model belongs to, which is made where there is none."""
        name = _NOT_IN_NAMES.sub("-", old.provider.lower()).strip("-_") or _NO_NAME
        key = place.key or old.texts.get("token", "")
        identity = (name, place.kind, tuple(place.address.items()), key)
        provider = self.found.get(identity)
        if provider is None:
            provider = _Provider(self._free(name), old.cursor.line, list(_entries(old, place)))
            self.found[identity] = provider
        provider.keep_alive(old)
        return provider.name

    def entry(self, line: int) -> Entry:
        """The whole section."""
        entries = (mapping(each.name, each.line, each.entries) for each in self.found.values())
        return mapping("providers", line, entries)

    def _free(self, name: str) -> str:
        taken = {provider.name for provider in self.found.values()}
        free, count = name, 1
        while free in taken:
            count += 1
            free = f"{name}-{count}"
        return free


def _entries(old: OldModel, place: Place) -> Iterator[Entry]:
    url = old.line("url")
    yield text("kind", old.line("provider"), place.kind)
    for key, value in place.address.items():
        yield text(key, url, value)
    if place.key is not None:
        yield text("api_key", url, place.key)
    elif "token" in old.places:
        yield moved("api_key", old.places["token"])
    if place.kind == GIGACHAT:
        yield text("scope", old.line("provider"), _GIGACHAT_SCOPE)
    yield from _throttle(old)
    if place.note:
        old.warn("url", place.note)


def _throttle(old: OldModel) -> Iterator[Entry]:
    spacing = _SPACING.get(old.provider)
    if spacing is None:
        return
    line = old.line("provider")
    entries = [text("min_interval", line, spacing)]
    if old.provider == GIGACHAT:  # of which ai-proxy makes one call at a time
        entries.append(number("max_concurrent", line, 1))
    yield mapping("throttle", line, entries)
