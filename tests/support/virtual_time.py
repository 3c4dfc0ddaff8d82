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


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        return self._virtual.now


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` in virtual seconds, from 0 on."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
