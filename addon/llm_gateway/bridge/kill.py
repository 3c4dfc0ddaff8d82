"""Killing a flow, wherever it is.

``Flow.kill`` marks the flow, and mitmproxy sees the mark when it has run its next hook on it. Until
then nothing ends: not the wait of whoever holds the flow, so that its client hangs (mitmproxy issue
8045), and not a request that is under way or a stream that flows (issue 4711). So who waits is
woken here, and who works for a flow can say what ends that work.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps

from mitmproxy.flow import Error, Flow

logger = logging.getLogger(__name__)

_MARK = "llm_gateway_wakes"
_ENDING = "llm_gateway_ends"
"""An attribute of the flow itself: it goes with it, and neither copies nor files have it."""

type Ending = Callable[[Flow], None]
"""Ends what is being done for a flow."""


class Killed(Exception):
    """A person, or an addon, has killed the flow."""


def wake_on_kill() -> None:
    """Have ``Flow.kill`` end what is done for the flow. Doing it again changes nothing."""
    if hasattr(Flow.kill, _MARK):
        return
    original = Flow.kill

    @wraps(original)
    def kill(self: Flow) -> None:
        original(self)  # type: ignore[no-untyped-call] # mitmproxy's has no annotations
        if self._resume_event is not None:
            self._resume_event.set()
        _end(self)

    setattr(kill, _MARK, True)
    Flow.kill = kill  # type: ignore[method-assign] # mends mitmproxy's own method


def is_killed(flow: Flow) -> bool:
    """Whether the flow was killed."""
    return flow.error is not None and flow.error.msg == Error.KILLED_MESSAGE


def when_killed(flow: Flow, end: Ending | None) -> None:
    """Have ``end`` called as soon as the flow is killed, in place of what was to be called.

    The flow keeps it, and all that it refers to, until it is replaced.
    """
    setattr(flow, _ENDING, end)


@asynccontextmanager
async def until_killed(flow: Flow) -> AsyncIterator[None]:
    """Work for the flow inside. Raises Killed where that was ended by killing it.

    Inside, being killed looks like being cancelled.
    """
    limit = asyncio.timeout(None)

    def end(_: Flow) -> None:
        limit.reschedule(0)

    try:
        async with limit:
            when_killed(flow, end)
            try:
                yield
            finally:
                if getattr(flow, _ENDING, None) is end:
                    when_killed(flow, None)
    except TimeoutError:
        if limit.expired():
            raise Killed from None
        raise


def _end(flow: Flow) -> None:
    end: Ending | None = getattr(flow, _ENDING, None)
    if end is None:
        return
    try:
        end(flow)
    except Exception:
        logger.exception("Ending the work for a killed flow failed.")
