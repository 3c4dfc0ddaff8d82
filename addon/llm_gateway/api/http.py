"""The values that pass between the HTTP side and the API, free of any HTTP library."""

from dataclasses import dataclass
from typing import Protocol

from llm_gateway.config import ClientToken
from llm_gateway.manner import Manner

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request before its body. ``path`` is the raw target with its query.

    ``hosts`` holds every host the request names (Host fields, ``:authority``, absolute target);
    ``authorization`` every Authorization field, as the bytes that came.
    """

    method: str
    path: str
    hosts: tuple[str, ...]
    authorization: tuple[bytes, ...]
    content_type: str | None
    content_encoding: str | None
    content_length: int | None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """An admitted request with its body. ``exchange`` is the id that names it everywhere.

    ``manner`` is what the client's SDK says of itself, ``client`` whose token it came with: None
    where it needs none, or the operator asks.
    """

    exchange: str
    method: str
    path: str
    body: bytes
    manner: Manner = Manner()
    client: ClientToken | None = None


class Sink(Protocol):
    """Where an answer goes. Each call waits until the client can take more."""

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The answer in one; ``content-length`` is added."""

    async def start(self, status: int, headers: Headers) -> None:
        """The status and headers of an answer whose body follows in pieces."""

    async def write(self, data: bytes) -> None:
        """A piece of the body."""

    async def end(self) -> None:
        """The body is complete."""
