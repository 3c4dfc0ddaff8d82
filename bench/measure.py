"""The rounds: the same load through every contender in turn, and what it cost each of them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.contenders import Contenders, Mode, Subject, run_contenders
from bench.load import Job, Tally
from bench.processes import BenchError, Helper, Proxy, run_helper
from bench.traffic import Case

_PER_WHOLE = {Case.WHOLE: 1.0, Case.STREAM: 0.08, Case.BURST: 0.2}
"""Requests of a case for each whole one, so that a round spends like time on each case."""

_TICK = 0.01
"""Seconds: the usual step of CPU clocks. A load too short to be seen counts as one step."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    ``requests`` are the whole ones of one measurement; ``held`` the open streams while memory is
    looked at, for each of which a proxy needs two sockets. A round is left out if it would probably
    end after ``seconds``; the first one never is.
    """

    requests: int
    rounds: int
    concurrency: int
    held: int
    seconds: float

    def count(self, case: Case) -> int:
        """Requests of one measurement of this case."""
        return max(self.concurrency, round(self.requests * _PER_WHOLE[case]))


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one load cost one contender: ``cpu`` in seconds of its process's CPU time."""

    round: int
    case: Case
    mode: Mode
    subject: Subject
    cpu: float
    requests: int
    events: int
    seconds: float

    @property
    def busy(self) -> float:
        """The share of the time on the clock that the process computed."""
        return self.cpu / self.seconds

    @property
    def cost(self) -> float:
        """CPU milliseconds for each request; microseconds for each event if it was a stream."""
        return self.cpu * 1e6 / self.events if self.events else self.cpu * 1e3 / self.requests


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of resident memory in quiet mode: without streams, and added by each open idle one."""

    subject: Subject
    before: int
    per_stream: float


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was measured."""

    plan: Plan
    rounds: int
    memory: list[Memory]
    measurements: list[Measurement]


class Bench:
    """Measures running contenders."""

    def __init__(self, plan: Plan, contenders: Contenders, load: Helper, credit_port: int) -> None:
        """``credit_port``: the provider's port for credits."""
        self._plan = plan
        self._contenders = contenders
        self._load = load
        self._credit_port = credit_port

    async def run(self, started: float) -> Result:
        """Warm up, look at memory, make the rounds. ``started`` on the monotonic clock."""
        plan = self._plan
        await self._round(0, replace(plan, requests=max(1, plan.requests // 10)))
        memory = [await self._memory(subject) for subject in Subject]
        measurements: list[Measurement] = []
        rounds = 0
        longest = 0.0
        while rounds < plan.rounds:
            begun = time.monotonic()
            if rounds and begun + longest > started + plan.seconds:
                break
            rounds += 1
            measurements += await self._round(rounds, plan)
            longest = max(longest, time.monotonic() - begun)
        return Result(plan, rounds, memory, measurements)

    async def _round(self, number: int, plan: Plan) -> list[Measurement]:
        return [
            await self._measure(number, case, mode, subject, plan.count(case))
            for case in _PER_WHOLE
            for mode in Mode
            for subject in Subject
        ]

    async def _measure(
        self, number: int, case: Case, mode: Mode, subject: Subject, requests: int
    ) -> Measurement:
        proxy = self._contenders.proxy(case, mode, subject)
        await self._prepare(proxy, case, requests, self._plan.concurrency)
        before = proxy.cpu_seconds()
        tally = await self._go(proxy)
        cpu = max(proxy.cpu_seconds() - before, _TICK)
        return Measurement(
            number, case, mode, subject, cpu, tally.requests, tally.events, tally.seconds
        )

    async def _memory(self, subject: Subject) -> Memory:
        held = self._plan.held
        proxy = self._contenders.proxy(Case.HELD, Mode.QUIET, subject)
        before = proxy.rss()
        await self._prepare(proxy, Case.HELD, held, held)
        added = proxy.rss() - before
        await self._go(proxy)
        return Memory(subject, before, added / held)

    async def _prepare(self, proxy: Proxy, case: Case, requests: int, connections: int) -> None:
        self._load.tell(asdict(Job(case, proxy.port, self._credit_port, requests, connections)))
        await self._hear(proxy)

    async def _go(self, proxy: Proxy) -> Tally:
        self._load.tell({})
        return Tally(**await self._hear(proxy))

    async def _hear(self, proxy: Proxy) -> dict[str, Any]:
        try:
            return await self._load.hear()
        except BenchError as error:
            raise proxy.failure(str(error)) from error


@asynccontextmanager
async def open_bench(plan: Plan, directory: Path) -> AsyncIterator[Bench]:
    """Everything running that a measurement needs."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(run_helper("bench.provider"))
        load = await stack.enter_async_context(run_helper("bench.load"))
        ports = await provider.hear()
        contenders = await stack.enter_async_context(run_contenders(ports["port"], directory))
        yield Bench(plan, contenders, load, ports["credit_port"])
