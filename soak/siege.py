"""Thousands of connections that are held for nothing: ``python -m soak.siege``.

A real ``mitmdump`` with the gateway serves a few honest clients, before, while and after 2,000 idle
connections and 500 slow ones (head or body byte by byte) are held, which come back whenever they
are closed. No honest request may fail; what the siege has cost must be bounded, and given back.
With ``--descriptors 1024`` there is not even room for them all.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from bench.processes import BenchError, Helper, run_helper
from bench.traffic import TOKEN, Case, request

from soak.checks import Check, check, within
from soak.figures import quantile
from support.http1 import Malformed
from support.process import Gateway, GatewayFailed, run_gateway
from support.raw_http import RawConnection

IDLE = 2000
SLOW = 500
CALM_SECONDS = 10.0
"""Before and after."""
RATE = 20.0
"""Honest requests a second."""
PATIENCE = 10.0
"""Seconds that an honest client waits for anything."""
LOOK_SECONDS = 1.0
RELEASE_SECONDS = 15.0
"""Until everything is given back."""

MOST_LATENCY = 1.0
"""Seconds to an answer's head for 99 of 100, whatever goes on."""
MOST_MEMORY = 60 * 1024
"""Bytes for each that wants to be held."""
MOST_OTHERS = 200
"""Descriptors beside those of the besiegers: the gateway's own, those of honest clients and their
provider, and of connections that are being closed."""
MOST_KEPT = 10
"""Descriptors more than before, afterwards: connections to the provider that are kept."""

_BROKEN = (ConnectionError, asyncio.IncompleteReadError, Malformed, TimeoutError)


@dataclass
class Phase:
    """What was seen before, during or after."""

    name: str
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    held: int = 0
    """The most at a time."""
    rss: int = 0
    descriptors: int = 0
    cpu: float = 0.0
    """Of one core."""
    starved: float = 0.0
    """The share of the time for which the gateway could have run, and the machine had no core."""


