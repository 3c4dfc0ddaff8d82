"""Calls that come to a throttle, leave it and end, in virtual time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from llm_gateway.limits.throttle import QueueFull, QueueTimeout, Throttle


def now() -> float:
    """The loop's seconds."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything happen that happens now."""
    for _ in range(6):
        await asyncio.sleep(0)


@dataclass(eq=False)
class Caller:
    """One call: when it came, what became of it, and when that was."""

    number: int
    came: float
    fate: str = "waits"
    at: float = -1.0
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Its client goes."""
        assert self.task is not None
        self.task.cancel()


class Callers:
    """Those who call, numbered from 1 as they come; `began` says who began and when."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self.all: list[Caller] = []
        self.began: list[tuple[int, float]] = []
        self._failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, failure: self._failures.append(failure)
        )

    def come(self, count: int = 1) -> list[Caller]:
        """Calls come; those that may begin at once have begun."""
        factory = asyncio.eager_task_factory
        for _ in range(count):
            caller = Caller(len(self.all) + 1, now())
            self.all.append(caller)
            caller.task = factory(asyncio.get_running_loop(), self._call(caller))
        return self.all[-count:]

    def end(self, caller: Caller) -> None:
        """A call that runs is over."""
        assert caller.fate == "runs"
        caller.fate = "over"
        self.throttle.release()

    def of(self, fate: str) -> list[Caller]:
        """The callers that this has become of."""
        return [caller for caller in self.all if caller.fate == fate]

    @property
    def fates(self) -> list[str]:
        """What has become of each."""
        return [caller.fate for caller in self.all]

    def check(self) -> None:
        """Nothing failed: neither in a timer, nor in a call's own task. Raises what did there."""
        assert self._failures == []
        for caller in self.all:
            if caller.task is not None and caller.task.done() and not caller.task.cancelled():
                caller.task.result()

    async def go(self) -> None:
        """Everybody leaves. Then nothing is left, and after a while a call begins at once."""
        for caller in self.of("waits"):
            caller.cancel()
        for caller in self.of("runs"):
            self.end(caller)
        await settle()
        self.check()
        throttle = self.throttle
        assert (throttle.running, throttle.waiting) == (0, 0)
        await asyncio.sleep(100)
        assert not throttle.busy
        assert await throttle.acquire() == 0.0
        assert throttle.running == 1
        throttle.release()
        assert throttle.running == 0

    async def _call(self, caller: Caller) -> None:
        try:
            waited = await self.throttle.acquire()
        except QueueFull:
            self._became(caller, "refused")
        except QueueTimeout as error:
            self._became(caller, "timed out", error.waited)
        except asyncio.CancelledError:
            self._became(caller, "cancelled")
            raise
        else:
            self._became(caller, "runs", waited)
            self.begun(caller)

    @staticmethod
    def _became(caller: Caller, fate: str, waited: float | None = None) -> None:
        caller.fate = fate
        caller.at = now()
        assert waited in {None, caller.at - caller.came}

    def begun(self, caller: Caller) -> None:
        """A call has begun now."""
        self.began.append((caller.number, now()))
