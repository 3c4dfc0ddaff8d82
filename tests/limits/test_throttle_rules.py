"""The throttle against its rules: whatever is done to it, and in whatever order."""

import asyncio
from dataclasses import dataclass
from typing import override

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config import ThrottlePolicy
from llm_gateway.limits.throttle import Throttle
from support import virtual_time
from support.callers import Caller, Callers, now, settle

QUARTER = 0.25
"""Everything happens at whole quarters of a second, and only timeouts between two of them."""


@dataclass(frozen=True)
class Terms:
    policy: ThrottlePolicy
    max_connections: int

    @property
    def places(self) -> int:
        return min(self.policy.max_concurrent or self.max_connections, self.max_connections)


@dataclass(frozen=True)
class Come:
    """A call comes."""


@dataclass(frozen=True)
class End:
    """One of the calls that run is over."""

    which: int


@dataclass(frozen=True)
class Cancel:
    """One of the waiters is cancelled, that many quarters later."""

    which: int
    quarters: int


@dataclass(frozen=True)
class Tick:
    """The event loop comes round once. What stands between two of these happens in one pass."""


@dataclass(frozen=True)
class Rest:
    """Time passes, and everything comes to rest."""

    quarters: int


type Step = Come | End | Cancel | Tick | Rest | Terms


class Rules(Callers):
    """Checks every beginning, refusal and rest against the terms."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(Throttle(terms.policy, terms.max_connections))
        self._terms = terms
        self._touched = now()
        self._deadlines: dict[int, float] = {}

    async def take(self, step: Step) -> None:
        """Do this step."""
        match step:
            case Come():
                self._come()
            case End(which):
                if running := self.of("runs"):
                    self._touch()
                    self.end(running[which % len(running)])
            case Cancel(which, quarters):
                if waiting := self.of("waits"):
                    waiter = waiting[which % len(waiting)]
                    asyncio.get_running_loop().call_later(quarters * QUARTER, self._cancel, waiter)
            case Tick():
                await asyncio.sleep(0)
            case Rest(quarters):
                await self._rest(quarters)
            case Terms():
                await self._rest(0)
                self._touch()
                self._terms = step
                self.throttle.adopt(step.policy, step.max_connections)

    @override
    def begun(self, caller: Caller) -> None:
        assert len(self.of("runs")) <= self._terms.places
        if self.began:
            before, then = self.began[-1]
            due = then + self._terms.policy.min_interval
            assert caller.number > before, "first come, first served"
            assert now() >= due
            assert now() in {due, self._touched}, "as soon as it may"
        super().begun(caller)

    @override
    def check(self) -> None:
        super().check()
        for caller in self.of("timed out"):
            assert caller.at == self._deadlines[caller.number]
        for caller in self.of("waits"):
            assert now() <= self._deadlines[caller.number]

    def _touch(self) -> None:
        self._touched = now()

    def _come(self) -> None:
        self._touch()
        queue = self._terms.policy.queue
        ahead = len(self.of("waits"))
        [caller] = self.come()
        self._deadlines[caller.number] = caller.came + self._terms.policy.queue_timeout
        if caller.fate == "refused":
            assert ahead >= queue
            assert self.throttle.busy
        elif caller.fate == "waits":
            assert self.throttle.waiting <= queue

    def _cancel(self, caller: Caller) -> None:
        if caller.fate == "waits":
            self._touch()
            caller.cancel()

    async def _rest(self, quarters: int) -> None:
        await asyncio.sleep(quarters * QUARTER)
        await settle()
        running, waiting = len(self.of("runs")), len(self.of("waits"))
        assert (self.throttle.running, self.throttle.waiting) == (running, waiting)
        early = bool(self.began) and now() < self.began[-1][1] + self._terms.policy.min_interval
        assert self.throttle.busy == (waiting > 0 or running >= self._terms.places or early)
        assert waiting == 0 or running >= self._terms.places or early, "who waits has a reason"


policies = st.builds(
    ThrottlePolicy,
    min_interval=st.sampled_from([0.0, 0.0, 0.25, 1.0, 2.5]),
    max_concurrent=st.sampled_from([None, 1, 2, 3]),
    queue=st.sampled_from([0, 1, 4, 4]),
    queue_timeout=st.sampled_from([0.125, 1.125, 3.125, 30.125]),
)
terms = st.builds(Terms, policies, st.sampled_from([1, 2, 3, 3]))
indexes = st.integers(0, 4)
cancels = st.builds(Cancel, indexes, st.sampled_from([0, 0, 0, 1, 4]))
ends = st.builds(End, indexes)
comes = st.builds(Come)
rests = st.builds(Rest, st.integers(0, 12))
ticks = st.builds(Tick)
steps = st.one_of(
    comes, comes, comes, comes, ends, ends, ends, ends, cancels, cancels, ticks, rests, rests, terms
)


@given(terms, st.lists(steps, min_size=20, max_size=80))
def test_calls_begin_in_order_as_soon_as_they_may_and_no_place_is_lost(
    first: Terms, steps: list[Step]
) -> None:
    async def scene() -> None:
        rules = Rules(first)
        for step in steps:
            await rules.take(step)
            rules.check()
        await rules.go()

    virtual_time.run(scene())
