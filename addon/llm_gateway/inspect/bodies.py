"""Keeping a streamed body so that it can be read, while it grows and afterwards, within bounds."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import http

from llm_gateway.inspect.metadata import ARRIVALS, CUT
from llm_gateway.masks import NO_MASKS, Masks

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""Per streamed body. A chat stays far below; an endless stream must not fill the memory."""
MAX_ARRIVALS = 4096
"""Pieces whose times are kept; of more, every second one is forgotten, and so on."""
SHOWN_EVERY = 0.25
"""Seconds between two looks at a body that grows."""
SHOWN_BYTES = 2 * 1024 * 1024
"""A body is shown no faster than so many bytes of it a second: each time, all of it is hashed."""

_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Screen:
    """Who looks at flows. ``update`` shows a flow anew, which costs something: not for nobody.

    ``has_list``: flows stay in a list after their last hook.
    """

    is_looked_at: Callable[[], bool]
    update: Callable[[http.HTTPFlow], None]
    has_list: bool


NO_SCREEN = Screen(lambda: False, lambda flow: None, has_list=False)


class BodyTap:
    """Collects the pieces of one streamed body up to a limit, and when they came."""

    def __init__(
        self,
        flow: http.HTTPFlow,
        screen: Screen = NO_SCREEN,
        masks: Masks = NO_MASKS,
        limit: int = MAX_KEPT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flow = flow
        self._screen = screen
        self._masks = masks
        self._limit = limit
        self._clock = clock
        self._began = clock()
        self._parts: list[bytes] = []
        self._arrivals: list[int] = []
        self._kept = 0
        self._seen = 0
        self._shown = -SHOWN_EVERY
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The request leaves now: from here on the pieces of its answer are timed."""
        self._began = self._clock()

    def add(self, data: bytes) -> None:
        """Note the next piece."""
        self._seen += len(data)
        if self._kept >= self._limit:
            return
        data = data[: self._limit - self._kept]
        self._parts.append(data)
        self._kept += len(data)
        now = self._clock() - self._began
        self._arrivals += (self._kept, int(now * _MILLISECONDS))
        if len(self._arrivals) >= 2 * MAX_ARRIVALS:
            self._forget_every_second()
        if self._timer is None and self._screen.is_looked_at() and not self._masks.active:
            # With masks it is shown in the end: half of what is to be masked looks like anything.
            due = self._shown + max(SHOWN_EVERY, self._kept / SHOWN_BYTES)
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._show)

    def masked(self, body: bytes) -> bytes:
        """A body as its flow may show it; the same object where nothing is to be hidden."""
        return self._masks.hide(body)

    def store(self) -> None:
        """Make what was kept the content of the flow's response, and say if it is not all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        flow = self._flow
        if flow.response is None:
            return
        body = b"".join(self._parts)
        self._parts = [body]
        flow.response.data.content = shown = self.masked(body)
        if self._arrivals and shown is body:
            flow.metadata[ARRIVALS] = self._arrivals
        if self._seen > self._kept:
            flow.metadata[CUT] = f"body cut: {self._kept} of {self._seen} bytes are kept"

    def _show(self) -> None:
        self._shown = self._clock() - self._began
        self.store()
        self._screen.update(self._flow)

    def _forget_every_second(self) -> None:
        ends, times = self._arrivals[2::4], self._arrivals[3::4]
        self._arrivals = [each for pair in zip(ends, times, strict=True) for each in pair]
