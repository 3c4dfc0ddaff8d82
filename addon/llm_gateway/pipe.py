"""A stream from its first event to its end.

Until its first content the reply is *held* (:func:`hold`): a failure is an exception, and the
client has seen nothing. From then on (the *commit*) it is a straight pipe, and a failure is told in
it: an error event, then ``[DONE]``. A stream never just stops.
"""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter
from llm_gateway.content import check_filtered, has_begun
from llm_gateway.errors import (
    GatewayError,
    InternalError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from llm_gateway.limits.gate import Permit
from llm_gateway.patience import Watchdog
from llm_gateway.routing import Target
from llm_gateway.tasks import spawn
from llm_gateway.trace import Trace
from llm_gateway.wire import UpstreamResponse

HELD_BYTES = 1024 * 1024
"""More than this is not held: what a provider says at such length will be content."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenStream:
    """One open call at a target: the response, who reads it, and what it has given so far."""

    target: Target
    response: UpstreamResponse
    adapter: Adapter
    trace: Trace
    permit: Permit
    decoder: sse.Decoder = field(default_factory=sse.Decoder)
    held: list[bytes] = field(default_factory=list)
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
    def idle(self) -> float:
        """The longest silence after the first content, in seconds."""
        return self.target.spec.http.idle

    @property
    def over(self) -> bool:
        """Nothing more comes."""
        return self.adapter.done or self.failure is not None

    def finish(self) -> None:
        """It has ended, well or not: its connection and its place are free."""
        usage = self.trace.usage = self.adapter.usage
        if self.failure is None and self.adapter.done:
            self.permit.succeed(usage)
            # Behind the client's back: it has its whole answer, and the tail may take a moment.
            spawn(_release(self.response), "give a connection back")
            return
        if isinstance(self.failure, UpstreamError):
            self.permit.fail(self.failure, usage)
        else:
            self.permit.release(usage)
        self.response.close()


class Resumption(Protocol):
    """What lets a stream go on that breaks off."""

    def take(self, chunks: list[bytes]) -> list[bytes]:
        """The chunks as the client gets them, and is to be told no more of."""

    async def go_on(self, failure: GatewayError) -> OpenStream | None:
        """A held stream that begins where the last chunk ended; None: there is none."""


async def hold(stream: OpenStream, *, refuse_filtered: bool = False) -> None:
    """Read up to the first content, into ``held``. Raises GatewayError if none comes.

    With ``refuse_filtered``, what a content filter has left empty is none.
    """
    try:
        size = 0
        while size <= HELD_BYTES:
            chunks = await stream.chunks()
            stream.held += chunks
            size += sum(map(len, chunks))
            if stream.failure is None and has_begun(chunks):
                break
            if stream.over:
                raise stream.failure or UpstreamInvalidResponse(
                    "The provider's stream ended before it had any content."
                )
        if refuse_filtered:
            check_filtered(stream.held)
    except BaseException:
        stream.response.close()
        raise


async def pipe(stream: OpenStream, resumption: Resumption | None = None) -> AsyncGenerator[bytes]:
    """The client's stream from the commit on. Ends with ``[DONE]``, whatever happens."""
    pieces = _pipe(stream, resumption)
    # To its first yield: a generator that never ran closes nothing when it is closed.
    await anext(pieces)
    return pieces


async def replay(chunks: list[bytes]) -> AsyncGenerator[bytes]:
    """A whole reply given as a stream."""
    yield b"".join(map(sse.encode, chunks)) + sse.DONE


async def _pipe(stream: OpenStream, resumption: Resumption | None) -> AsyncGenerator[bytes]:
    """The first piece is empty."""
    chunks, stream.held = stream.held, []
    watchdog = _watchdog(stream)
    try:
        yield b""
        while True:
            if resumption is not None:
                chunks = resumption.take(chunks)
            if chunks:
                yield b"".join(map(sse.encode, chunks))
            if not stream.over:
                watchdog.watch()
                chunks = await stream.chunks()
                watchdog.rest()
                continue
            if watchdog.barked and not stream.adapter.done:
                stream.failure = UpstreamTimeout(
                    f"The provider's stream was silent for {stream.idle:g} s."
                )
            watchdog.stop()
            further = await _further(stream, resumption)
            if further is None:
                break
            stream, watchdog = further, _watchdog(further)
            chunks, stream.held = stream.held, []
        yield _ending(stream)
    finally:
        watchdog.stop()
        stream.finish()


def _watchdog(stream: OpenStream) -> Watchdog:
    # Closing the response is what ends a read that has nothing to read.
    return Watchdog(stream.idle, stream.response.close)


async def _further(stream: OpenStream, resumption: Resumption | None) -> OpenStream | None:
    """What goes on in place of a stream that broke off."""
    if stream.failure is None or resumption is None:
        return None
    # What goes on may need its place, and must know that its target failed.
    stream.finish()
    try:
        return await resumption.go_on(stream.failure)
    except Exception:
        logger.exception("The stream of exchange %s could not go on.", stream.trace.exchange)
        return None


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
