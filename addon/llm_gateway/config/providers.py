"""The `providers` section."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import (
    Cursor,
    Invalid,
    Reader,
    did_you_mean,
    itself,
    plain,
    scalar,
)
from llm_gateway.config.files import at_home
from llm_gateway.config.headers import headers
from llm_gateway.config.hosts import base_url
from llm_gateway.config.http import http
from llm_gateway.config.keys import Keys
from llm_gateway.config.limits import limits
from llm_gateway.config.nodes import quote
from llm_gateway.config.policies import DEFAULTS, Policies
from llm_gateway.config.values import Http, Limits, OAuth, Provider, ProviderDefaults

ECHO = "echo"
ECHO_URL = "http://echo.invalid/v1"
"""Nothing is ever sent there; the top-level domain is reserved for that (RFC 6761 §6.4)."""


@dataclass(frozen=True, slots=True)
class ProvidersReader:
    """Reads the section, given the kinds of providers there are."""

    kinds: Mapping[str, ProviderDefaults]
    policies: Policies = DEFAULTS
    """Those of the top level."""

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
        kind = self._kind(name, cursor)
        if kind is None:
            for key, read in _of_any_kind(self.policies).items():
                if key in cursor.entries():  # may have problems of its own
                    cursor.entries()[key].attempt(read)
            return None
        return _Reader(name, kind, self.kinds[kind], self.policies, cursor).read()

    def _kind(self, name: str, cursor: Cursor) -> str | None:
        place = cursor.entries().get("kind")
        if place is not None:
            return place.attempt(scalar(scalars.choice(self.kinds)))
        if name in self.kinds:
            return name
        raise Invalid(
            f"{quote(name)} is not a known provider and has no kind, "
            f"expected one of: {', '.join(self.kinds)}{did_you_mean(name, self.kinds)}"
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one entry."""

    name: str
    kind: str
    defaults: ProviderDefaults
    policies: Policies
    cursor: Cursor

    def read(self) -> Provider | None:
        """The provider, or None, with problems noted."""
        values = self.cursor.fields(self._readers())
        keys = Keys(self.name, self.kind, self.defaults, self.cursor)
        address = self._base_url(values, keys)
        credentials = keys.credentials(values)
        if address is None or credentials is None:
            return None
        if values.get("discover") and not self.defaults.lists_models:
            self.cursor.entries()["discover"].problem(
                f"a provider of kind {self.kind} does not list its models"
            )
        return Provider(
            name=self.name,
            kind=self.kind,
            base_url=address,
            http=values.get("http", Http()),
            off=", ".join(keys.missing) or None,
            credentials=credentials,
            headers=_merged(self.defaults.headers, values.get("headers", ())),
            ca_file=values.get("ca_file"),
            oauth=self._oauth(values),
            discover=values.get("discover", False),
            throttle=values.get("throttle", self.policies.throttle),
            limits=values.get("limits", Limits()),
            retry=values.get("retry", self.policies.retry),
            breaker=values.get("breaker", self.policies.breaker),
        )

    def _readers(self) -> dict[str, Reader[Any]]:
        own = {each.header for each in self.defaults.credentials}
        readers: dict[str, Reader[Any]] = {"kind": itself}
        if self.kind != ECHO:
            readers["base_url"] = itself
        readers |= {each.key: itself for each in self.defaults.credentials}
        readers |= dict.fromkeys(self.defaults.settings, itself)
        if self.defaults.oauth:
            readers |= {"scope": scalar(scalars.scope), "auth_url": itself}
        if self.kind != ECHO:
            readers |= {"headers": partial(headers, own), "ca_file": _ca_file}
            readers |= dict.fromkeys(("discover", "insecure"), plain(scalars.boolean))
        return readers | _of_any_kind(self.policies)

    def _base_url(self, values: Mapping[str, Any], keys: Keys) -> str | None:
        place: Cursor | None = values.get("base_url")
        if place is not None:
            for setting in self.defaults.settings:
                if setting in values:
                    values[setting].problem("is part of the known address, and not of a base_url")
            keyed = any(each.key in values for each in self.defaults.credentials)
            needs_key = self.name == self.kind and keys.needed
            keyed = (keyed or needs_key) and not values.get("insecure")
            return place.attempt(partial(_url, keyed=keyed))
        if self.kind == ECHO:
            return ECHO_URL
        if self.defaults.base_url is None:
            self.cursor.problem(
                f"required key 'base_url' is missing, {quote(self.kind)} has no known address"
            )
            return None
        settings = keys.settings(values)
        return None if settings is None else self.defaults.base_url.format(**settings)

    def _oauth(self, values: Mapping[str, Any]) -> OAuth | None:
        default = self.defaults.oauth
        if default is None:
            return None
        place: Cursor | None = values.get("auth_url")
        keyed = not values.get("insecure")
        url = None if place is None else place.attempt(partial(_url, keyed=keyed))
        return OAuth(url or default.url, values.get("scope", default.scope))


def _merged(
    defaults: tuple[tuple[str, str], ...], own: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    names = {name for name, _ in own}
    return (*((name, value) for name, value in defaults if name.lower() not in names), *own)


def _of_any_kind(policies: Policies) -> dict[str, Reader[Any]]:
    return {"http": http, "limits": limits, **policies.readers()}


def _url(cursor: Cursor, *, keyed: bool) -> str:
    text = cursor.text()
    try:
        return base_url(text, keyed=keyed)
    except ValueError as error:
        if set("@?#") & set(text):  # where passwords and keys stand in a URL
            raise Invalid(f"expected {error}") from None
        raise cursor.expected(str(error)) from None


def _ca_file(cursor: Cursor) -> Path:
    """A file of certificates in PEM; its path counts from the configuration file's directory."""
    path = Path(cursor.report.file).parent / at_home(cursor.text())
    try:
        return scalars.certificates(path)
    except ValueError as error:
        raise cursor.expected(str(error)) from None
