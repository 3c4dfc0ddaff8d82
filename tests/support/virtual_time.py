"""An event loop whose clock moves by itself whenever nothing is left to do: no test has to wait."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, override


class _Selector(selectors.DefaultSelector):
    """Passes the time that the loop would wait, instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits, and nothing will ever happen"
            self.now += max(0.0, timeout)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        return self._virtual.now

    def hold_up(self, seconds: float) -> None:
        """As something does that takes this long and does not await."""
        self._virtual.now += seconds

    def timers(self) -> int:
        """How many timers are set."""
        return sum(not timer.cancelled() for timer in self._scheduled)


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` in virtual seconds, from 0 on."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


def current() -> Loop:
    """The loop that runs this."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop
