"""What the rest of the gateway sees of the configuration: frozen values, no YAML."""

import enum
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import override

from llm_gateway.secret import Secret


class Size(enum.StrEnum):
    """Size class of a model; a client may ask for a class instead of a name."""

    SMALL = "SMALL"
    BIG = "BIG"


class Strategy(enum.StrEnum):
    """In which order the targets of a name are tried."""

    PRIORITY = "priority"
    """Lowest `priority` first; among equals the one that has rested longest."""
    ROUND_ROBIN = "round_robin"
    """The one that has rested longest, whatever its priority."""
    LEAST_LATENCY = "least_latency"
    """The one whose answers have begun soonest."""
    WEIGHTED = "weighted"
    """By lot, each with its `weight`."""


class FallbackOn(enum.StrEnum):
    """What makes an exchange go on to the next target."""

    ERROR = "error"
    """The target failed, or its provider does not take the request."""
    QUOTA = "quota"
    """The target has no quota left, by our count or the provider's."""
    CONTEXT = "context"
    """The request is longer than the model's context."""
    CONTENT_FILTER = "content_filter"
    """The provider refused the content."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one client may ask of us at most, honest or not. Times in seconds.

    A head is the request line and the fields; `header_bytes` bounds it whole, `path_bytes` the
    target in it. It has `head_time` to arrive, a body `body_time` and a second more for each
    `body_rate` bytes. A connection with no request on it is closed after `idle`.
    `connections` and those `per_address` are open at a time, `streams` on each of them over HTTP/2.
    A token has `concurrent` requests under way. The bodies of all requests under way have
    `all_bodies` bytes together, or those of the longest body if that is more. A body is nested
    `depth` levels deep and has `values` JSON values, `messages` and `tools`.
    """

    headers: int = 200
    header_bytes: int = 64 * 1024
    path_bytes: int = 8 * 1024
    head_time: float = 30.0
    body_time: float = 60.0
    body_rate: int = 16 * 1024
    idle: float = 90.0
    connections: int = 10_000
    per_address: int = 2_000
    streams: int = 100
    concurrent: int = 1_000
    all_bodies: int = 1024 * 1024 * 1024
    depth: int = 128
    values: int = 1_000_000
    messages: int = 10_000
    tools: int = 1_000


