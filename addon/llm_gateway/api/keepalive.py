"""Comments in a stream that has not begun, so that nobody on the way takes the silence for death.

The status is out with the first comment. From then on a failure can only be told in the stream.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from llm_gateway.api.http import Headers, Sink
from llm_gateway.tasks import spawn

COMMENT = b": keepalive\n\n"


class KeepAlive:
    """Around what is waited for. Writes nothing if that takes less than ``every`` seconds."""

    def __init__(self, sink: Sink, headers: Callable[[], Headers], every: float) -> None:
        """``headers`` are asked for when the answer has to begin."""
        self._sink = sink
        self._headers = headers
        self._every = every
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is None:
            return
        self._over.set()
        if isinstance(error, asyncio.CancelledError):
            self._writer.cancel()
            await asyncio.wait([self._writer])
            return
        # What it is writing comes before whatever is written next.
        await self._writer

    def _begin(self) -> None:
        self._writer = spawn(self._write(), "keep a stream alive")

    async def _write(self) -> None:
        await self._sink.start(200, self._headers())
        while not self._over.is_set():
            await self._sink.write(COMMENT)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._every)
