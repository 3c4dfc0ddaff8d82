"""What every wire format implements.

An adapter lives for one attempt. It is pure: it does no I/O, never changes the call it was given
(a retry encodes it again), and knows nothing of keys. It raises
:class:`~llm_gateway.errors.UpstreamError` for whatever is not an answer, and
:class:`~llm_gateway.errors.RequestError` for what no provider could make sense of.

Where one request is not enough (a picture to be uploaded first, four pictures from a provider that
draws one at a time, a list in pages) the adapter is a generator: it yields requests that may be
sent at the same time, and is given their whole answers, whatever their status. See ``Steps``.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from llm_gateway import sse
from llm_gateway.errors import UpstreamError, UpstreamUnsupported
from llm_gateway.memory import Memory
from llm_gateway.wire import (
    EVENT_STREAM,
    JSON,
    STANDARD_HEADERS,
    Label,
    UpstreamRequest,
)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer of any status; names in ``headers`` compare without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


type Steps[T] = Generator[Sequence[UpstreamRequest], Sequence[Whole], T]
"""Requests out, each batch's answers in the same order back in, and in the end a result."""


_SEGMENTS = re.compile(r"(?!\.\.?(?:/|$))[\w~:@+.-]+(?:/(?!\.\.?(?:/|$))[\w~:@+.-]+)*", re.ASCII)
"""None that is empty or leads up, and no character that means something in a URL."""


def in_path(model: str) -> str:
    """The name of a model that becomes part of an address, as it is.

    Raises UpstreamUnsupported where it would make another address of it.
    """
    if not _SEGMENTS.fullmatch(model):
        raise UpstreamUnsupported(
            "The model's name has no place in this provider's addresses.", param="model"
        )
    return model


@dataclass(frozen=True, slots=True)
class Site:
    """A provider as adapters see it.

    ``base_url`` has no slash at its end. ``headers`` go with every request: the credentials, as
    masked forms that the wire replaces, and what the configuration adds.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = ()

    def request(
        self,
        method: str,
        path: str,
        label: Label,
        *,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> UpstreamRequest:
        """A request to this provider; ``path`` begins with a slash and goes below the base URL.

        ``headers`` are further ones, of this request alone.
        """
        content = (("content-type", content_type),) if body else ()
        return UpstreamRequest(
            method=method,
            url=self.base_url + path,
            headers=(*STANDARD_HEADERS, *content, ("accept", accept), *headers, *self.headers),
            body=body,
            label=label,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a chat completion.

    ``body`` is the client's request as parsed JSON, of which only ``model``, ``messages`` (objects
    with a role) and ``stream`` are known to be valid; ``model`` the name the provider knows;
    ``created`` the time in seconds since the epoch that the answer is dated with. With
    ``only_we_count``, the usage of a stream is asked for although the client did not.
    """

    body: Mapping[str, Any]
    stream: bool
    model: str
    site: Site
    label: Label
    created: int
    memory: Memory = field(default_factory=Memory)
    only_we_count: bool = False

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for the usage of a stream."""
        if self.only_we_count:
            return False
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def post(self, path: str, content: object) -> UpstreamRequest:
        """A POST of ``content`` as JSON that accepts what the client asked for."""
        accept = EVENT_STREAM if self.stream else JSON
        body = orjson.dumps(content)
        return self.site.request("POST", path, self.label, body=body, accept=accept)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them.

    The prompt's include those read from a cache and those written to one, and the written those
    that are kept there for an hour. ``special`` says that something is billed in another way than
    by these counts at the usual prices: another service tier, sound, a search. ``cost`` is in US
    dollars, where the provider itself says it.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_written_tokens: int = 0
    cache_hour_tokens: int = 0
    special: bool = False
    cost: float | None = None


class Adapter(ABC):
    """Translates one attempt at a chat completion."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.done = False
        """The stream is over: the provider said so, or it ended. Nothing after it counts."""
        self.usage: Usage | None = None
        """The tokens the provider reported so far, if it did."""
        self.dropped: tuple[str, ...] = ()
        """The places in the client's request that ``encode`` left out."""

    def prepare(self) -> Steps[None]:
        """What has to be done before ``encode``. Most formats need nothing."""
        yield from ()

    @abstractmethod
    def encode(self) -> UpstreamRequest:
        """The request in the provider's format; equal each time it is asked for."""

    @abstractmethod
    def decode(self, body: bytes) -> bytes:
        """A whole 2xx reply as an OpenAI chat completion, JSON bytes. Raises UpstreamError."""

    @abstractmethod
    def decode_as_stream(self, body: bytes) -> list[bytes]:
        """The same reply as the chunks of a stream, for a client that asked for one."""

    @abstractmethod
    def feed(self, event: sse.Event) -> list[bytes]:
        """The OpenAI chunks, JSON bytes, that one event of the stream stands for.

        Raises UpstreamError when the event reports a failure or is not of the format.
        """

    @abstractmethod
    def end(self) -> list[bytes]:
        """The stream has ended: the chunks that were waiting for that.

        Raises UpstreamError if its answer was not complete.
        """

    @abstractmethod
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """What a reply with this (non-2xx) status means."""


class AdapterFactory(Protocol):
    """Makes the adapter of one attempt."""

    def __call__(self, call: Call) -> Adapter: ...


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One attempt at pictures.

    ``body`` is the client's request to ``/images/generations`` as parsed JSON, of which ``prompt``
    (a string that is not empty), ``n`` (an integer from 1 to 10, if there) and ``model`` are known
    to be valid.
    """

    body: Mapping[str, Any]
    model: str
    site: Site
    label: Label
    created: int

    @property
    def prompt(self) -> str:
        """What to draw."""
        return str(self.body["prompt"])

    @property
    def n(self) -> int:
        """How many pictures."""
        return int(self.body.get("n") or 1)


class ImageAdapter(ABC):
    """Translates one attempt at pictures."""

    def __init__(self, call: ImageCall) -> None:
        self.call = call
        self.dropped: tuple[str, ...] = ()
        """The places in the client's request that ``steps`` left out."""

    @abstractmethod
    def steps(self) -> Steps[dict[str, Any]]:
        """Ends with an OpenAI images response: ``created``, ``data`` and what else is known.

        Each entry of ``data`` has ``b64_json`` or ``url``. Raises UpstreamError, also for an answer
        without a picture.
        """


class ImageAdapterFactory(Protocol):
    """Makes the adapter of one attempt at pictures."""

    def __call__(self, call: ImageCall) -> ImageAdapter: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of a provider's own list: the name it goes by there, and what it can do."""

    id: str
    capability: str
    """``chat`` or ``image``."""


class ModelsLister(Protocol):
    """Asks a provider which models it has."""

    def __call__(self, site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
        """Raises UpstreamError."""
