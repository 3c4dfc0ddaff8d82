"""A stream from its first event to its end.

Until the first good event the reply is *held* (:func:`hold`): a failure is an exception. From then
on it is a straight pipe, and a failure is told in it: an error event, then ``[DONE]``. A stream
never just stops.
"""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter
from llm_gateway.errors import (
    GatewayError,
    InternalError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from llm_gateway.patience import Watchdog
from llm_gateway.tasks import spawn
from llm_gateway.trace import Trace
from llm_gateway.wire import UpstreamResponse

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenStream:
    """One open call: the response, who reads it, and what it has given so far."""

    response: UpstreamResponse
    adapter: Adapter
    trace: Trace
    decoder: sse.Decoder = field(default_factory=sse.Decoder)
    failure: GatewayError | None = None

    async def chunks(self) -> list[bytes]:
        """The chunks of the next piece of the stream, maybe none.

        What came before a failure is returned first; the failure then waits in ``failure``.
        """
        chunks: list[bytes] = []
        try:
            data = await self.response.read()
            events = self.decoder.feed(data) if data else self.decoder.close()
            for event in events:
                chunks += self.adapter.feed(event)
            if not data:
                chunks += self._end()
        except UpstreamError as failure:
            self.failure = failure
        except sse.EventTooLarge as error:
            self.failure = UpstreamInvalidResponse(
                "The provider's stream holds an event that is too large.", detail=str(error)
            )
        except Exception as error:
            # If the stream has begun, a bug of ours must end it in words and not cut it.
            logger.exception("The stream of exchange %s failed.", self.trace.exchange)
            self.failure = InternalError(type(error).__name__)
        return chunks

    def _end(self) -> list[bytes]:
        """The last chunks. Raises UpstreamError if the answer is not complete."""
        try:
            return self.adapter.end()
        except UpstreamError:
            # Why it is not may stand beside the events.
            stray = self.decoder.stray
            told = self.adapter.failure(self.response.status, self.response.headers, stray)
            if stray and not isinstance(told, UpstreamInvalidResponse):
                raise told from None
            raise

    @property
    def over(self) -> bool:
        """Nothing more comes."""
        return self.adapter.done or self.failure is not None


async def hold(stream: OpenStream, idle: float) -> AsyncGenerator[bytes]:
    """The client's stream, once it is known to be good. Raises GatewayError if it is not.

    ``idle`` is the longest silence from then on, in seconds.
    """
    try:
        first: list[bytes] = []
        while not first and not stream.over:
            first = await stream.chunks()
        if not first:
            raise stream.failure or UpstreamInvalidResponse(
                "The provider's stream ended before its first event."
            )
    except BaseException:
        stream.response.close()
        raise
    pipe = _pipe(stream, first, idle)
    # To its first yield: a generator that never ran closes nothing when it is closed.
    await anext(pipe)
    return pipe


async def replay(chunks: list[bytes]) -> AsyncGenerator[bytes]:
    """A whole reply given as a stream."""
    yield b"".join(map(sse.encode, chunks)) + sse.DONE


async def _pipe(stream: OpenStream, chunks: list[bytes], idle: float) -> AsyncGenerator[bytes]:
    """The client's stream from the commit on. Ends with ``[DONE]``, whatever happens.

    The first piece is empty.
    """
    response = stream.response
    complete = False
    # Closing the response is what ends a read that has nothing to read.
    watchdog = Watchdog(idle, response.close)
    try:
        yield b""
        while True:
            if chunks:
                yield b"".join(map(sse.encode, chunks))
            if stream.over:
                break
            watchdog.watch()
            chunks = await stream.chunks()
            watchdog.rest()
        if watchdog.barked:
            stream.failure = UpstreamTimeout(f"The provider's stream was silent for {idle:g} s.")
        ending = _ending(stream)
        complete = stream.failure is None
        yield ending
    finally:
        watchdog.stop()
        stream.trace.usage = stream.adapter.usage
        if complete:
            # Behind the client's back: it has its whole answer, and the tail may take a moment.
            spawn(_release(response), "give a connection back")
        else:
            response.close()


async def _release(response: UpstreamResponse) -> None:
    try:
        await response.release()
    except Exception:
        logger.exception("A provider's connection could not be given back.")
    finally:
        response.close()


def _ending(stream: OpenStream) -> bytes:
    if stream.failure is None:
        return sse.DONE
    stream.trace.failure = stream.failure
    return sse.encode(stream.failure.body()) + sse.DONE