class Honest:
    """Clients in turn: on a new connection and one that is kept, whole answers and streams."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: list[RawConnection] = []
        self._clock = asyncio.get_running_loop().time

    async def ask(self, phase: Phase, number: int) -> None:
        """One request, entered in the phase."""
        case = Case.BURST if number % 2 else Case.WHOLE
        keeps = number % 4 < 2
        began = self._clock()
        try:
            connection = await self._connection(keeps)
            await connection.send(request(case, self._port, 1))
            head = await connection.read_head()
            phase.latencies.append(self._clock() - began)
            body = await connection.read_body(head)
        except _BROKEN as error:
            phase.errors.append(f"{case}, {'kept' if keeps else 'new'}: {error!r}")
            return
        if head.status != 200 or (case is Case.BURST and not body.endswith(b"data: [DONE]\n\n")):
            phase.errors.append(f"{case}: {head.status} {body[:200]!r}")
        if keeps:
            self._kept.append(connection)
        else:
            await connection.close()

    async def close(self) -> None:
        """Close what is kept."""
        while self._kept:
            await self._kept.pop().close()

    async def _connection(self, keeps: bool) -> RawConnection:
        while keeps and self._kept:
            connection = self._kept.pop()
            if not connection.ended:
                return connection
            await connection.close()
        return await RawConnection(self._port, deadline=PATIENCE).__aenter__()


class Siege:
    """One run."""

    def __init__(self, gateway: Gateway, besiegers: Helper) -> None:
        self.phases: list[Phase] = []
        self._gateway = gateway
        self._besiegers = besiegers
        self._process = psutil.Process(gateway.pid)
        self._honest = Honest(gateway.port)
        self._clock = asyncio.get_running_loop().time

    async def run(self, idle: int, slow: int, seconds: float) -> list[Phase]:
        """All three phases."""
        await self._phase("warm", CALM_SECONDS / 4)
        self.phases.clear()
        await self._phase("before", CALM_SECONDS)
        await self._tell({"port": self._gateway.port, "idle": idle, "slow": slow})
        await self._phase("during", seconds)
        counts = await self._tell({"end": True})
        print(f"closed {counts['closed']}, refused {counts['refused']}", file=sys.stderr)
        await self._released()
        await self._phase("after", CALM_SECONDS)
        await self._honest.close()
        return self.phases

    async def _phase(self, name: str, seconds: float) -> None:
        phase = Phase(name)
        self.phases.append(phase)
        print(name, file=sys.stderr)
        cpu, starved = self._gateway.cpu_seconds(), self._starved_seconds()
        end = self._clock() + seconds
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look(phase))
            async with asyncio.TaskGroup() as asking:
                number = 0
                while self._clock() < end:
                    asking.create_task(self._honest.ask(phase, number))
                    number += 1
                    await asyncio.sleep(1 / RATE)
            looking.cancel()
        phase.cpu = (self._gateway.cpu_seconds() - cpu) / seconds
        phase.starved = (self._starved_seconds() - starved) / seconds

    def _starved_seconds(self) -> float:
        """How long it has waited for a core so far; where the kernel does not say, not at all."""
        path = Path(f"/proc/{self._gateway.pid}/schedstat")
        return int(path.read_text().split()[1]) / 1e9 if path.exists() else 0.0

    async def _look(self, phase: Phase) -> None:
        while True:
            counts = await self._tell({})
            phase.held = max(phase.held, counts["held"])
            phase.rss = max(phase.rss, self._gateway.rss())
            phase.descriptors = max(phase.descriptors, self._process.num_fds())
            await asyncio.sleep(LOOK_SECONDS)

    async def _released(self) -> None:
        """Wait until the descriptors are given back, or it is too late for that."""
        end = self._clock() + RELEASE_SECONDS
        most = self.phases[0].descriptors + MOST_KEPT
        while self._process.num_fds() > most and self._clock() < end:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.1)

    async def _tell(self, command: dict[str, object]) -> dict[str, int]:
        self._besiegers.tell(command)
        return await self._besiegers.hear()


def judge(phases: Sequence[Phase], besiegers: int, descriptors: int) -> list[Check]:
    """What has to hold. ``descriptors``: so few, that there is no room for all; 0: enough."""
    before, during, after = phases
    errors = [f"{phase.name}: {error}" for phase in phases for error in phase.errors]
    asked = sum(len(phase.latencies) for phase in phases)
    growth = (during.rss - before.rss) / besiegers
    # Those who find no room come back again and again, and take all the time that there is.
    slowest = PATIENCE if descriptors else MOST_LATENCY
    least = 0 if descriptors else 0.95 * besiegers
    room = descriptors or besiegers + MOST_OTHERS
    return [
        check("honest clients", f"{asked} answered, {len(errors)} errors", errors),
        within("latency", "p99 s during", quantile(during.latencies, 0.99), slowest),
        check(
            "siege",
            f"{during.held} held",
            () if least <= during.held else [f"fewer than {least:g}"],
        ),
        within("room", "descriptors during", during.descriptors, room),
        within("memory", "KiB for each besieger", growth / 1024, MOST_MEMORY / 1024),
        within("release", "more afterwards", after.descriptors - before.descriptors, MOST_KEPT),
    ]


def told(phases: Sequence[Phase], checks: Sequence[Check]) -> str:
    """All that was seen, and what it comes to."""
    return "\n".join([*_table(phases), *_verdicts(checks)])


def _table(phases: Sequence[Phase]) -> Iterator[str]:
    yield (
        f"{'phase':<8}{'asked':>7}{'errors':>8}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}"
        f"{'held':>7}{'files':>7}{'MiB':>8}{'cpu':>6}{'starved':>9}"
    )
    for each in phases:
        ms = [1000 * quantile(each.latencies, share) for share in (0.5, 0.99, 1.0)]
        yield (
            f"{each.name:<8}{len(each.latencies):>7}{len(each.errors):>8}"
            f"{ms[0]:>8.1f}{ms[1]:>8.1f}{ms[2]:>8.1f}{each.held:>7}{each.descriptors:>7}"
            f"{each.rss / 2**20:>8.1f}{each.cpu:>6.0%}{each.starved:>9.0%}"
        )


def _verdicts(checks: Sequence[Check]) -> Iterator[str]:
    for each in checks:
        yield f"{'ok  ' if each.holds else 'FAIL'} {each.name} [{each.seen}]"
        yield from (f"       {violation}" for violation in each.violations[:8])


def configuration(provider: int, seconds: float) -> str:
    """The gateway's, with times that run out several times in so many seconds."""
    bounds = {
        "head_time": f"{seconds / 6:g}s",
        "body_time": f"{seconds / 6:g}s",
        "idle": f"{seconds / 3:g}s",
    }
    entry = {"kind": "openai", "base_url": f"http://127.0.0.1:{provider}/v1", "api_key": "sk-siege"}
    models = [{"name": case.model, "provider": "bench"} for case in (Case.WHOLE, Case.BURST)]
    # JSON is YAML.
    return json.dumps(
        {"gateway": {"bounds": bounds}, "providers": {"bench": entry}, "models": models}
    )


@asynccontextmanager
async def besieged(directory: Path, seconds: float, descriptors: int) -> AsyncIterator[Siege]:
    """A gateway that is ready, and its besiegers."""
    async with (
        run_helper("bench.provider") as provider,
        run_helper("soak.besiegers") as besiegers,
    ):
        text = configuration((await provider.hear())["port"], seconds)
        if descriptors:
            # From here on: the gateway inherits it, and the others have theirs.
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        async with run_gateway(
            directory, config_text=text, env={"AUTH_TOKEN": TOKEN}, cold=True
        ) as gateway:
            yield Siege(gateway, besiegers)


async def run(options: argparse.Namespace, directory: Path) -> list[Phase]:
    """One run; its gateway must stop in good order as well."""
    async with besieged(directory, options.seconds, options.descriptors) as siege:
        return await siege.run(options.idle, options.slow, options.seconds)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m soak.siege",
        description="Honest clients beside thousands of idle and slow ones. Uses loopback only.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, help="how long they are held")
    add("--idle", type=int, default=IDLE)
    add("--slow", type=int, default=SLOW)
    add("--descriptors", type=int, default=0, help="what ulimit -n is for the gateway")
    return parser.parse_args()


def main() -> int:
    """Run, judge and tell. The exit status: 0 if everything holds."""
    options = arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="llm-gateway-siege-") as name:
            phases = asyncio.run(run(options, Path(name)))
    except (BenchError, GatewayFailed) as error:
        print(f"soak.siege: {error}", file=sys.stderr)
        return 1
    checks = judge(phases, options.idle + options.slow, options.descriptors)
    print(told(phases, checks))
    return 0 if all(each.holds for each in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
