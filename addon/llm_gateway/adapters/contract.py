"""What every wire format implements.

An adapter lives for one attempt. It is pure: it does no I/O, never changes the call it was given
(a retry encodes it again), and knows nothing of keys. It raises
:class:`~llm_gateway.errors.UpstreamError` for whatever is not an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from llm_gateway import sse
from llm_gateway.errors import UpstreamError
from llm_gateway.wire import Label, UpstreamRequest


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to be made: the client's parsed body, and where it goes.

    ``body`` is the client's chat completion request as parsed JSON; ``model`` the name the
    provider knows; ``key_hint`` the provider's key in its masked form, for people to see.
    """

    body: Mapping[str, Any]
    stream: bool
    model: str
    base_url: str
    key_hint: str | None
    label: Label


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int


class Adapter(Protocol):
    """Translates one attempt."""

    @property
    def usage(self) -> Usage | None:
        """The tokens the provider reported so far, if it did."""

    done: bool
    """The stream is over: the provider said so, or its connection ended. Nothing after counts."""

    def encode(self) -> UpstreamRequest:
        """The request in the provider's format; equal each time it is asked for."""

    def decode(self, body: bytes) -> bytes:
        """A whole 2xx reply as an OpenAI chat completion, JSON bytes. Raises UpstreamError."""

    def decode_as_stream(self, body: bytes) -> list[bytes]:
        """The same reply as the chunks of a stream, for a client that asked for one."""

    def feed(self, event: sse.Event) -> list[bytes]:
        """The OpenAI chunks, JSON bytes, that one event of the stream stands for.

        Raises UpstreamError when the event reports a failure or is not of the format.
        """

    def end(self) -> None:
        """The stream has ended. Raises UpstreamError if its answer was not complete."""

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """What a reply with this (non-2xx) status means."""


class AdapterFactory(Protocol):
    """Makes the adapter of one attempt."""

    def __call__(self, call: Call) -> Adapter: ...
