"""The way to a provider that is a recording: no network, the recorded pace or none."""

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from llm_gateway.errors import RequestError, UpstreamConnectionError
from llm_gateway.patience import Patience
from llm_gateway.recordings.answers import Served, not_found, serve
from llm_gateway.recordings.asked import by_gateway
from llm_gateway.recordings.library import Library
from llm_gateway.recordings.tape import TapeError
from llm_gateway.wire import UpstreamRequest


class Pace(enum.StrEnum):
    """How fast recordings are played."""

    NONE = "none"
    """At once: tests do not want to wait as long as somebody did once."""
    RECORDED = "recorded"
    """As they came, for demonstrations and for testing how an application shows a stream."""


class RecordingWire:
    """Answers from the library. A :class:`~llm_gateway.wire.Wire`."""

    def __init__(
        self,
        library: Callable[[], Library],
        pace: Callable[[], Pace],
        hide: Callable[[bytes], bytes],
    ) -> None:
        """The library and the pace are asked for at each request.

        ``hide`` masks a body as those in flows are masked.
        """
        self._library = library
        self._pace = pace
        self._hide = hide

    async def send(self, request: UpstreamRequest, patience: Patience) -> "PacedResponse":
        """The recorded answer, or a 404 that says what there is instead."""
        del patience
        served = self._serve(request)
        if self._pace() is Pace.RECORDED:
            now = asyncio.get_running_loop().time()
            pieces = [(now + due, piece) for due, piece in served.pieces]
        else:
            pieces = [(0.0, piece) for piece in served.at_once]
        return PacedResponse(served.status, served.headers, pieces)

    async def close(self) -> None:
        """Nothing is open."""

    def _serve(self, request: UpstreamRequest) -> Served:
        library = self._library()
        try:
            asked = by_gateway(request.url, self._hide(request.body))
            answer = library.find(asked)
            if answer is None:
                return not_found(library.missing(asked))
            return serve(answer, asked)
        except (TapeError, RequestError) as error:
            return not_found(str(error))


class PacedResponse:
    """An answer whose pieces come when they are due, by the event loop's clock."""

    def __init__(
        self, status: int, headers: Mapping[str, str], pieces: Sequence[tuple[float, bytes]]
    ) -> None:
        self.status = status
        self.headers = headers
        self._pieces = deque(pieces)
        self._closed = asyncio.Event()

    async def read(self) -> bytes:
        """See UpstreamResponse."""
        if not self._pieces:
            return b""
        due, piece = self._pieces[0]
        if due > asyncio.get_running_loop().time():
            await self._until(due)
        if self._closed.is_set():
            raise UpstreamConnectionError("The recording was closed before its end.")
        self._pieces.popleft()
        return piece

    async def release(self) -> None:
        """See UpstreamResponse."""
        self._pieces.clear()

    def close(self) -> None:
        """See UpstreamResponse."""
        self._closed.set()

    async def _until(self, due: float) -> None:
        """Until then, or until it is closed."""
        try:
            async with asyncio.timeout_at(due):
                await self._closed.wait()
        except TimeoutError:
            return
