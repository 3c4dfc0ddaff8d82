"""The phases, one after the other. What they see goes into the evidence; nothing is judged here."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from soak import crowd, last
from soak.evidence import Capacity, Evidence, Kind, Span, Vitals
from soak.faults import endless
from soak.load import Crowd, Draw, Until
from soak.plan import KEEPALIVE, METERED_MODELS, METERED_RATE, NARROW, PLACES, TRIO, Plan
from soak.processes import Providers, Subject
from soak.provider import WELL
from soak.stalls import Stalls

CALM = 2.5 * KEEPALIVE
"""Seconds without a change after which the gateway is at rest: idle connections are closed then."""
LOOK_AGAIN = 0.25
RELOAD_EVERY = 3
"""Faults between two changes of the configuration, which the gateway looks at every second."""
BUSY = "late-200-status-503"
"""The step of providers that fail: not at once, so that probes which are not alone are seen."""
OVERLOAD = 3.0
"""How many times what it can answer the narrow provider is asked for."""
ALONE = 0.25
"""The share of the overload's time in which that is measured."""


class Soak:
    """One run."""

    def __init__(
        self,
        plan: Plan,
        providers: Providers,
        gateway: Subject,
        stalls: Stalls,
        say: Callable[[str], None],
    ) -> None:
        """``stalls`` of this process; ``say`` tells the person who waits what is going on."""
        self._plan = plan
        self._stalls = stalls
        self._providers = providers
        self._gateway = gateway
        self._say = say
        self._crowd = Crowd(gateway.port)
        self._evidence = Evidence(plan, entries=self._crowd.entries)
        self._lots = random.Random(plan.seed)
        self._faults = endless(self._lots)
        self._clock = asyncio.get_running_loop().time
        self._round = 1

    async def run(self, directory: Path) -> Evidence:
        """All phases; the evidence. Files go into ``directory``."""
        evidence = self._evidence
        async with self._span("warm"), self._metered(), self._ordinary():
            await asyncio.sleep(self._plan.warm)
        await self._come_to_rest("rest")
        for number in range(1, self._plan.rounds + 1):
            self._round = number
            await self._go_round()
        async with self._span("last"):
            await last.wake_all(self._crowd, self._gateway)
            await last.fill_all_places(self._crowd, self._providers, evidence)
            evidence.quota = await last.what_is_left(self._crowd)
            await self._crowd.rest()
        evidence.exit_status = await self._gateway.end()
        calls = directory / "calls.jsonl"
        evidence.calls, evidence.provider_failures = await self._providers.calls(calls)
        evidence.output = self._gateway.output()
        return evidence

    async def _go_round(self) -> None:
        plan = self._plan
        async with self._metered():
            async with self._ordinary():
                async with self._span("steady"):
                    await asyncio.sleep(plan.steady)
                async with self._span("chaos"):
                    await self._make_chaos()
                async with self._span("outage"):
                    await self._break_down()
                async with self._span("recovery"):
                    await asyncio.sleep(plan.recovery)
            async with self._span("overload"):
                await self._overload()
        await self._come_to_rest("quiet")

    @asynccontextmanager
    async def _span(self, name: str) -> AsyncIterator[None]:
        began = self._clock()
        self._crowd.phase = name
        self._say(f"round {self._round}: {name}")
        yield
        ended = self._clock()
        stall = max(self._stalls.take(), await self._providers.stall())
        self._evidence.spans.append(Span(name, self._round, began, ended, stall))
        self._evidence.vitals.append(await self._gateway.vitals())

    @asynccontextmanager
    async def _ordinary(self) -> AsyncIterator[None]:
        async with self._asking(partial(crowd.draw, self._plan.seed), self._plan.rate):
            yield

    @asynccontextmanager
    async def _metered(self) -> AsyncIterator[None]:
        models = itertools.cycle(METERED_MODELS)
        async with self._asking(
            lambda number: crowd.plain(f"metered-{next(models)}", number), METERED_RATE
        ):
            yield

    @asynccontextmanager
    async def _asking(self, draw: Draw, rate: float) -> AsyncIterator[None]:
        """Load inside; at the end all of it has been answered."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._crowd.keep_asking(draw, rate, over.is_set))
            try:
                yield
            finally:
                over.set()

    async def _make_chaos(self) -> None:
        """One fault after another at each of two of the trio; each round spares another one."""
        spared = TRIO[-self._round % len(TRIO)]
        troubled = [name for name in TRIO if name != spared]
        end = self._clock() + self._plan.chaos
        for turn in itertools.count():
            if self._clock() >= end:
                break
            await self._providers.switch(**{name: next(self._faults) for name in troubled})
            if turn % RELOAD_EVERY == 0:
                self._gateway.configure(other=turn % 2 == 0)
            await asyncio.sleep(min(self._plan.fault, max(0.0, end - self._clock())))
        await self._providers.switch(**_all(WELL))
        self._gateway.configure(other=False)

    async def _break_down(self) -> None:
        """All of the trio answer 503; or nobody can be reached at all, every other time."""
        if self._round % 2:
            await self._providers.switch(**_all(BUSY))
            await asyncio.sleep(self._plan.outage)
            await self._providers.switch(**_all(WELL))
        else:
            await self._providers.shut(True)
            await asyncio.sleep(self._plan.outage)
            await self._providers.shut(False)

    async def _overload(self) -> None:
        measuring = self._plan.overload * ALONE
        alone = await self._throughput(
            measuring, partial(self._crowd.in_turn, partial(crowd.plain, NARROW), PLACES[NARROW])
        )
        draw = partial(crowd.narrow, self._plan.seed)
        under_load = await self._throughput(
            self._plan.overload - measuring,
            partial(self._crowd.keep_asking, draw, OVERLOAD * max(1.0, alone)),
        )
        self._evidence.capacities.append(Capacity(alone, under_load))

    async def _throughput(
        self, seconds: float, load: Callable[[Until], Coroutine[None, None, None]]
    ) -> float:
        """Answers a second of the narrow provider under this load."""
        entries = self._crowd.entries
        before, end = len(entries), self._clock() + seconds
        await load(lambda: self._clock() >= end)
        answered = sum(
            entry.asked.name == NARROW
            and bool(entry.outcomes)
            and entry.outcome.kind is Kind.COMPLETE
            for entry in entries[before:]
        )
        return answered / (self._clock() - end + seconds)

    async def _come_to_rest(self, name: str) -> None:
        """Until nothing that is counted has changed for a while, or time is up."""
        async with self._span(name):
            await self._crowd.rest()
            vitals = await self._gateway.vitals()
            began = since = self._clock()
            while self._clock() < min(began + self._plan.quiet, since + CALM):
                await asyncio.sleep(LOOK_AGAIN)
                before, vitals = vitals, await self._gateway.vitals()
                if _counts(vitals) != _counts(before):
                    since = self._clock()
            self._evidence.rests.append(vitals)


def _all(step: str) -> dict[str, str]:
    return dict.fromkeys(TRIO, step)


def _counts(vitals: Vitals) -> tuple[int, int, int]:
    return vitals.tasks, vitals.sockets, vitals.descriptors
