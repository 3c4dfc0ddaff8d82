"""The `providers` section."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, did_you_mean, itself, plain, scalar
from llm_gateway.config.hosts import base_url
from llm_gateway.config.nodes import ScalarNode, quote
from llm_gateway.config.values import Http, Provider, ProviderDefaults
from llm_gateway.secret import Secret

ECHO = "echo"
ECHO_URL = "http://echo.invalid/v1"
"""Nothing is ever sent there; the top-level domain is reserved for that (RFC 6761 §6.4)."""


class Key(NamedTuple):
    """A provider's key; or none, and then perhaps the reason that the provider is off."""

    secret: Secret | None = None
    off: str | None = None


@dataclass(frozen=True, slots=True)
class ProvidersReader:
    """Reads the section, given the known providers by name and the kinds there are."""

    known: Mapping[str, ProviderDefaults]
    kinds: Collection[str]

    def __call__(self, cursor: Cursor) -> Mapping[str, Provider]:
        """The valid providers by name; a warning for each one that is switched off."""
        entries = cursor.entries()
        if not entries:
            raise cursor.expected("a mapping with at least one provider")
        providers: dict[str, Provider] = {}
        for name, entry in entries.items():
            provider = entry.attempt(partial(self._provider, name))
            if provider is None:
                continue
            providers[name] = provider
            if provider.off:
                cursor.report.warnings.append(f"provider {name} is switched off: {provider.off}")
        return MappingProxyType(providers)

    def _provider(self, name: str, cursor: Cursor) -> Provider | None:
        try:
            scalars.provider_name(name)
        except ValueError as error:
            raise Invalid(f"expected {error}") from None
        values = cursor.fields(
            {
                "kind": scalar(scalars.choice(self.kinds)),
                "base_url": itself,
                "api_key": itself,
                "http": _http,
            }
        )
        kind = values.get("kind") or self._default_kind(cursor, name)
        if kind is None:
            return None
        address = self._base_url(cursor, values, name, kind)
        key = self._key(cursor, values, name, kind)
        if address is None or key is None:
            return None
        return Provider(name, kind, address, key.secret, values.get("http", Http()), key.off)

    def _default_kind(self, cursor: Cursor, name: str) -> str | None:
        if "kind" in cursor.entries():  # and so is a problem already
            return None
        if name in self.known:
            return self.known[name].kind
        raise Invalid(
            f"{quote(name)} is not a known provider ({', '.join(self.known) or 'there are none'}) "
            f"and has no kind, expected one of: {', '.join(self.kinds)}"
            f"{did_you_mean(name, self.known)}"
        )

    def _row(self, name: str, kind: str) -> ProviderDefaults | None:
        """The name's defaults, which hold for its own wire format only."""
        row = self.known.get(name)
        return row if row and row.kind == kind else None

    def _base_url(
        self, cursor: Cursor, values: Mapping[str, Any], name: str, kind: str
    ) -> str | None:
        place: Cursor | None = values.get("base_url")
        if kind == ECHO:
            if place is not None:
                place.problem(f"a provider of kind {ECHO} takes no base_url")
            return ECHO_URL
        row = self._row(name, kind)
        if place is not None:
            keyed = "api_key" in values or (row is not None and row.needs_key)
            return place.attempt(partial(_url, keyed=keyed))
        address = row.base_url if row else None
        if address is None:
            cursor.problem(
                f"required key 'base_url' is missing, {quote(name)} has no known address"
            )
        return address

    def _key(self, cursor: Cursor, values: Mapping[str, Any], name: str, kind: str) -> Key | None:
        place: Cursor | None = values.get("api_key")
        if kind == ECHO:
            if place is not None:
                place.problem(f"a provider of kind {ECHO} takes no key")
            return Key()
        if place is not None:
            return place.attempt(_api_key)
        row = self._row(name, kind)
        if row is None or not row.needs_key:
            return Key()
        if "base_url" in values:
            # The well-known key is for the well-known address; only the user may send it elsewhere.
            return Key(off="it has a base_url of its own and no api_key")
        variable = f"{name.upper().replace('-', '_')}_API_KEY"
        default = ScalarNode(0, f"${{{variable}}}", plain=False)
        return cursor.default("api_key", default).attempt(_api_key)


def _http(cursor: Cursor) -> Http:
    return Http(
        **cursor.fields(
            {
                "connect": scalar(scalars.duration),
                "first_event": scalar(scalars.duration),
                "idle": scalar(scalars.duration),
                "max_connections": plain(scalars.integer_from(1)),
                "max_idle": plain(scalars.integer_from(0)),
                "keepalive": scalar(scalars.duration),
            }
        )
    )


def _url(cursor: Cursor, *, keyed: bool) -> str:
    text = cursor.text()
    try:
        return base_url(text, keyed=keyed)
    except ValueError as error:
        if set("@?#") & set(text):  # where passwords and keys stand in a URL
            raise Invalid(f"expected {error}") from None
        raise cursor.expected(str(error)) from None


def _api_key(cursor: Cursor) -> Key:
    expansion = cursor.expansion()
    if expansion.unset:
        return Key(off=", ".join(expansion.unset))
    if not scalars.is_header_value(expansion.text):
        origin = f" in {', '.join(expansion.names)}" if expansion.names else ""
        raise Invalid(
            f"expected a key{origin} of printable ASCII characters without spaces around it"
        )
    return Key(Secret(expansion.text))
