"""The way out, seen from above: one request to a provider, and its answer as it arrives.

A :class:`Wire` sends one request and gives back a response whose body is read piece by piece.
:class:`~llm_gateway.http_wire.HttpWire` is the real one. Timeouts for the first event and between
events belong to the caller, who knows what an event is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from llm_gateway import __version__
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.patience import Patience

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""A whole reply above this is refused; pictures in base64 stay far below."""

MAX_ERROR_BYTES = 1024 * 1024
"""So much of an error's body is read: what it says stands at its beginning."""

MARK = "x-llm-gateway-mark"
"""The field of every request to a provider that says which process sent it: one that comes back to
the same process would go round and round."""

EVENT_STREAM = "text/event-stream"
JSON = "application/json"
STANDARD_HEADERS = (
    ("user-agent", f"llm-gateway/{__version__}"),
    ("accept-encoding", "identity"),
)
"""What every request carries. Compression would only delay the events of a stream."""


@dataclass(frozen=True, slots=True)
class Label:
    """Which attempt of which exchange a request is; for people and logs, never on the wire.

    ``resumes``: it goes on with an answer that broke off. ``kind`` is the provider's format.
    """

    exchange: str
    attempt: int
    provider: str
    model: str
    resumes: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to a provider. Its headers never hold a key, at most a masked one.

    ``on_fault`` is told the kind of a fault that is injected into it.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    label: Label
    on_fault: Callable[[str], None] | None = field(default=None, compare=False, repr=False)


class UpstreamResponse(Protocol):
    """A provider's answer; its body is still on the way."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names compare without case."""

    async def read(self) -> bytes:
        """The next piece of the body as it arrives; ``b""`` at its end.

        Raises :class:`UpstreamConnectionError` when the connection breaks before the end.
        """

    async def release(self) -> None:
        """The answer is complete: read what little is left and give the connection back."""

    def close(self) -> None:
        """Break off: close the connection at once, so that the provider stops working.

        A read that is waiting ends with UpstreamConnectionError.
        """


class Wire(Protocol):
    """Sends requests to one provider."""

    async def send(self, request: UpstreamRequest, patience: Patience) -> UpstreamResponse:
        """The answer's status and headers. Raises :class:`UpstreamError`.

        ``patience`` holds the time limits that run meanwhile, for who has to stop them.
        """

    async def close(self) -> None:
        """Close every connection. Answers still being read break off."""


def asks_for_event_stream(request: UpstreamRequest) -> bool:
    """Whether the request is for a stream; where there is no such stream, it is not."""
    return ("accept", EVENT_STREAM) in request.headers


def is_event_stream(response: UpstreamResponse) -> bool:
    """Whether the body is a stream of server-sent events."""
    content_type = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == EVENT_STREAM


async def read_whole(response: UpstreamResponse) -> bytes:
    """The whole body, and of an error's no more than ``MAX_ERROR_BYTES``.

    Raises UpstreamInvalidResponse above ``MAX_REPLY_BYTES``, or what reading raises.
    """
    parts: list[bytes] = []
    is_error = response.status >= HTTPStatus.BAD_REQUEST
    most = left = MAX_ERROR_BYTES if is_error else MAX_REPLY_BYTES
    try:
        while data := await response.read():
            parts.append(data)
            left -= len(data)
            if left < 0 and is_error:
                break
            if left < 0:
                raise UpstreamInvalidResponse(
                    f"The provider's answer is larger than {MAX_REPLY_BYTES} bytes."
                )
    finally:
        response.close()
    return b"".join(parts)[:most]
