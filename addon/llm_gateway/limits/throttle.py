"""How fast one provider is asked: places, a least time between two calls, and a bounded queue.

Strictly first come, first served. A turn is *given* in one pass of the event loop and *taken* in
the next, when the waiting task runs. In between that task may be cancelled; then the next in the
queue is given the turn. As the time between two calls is counted from when a turn is taken, none of
it is lost.
"""

import asyncio
import math
from collections import OrderedDict

from llm_gateway.config import ThrottlePolicy

_EARLY = 1e-9
"""How much too early the event loop may call a timer, in seconds."""


class QueueFull(Exception):
    """As many calls wait already as may."""


class QueueTimeout(Exception):
    """A call's turn did not come in time. ``waited`` is how long it waited, in seconds."""

    def __init__(self, waited: float) -> None:
        super().__init__(f"waited {waited:g} s")
        self.waited = waited


class Throttle:
    """Lets calls begin as the policy has it. Belongs to one event loop, whose clock it goes by.

    ``running`` counts the calls that have a place: those that run, and those whose turn was given.
    """

    def __init__(self, policy: ThrottlePolicy, max_connections: int) -> None:
        self.running = 0
        self._given = 0
        self._last = -math.inf
        self._alarm: asyncio.TimerHandle | None = None
        # A turn's result is whether it came in time.
        self._turns: OrderedDict[asyncio.Future[bool], None] = OrderedDict()
        self.adopt(policy, max_connections)

    def adopt(self, policy: ThrottlePolicy, max_connections: int) -> None:
        """Go by another policy from now on.

        Who waits keeps its place in the queue and its timeout. Where there are fewer places than
        calls that run, these finish.
        """
        self._policy = policy
        self._places = min(policy.max_concurrent or max_connections, max_connections)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._give()

    @property
    def places(self) -> int:
        """How many calls may run at a time."""
        return self._places

    @property
    def waiting(self) -> int:
        """How many calls are in the queue; one that is cancelled leaves it when its task runs."""
        return len(self._turns)

    @property
    def busy(self) -> bool:
        """Whether a call would have to wait now."""
        return (
            self.running >= self._places
            or self._given > 0
            or len(self._turns) > 0
            or asyncio.get_running_loop().time() < self._last + self._policy.min_interval
        )

    async def acquire(self) -> float:
        """Wait until a call may begin; gives the seconds waited, 0.0 if it may at once.

        The place is the caller's from then on, even if it is cancelled before it does anything.
        Raises QueueFull at once, or QueueTimeout.
        """
        if self.busy:
            return await self._queue()
        self.running += 1
        self._last = asyncio.get_running_loop().time()
        return 0.0

    def release(self) -> None:
        """The call is over: once for each acquire."""
        self.running -= 1
        self._give()

    @property
    def is_strict(self) -> bool:
        """Whether more is asked for than as many places as there are connections."""
        return self._policy.max_concurrent is not None or self._policy.min_interval > 0

    async def next_turn(self) -> None:
        """Wait until another call may begin in a place that is held already."""
        loop = asyncio.get_running_loop()
        while True:
            # Somebody else may have begun a call meanwhile.
            left = self._last + self._policy.min_interval - loop.time()
            if left <= _EARLY:
                break
            await asyncio.sleep(left)
        self._last = loop.time()

    async def _queue(self) -> float:
        if len(self._turns) >= self._policy.queue:
            raise QueueFull
        loop = asyncio.get_running_loop()
        came = loop.time()
        turn = loop.create_future()
        self._turns[turn] = None
        timer = loop.call_later(self._policy.queue_timeout, self._expire, turn)
        if not self._given:
            # A turn given here would be taken at once, before one that was given earlier.
            self._give()
        try:
            if not await turn:
                raise QueueTimeout(loop.time() - came)
        except asyncio.CancelledError:
            self._leave(turn)
            raise
        finally:
            timer.cancel()
        self._given -= 1
        self._last = loop.time()
        self._give()
        return self._last - came

    def _expire(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            del self._turns[turn]
            turn.set_result(False)

    def _leave(self, turn: asyncio.Future[bool]) -> None:
        """The call was cancelled while it waited for its turn."""
        self._turns.pop(turn, None)
        if not turn.cancelled() and turn.result():
            # It was given the turn, and cancelled before it took it.
            self._given -= 1
            self.release()

    def _give(self) -> None:
        """Give turns to those who may begin now, the first first."""
        while self._turns and self.running < self._places and self._is_time():
            turn, _ = self._turns.popitem(last=False)
            if not turn.done():
                turn.set_result(True)
                self.running += 1
                self._given += 1

    def _is_time(self) -> bool:
        """Whether the next call may begin, as to time. If not, the alarm goes off when it may."""
        if not self._policy.min_interval:
            return True
        if self._given:
            return False
        loop = asyncio.get_running_loop()
        due = self._last + self._policy.min_interval
        if loop.time() + _EARLY >= due:
            return True
        if self._alarm is None:
            self._alarm = loop.call_at(due, self._ring)
        return False

    def _ring(self) -> None:
        self._alarm = None
        self._give()
