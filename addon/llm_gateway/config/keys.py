"""A provider's keys, and the settings that are part of its address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid
from llm_gateway.config.nodes import ScalarNode, quote
from llm_gateway.config.values import Credential, CredentialDefaults, ProviderDefaults
from llm_gateway.secret import Secret

_OF_ITS_OWN = {"base_url", "auth_url"}
"""Where a key may be sent in place of the kind's well-known addresses."""


@dataclass(slots=True)
class Keys:
    """Reads the keys and settings of one entry.

    An entry that is named like its kind takes what it leaves out from the kind's well-known
    environment variables; one with a name of its own has to say it. ``missing`` collects why the
    provider cannot be used.
    """

    name: str
    kind: str
    defaults: ProviderDefaults
    cursor: Cursor
    missing: list[str] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        """Whether the kind has a key that it cannot do without."""
        return any(each.required for each in self.defaults.credentials)

    def credentials(self, values: Mapping[str, Any]) -> tuple[Credential, ...] | None:
        """The entry's credentials; None, with problems noted, if one is wrong."""
        found: list[Credential] = []
        complete = True
        for each in self.defaults.credentials:
            place = values.get(each.key) or self._default_key(each, values)
            if place is None:
                complete = complete and self._can_do_without(each, values)
                continue
            secret = place.attempt(self._key_of(each))
            complete = complete and secret is not None
            if isinstance(secret, Secret):
                found.append(Credential(each.header, each.scheme, secret, _variable(place)))
        return tuple(found) if complete else None

    def settings(self, values: Mapping[str, Any]) -> dict[str, str] | None:
        """What the kind's known address needs; None, with problems noted, if one is wrong."""
        found: dict[str, str] = {}
        complete = True
        for key in self.defaults.settings:
            place = values.get(key) or self._default(key)
            if place is None:
                self.cursor.problem(f"required key {quote(key)} is missing")
            setting = place.attempt(self._setting) if place else None
            complete = complete and setting is not None
            found[key] = setting or ""
        return found if complete else None

    def _default_key(self, each: CredentialDefaults, values: Mapping[str, Any]) -> Cursor | None:
        # The well-known key is for the well-known address; only the user may send it elsewhere.
        return None if _OF_ITS_OWN & values.keys() else self._default(each.key)

    def _can_do_without(self, each: CredentialDefaults, values: Mapping[str, Any]) -> bool:
        if not each.required:
            return True
        if not _OF_ITS_OWN & values.keys():
            self.cursor.problem(
                f"required key {quote(each.key)} is missing (or a base_url, for a server without)"
            )
            return False
        if self.name == self.kind:
            own = " and ".join(sorted(_OF_ITS_OWN & values.keys()))
            self.missing.append(f"it has {own} of its own and no {each.key}")
        return True

    def _default(self, key: str) -> Cursor | None:
        if self.name != self.kind:
            return None
        prefix = self.defaults.variables or self.kind.upper().replace("-", "_")
        reference = f"${{{prefix}_{key.upper()}}}"
        return self.cursor.default(key, ScalarNode(0, reference, plain=False))

    def _key_of(self, each: CredentialDefaults) -> "_KeyReader":
        return _KeyReader(self, each.required)

    def _setting(self, cursor: Cursor) -> str:
        expansion = cursor.expansion()
        if expansion.unset:
            self.missing += expansion.unset
            return "unset"
        return cursor.parse(scalars.identifier)


def _variable(place: Cursor) -> str:
    """The variable that all of the text here comes from, if it is so."""
    expansion = place.expansion()
    one = expansion.names[0] if len(expansion.names) == 1 else ""
    return one if place.report.environment.get(one) == expansion.text else ""


@dataclass(frozen=True, slots=True)
class _KeyReader:
    """Reads one key; False if its variable is not set."""

    keys: Keys
    required: bool

    def __call__(self, cursor: Cursor) -> Secret | bool:
        expansion = cursor.expansion()
        if expansion.unset:
            if self.required:
                self.keys.missing += expansion.unset
            return False
        if not scalars.is_header_value(expansion.text):
            origin = f" in {', '.join(expansion.names)}" if expansion.names else ""
            raise Invalid(
                f"expected a key{origin} of printable ASCII characters without spaces around it"
            )
        return cursor.secret(expansion.text)