@dataclass(frozen=True, slots=True)
class Windows:
    """How much may be spent in each minute, hour and day; None: any amount."""

    minute: int | None = None
    hour: int | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A quota: requests, and tokens. `zone` (IANA) is where its days begin at midnight."""

    requests: Windows = Windows()
    tokens: Windows = Windows()
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A token that clients may use, under the `name` that is shown in its place.

    `digest` is its SHA-256; `secret` is the token itself, None where only the digest is known. It
    may ask for the names that one of `models` matches, None: for all. `limits` are its quota,
    `concurrent` is how many of its requests may be under way; tokens of one name share both.
    """

    name: str
    digest: bytes = field(repr=False)
    secret: Secret | None = None
    models: tuple[re.Pattern[str], ...] | None = None
    limits: Limits = Limits()
    concurrent: int = Bounds().concurrent

    @classmethod
    def of(cls, name: str, secret: Secret) -> "ClientToken":
        """A token that may do everything."""
        return cls(name, secret.digest, secret)

    def may_ask_for(self, model: str) -> bool:
        """Whether this is one of its names of models, which are no aliases, or size classes."""
        return self.models is None or any(each.fullmatch(model) for each in self.models)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The front door. `virtual_hosts` are lower-case, IPv6 in brackets. Times in seconds.

    `deadline` bounds an exchange up to its commit, `max_attempts` its calls to providers.
    `keepalive` is the longest silence of a stream that has not begun, `drain` how long streams may
    go on after the gateway was told to stop. What `mask` matches is shown nowhere. `bounds` hold
    for every client. `tokens` are those of `tokens_file` as well.
    """

    virtual_hosts: tuple[str, ...] = ("ai.localhost", "localhost", "127.0.0.1", "[::1]")
    tokens: tuple[ClientToken, ...] = ()
    tokens_file: Path | None = None
    passthrough: bool = False
    deadline: float = 600.0
    max_attempts: int = 6
    keepalive: float = 10.0
    drain: float = 30.0
    max_request_bytes: int = 32 * 1024 * 1024
    mask: tuple[re.Pattern[str], ...] = ()
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Routing:
    """How names become targets: `strategies` by name, `strategy` for the others.

    `aliases` stand for a model's name or a size class, and never for another alias.
    """

    strategy: Strategy = Strategy.PRIORITY
    strategies: Mapping[str, Strategy] = MappingProxyType({})
    aliases: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one target is tried again, and when the next one is. Times in seconds.

    Before try n + 1 it waits a random time from 0 up to `base` * 2 ** (n - 1), at most `max`. A
    provider's own hint takes its place, up to `honour_retry_after`. `budget` is the share of a
    provider's requests that retries may come to.
    """

    attempts: int = 3
    base: float = 0.5
    max: float = 8.0
    honour_retry_after: float = 20.0
    budget: float = 0.2
    fallback_on: frozenset[FallbackOn] = frozenset(
        {FallbackOn.ERROR, FallbackOn.QUOTA, FallbackOn.CONTEXT}
    )


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a target is left alone. Times in seconds.

    It opens after `failures` in a row, or when `ratio` of the latest calls failed. It stays open
    for `open`, twice as long after each probe that fails, at most `max_open`; `jitter` is the share
    by which that is shortened or lengthened at random. With `rate_limits`, a 429 is a failure too.
    """

    failures: int = 5
    ratio: float = 0.5
    open: float = 5.0
    max_open: float = 300.0
    jitter: float = 0.2
    rate_limits: bool = False


BREAKER_MINUTE = BreakerPolicy(
    failures=1, ratio=1.0, open=60.0, max_open=60.0, jitter=0.0, rate_limits=True
)
"""`breaker: minute`: after any error the target rests for a minute."""
BREAKER_NONE = BreakerPolicy(failures=10**9, ratio=math.inf)
"""`breaker: none`: a target is never left alone."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """How fast one provider is asked. Times in seconds.

    Calls begin at least `min_interval` apart and at most `max_concurrent` run at a time, None as
    many as there may be connections. `queue` calls may wait, each for `queue_timeout`.
    """

    min_interval: float = 0.0
    max_concurrent: int | None = None
    queue: int = 1000
    queue_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Http:
    """How to talk to one provider. Times in seconds.

    `first_event` bounds the time to a stream's first content, `answer` that to a whole answer,
    `idle` each silence of a stream that has begun.
    """

    connect: float = 5.0
    first_event: float = 60.0
    answer: float = 300.0
    idle: float = 60.0
    max_connections: int = 100
    max_idle: int = 50
    keepalive: float = 90.0


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that goes into the request header `header` (lower case), after `scheme`.

    `scheme` ends with a space, or is empty. `variable` is the environment variable that the whole
    secret was taken from, empty where it was not; two are alike whatever it is.
    """

    header: str
    scheme: str
    secret: Secret
    variable: str = field(default="", compare=False)


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
    throttle: ThrottlePolicy = ThrottlePolicy()
    limits: Limits = Limits()
    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()


class Capability(enum.StrEnum):
    """What a model can be asked for."""

    CHAT = "chat"
    IMAGE = "image"
    PREFILL = "prefill"
    """It goes on with an assistant's message that the conversation ends with."""


@dataclass(frozen=True, slots=True)
class Model:
    """One target: what clients call it (`name`) and what the provider calls it (`model`).

    `omit` lists fields of requests that this model does not take. `limits` are its own, beside its
    provider's, which all models share. `http` has its provider's values where it has none of its
    own, and so have `retry` and `breaker`. `hedge` is after how many seconds without an answer the
    next target is asked as well. With `resume`, a text that breaks off goes on at another target.
    """

    name: str
    provider: str
    model: str
    size: Size | None
    priority: int
    capabilities: frozenset[Capability] = frozenset({Capability.CHAT})
    omit: frozenset[str] = frozenset()
    max_request_bytes: int | None = None
    weight: int = 1
    limits: Limits = Limits()
    http: Http = Http()
    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    hedge: float | None = None
    resume: bool = False

    @property
    def label(self) -> str:
        """``provider/model`` as the provider names the model."""
        return f"{self.provider}/{self.model}"


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
    key of `providers`, which is read-only. `others` is the model that any unknown name stands for.
    """

    gateway: Gateway
    providers: Mapping[str, Provider]
    models: tuple[Model, ...]
    source: str
    watched: tuple[Path, ...]
    warnings: tuple[str, ...]
    routing: Routing = Routing()
    others: str = ""


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
    """The configuration cannot be used; `problems` holds everything that is wrong with it.

    `files` are the absolute paths of those that it names and that may be what is to be mended.
    """

    def __init__(self, problems: Iterable[Problem], files: Iterable[Path] = ()) -> None:
        self.problems = tuple(problems)
        self.files = tuple(files)
        super().__init__(self.problems)

    @override
    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
