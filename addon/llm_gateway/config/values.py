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
class Provider:
    """One upstream. `off` says in words why it is switched off, or is None."""

    name: str
    kind: str
    base_url: str
    api_key: Secret | None
    http: Http
    off: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """One target: what clients call it (`name`) and what the provider calls it (`model`)."""

    name: str
    provider: str
    model: str
    size: Size | None
    priority: int


@dataclass(frozen=True, slots=True)
class ProviderDefaults:
    """What a known provider name brings: its wire format, address, and whether it wants a key."""

    kind: str
    base_url: str | None
    needs_key: bool


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
