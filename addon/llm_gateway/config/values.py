"""What the rest of the gateway sees of the configuration: frozen values, no YAML."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import override

from llm_gateway.secret import Secret


class Size(enum.StrEnum):
    """Size class of a model; a client may ask for a class instead of a name."""

    SMALL = "SMALL"
    BIG = "BIG"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The front door. `virtual_hosts` are lower-case, IPv6 in brackets; `deadline` in seconds."""

    virtual_hosts: tuple[str, ...] = ("ai.localhost", "localhost", "127.0.0.1", "[::1]")
    tokens: tuple[Secret, ...] = ()
    passthrough: bool = False
    deadline: float = 600.0
    max_request_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Http:
    """How to talk to one provider. Times in seconds."""

    connect: float = 5.0
    first_event: float = 60.0
    idle: float = 60.0
    max_connections: int = 100
    max_idle: int = 50
    keepalive: float = 90.0


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that goes into the request header `header` (lower case), after `scheme`.

    `scheme` ends with a space, or is empty.
    """

    header: str
    scheme: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class OAuth:
    """Where an access token comes from that takes the place of a credential's secret.

    RFC 6749 §4.4 as GigaChat speaks it: a form with the `scope` is posted to `url`, with
    `Authorization: Basic` and the secret.
    """

    url: str
    scope: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One upstream. `off` says in words why it is switched off, or is None.

    `headers` go with every request. `ca_file` holds the only certificate authorities that this
    provider's certificates may come from; None means those that the system trusts.
    `oauth` is where the token comes from that the first credential is exchanged for.
    """

    name: str
    kind: str
    base_url: str
    http: Http
    off: str | None
    credentials: tuple[Credential, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None
    oauth: OAuth | None = None
    discover: bool = False


class Capability(enum.StrEnum):
    """What a model can be asked for."""

    CHAT = "chat"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Model:
    """One target: what clients call it (`name`) and what the provider calls it (`model`).

    `omit` lists fields of requests that this model does not take.
    """

    name: str
    provider: str
    model: str
    size: Size | None
    priority: int
    capabilities: frozenset[Capability] = frozenset({Capability.CHAT})
    omit: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CredentialDefaults:
    """A key that a kind of provider takes: its name in the configuration, where it goes.

    A provider whose `required` key has no value is switched off.
    """

    key: str
    header: str = "authorization"
    scheme: str = "Bearer "
    required: bool = True


@dataclass(frozen=True, slots=True)
class ProviderDefaults:
    """What a kind of provider brings: its address, its keys, its headers.

    `base_url` may hold `{names}` of `settings`, further keys of the configuration that are part of
    the address; it is None where everybody has an address of their own. `variables` is what the
    environment variables that keys and settings default to begin with; empty: the kind's name.
    With `oauth`, the keys `scope` and `auth_url` are taken as well. `lists_models` and `draws` say
    whether its models can be listed, and whether some of them draw.
    """

    base_url: str | None
    credentials: tuple[CredentialDefaults, ...] = ()
    settings: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    oauth: OAuth | None = None
    variables: str = ""
    lists_models: bool = True
    draws: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration.

    `source` names where it came from, `watched` lists the absolute paths (existing or not) whose
    change may change it, `warnings` are sentences for the operator. Every `Model.provider` is a
    key of `providers`, which is read-only.
    """

    gateway: Gateway
    providers: Mapping[str, Provider]
    models: tuple[Model, ...]
    source: str
    watched: tuple[Path, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `line` counts from 1, 0 is the whole file; `path` may be empty."""

    file: str
    line: int
    path: str
    message: str

    @override
    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    @override
    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
