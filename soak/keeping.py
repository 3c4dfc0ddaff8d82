"""What mitmweb keeps: ``python -m soak.keeping``.

A real ``mitmweb`` with the gateway and an open page answers thousands of requests, of which each
leaves two flows with their bodies: whole answers and streams, in turns. With ``ai_keep_flows`` its
memory must be flat after the warm-up. ``--keep 0`` shows what it would be without.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from bench.load import Job
from bench.processes import BenchError, Helper, run_helper
from bench.traffic import TOKEN, Case

from soak.checks import Check, within
from support.process import WEB_PASSWORD, Gateway, GatewayFailed, run_gateway

EXCHANGES = 5000
KEEP = 500
ROUND = 250
"""Exchanges between two looks."""
CONNECTIONS = 4
WARM = 1500
"""Exchanges until everything is there that stays: the flows that are kept, and most of what
Python's allocator holds back of what is dropped. The event log still grows, to 10,000 lines."""
MOST_GROWTH = 6 * 2**20
"""Bytes that the memory may grow after that. Without a limit it is some 30 KB for each exchange."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen after so many exchanges."""

    exchanges: int
    rss: int
    cpu: float
    flows: int


def judge(looks: Sequence[Look], keep: int) -> list[Check]:
    """Whether memory is flat after the warm-up, and no more flows are kept than there may be."""
    after = [look for look in looks if look.exchanges >= WARM]
    growth = max(look.rss for look in after) - after[0].rss
    checks = [within("memory", "MiB after the warm-up", growth / 2**20, MOST_GROWTH / 2**20)]
    if keep:
        # One for each connection is live, and so is its attempt.
        most = keep + 2 * CONNECTIONS
        checks.append(within("flows", "kept", max(look.flows for look in looks), most))
    return checks


def told(looks: Sequence[Look], checks: Sequence[Check]) -> str:
    """All that was seen, and what it comes to."""
    lines = [f"{'exchanges':>10}{'flows':>8}{'MiB':>8}{'cpu ms each':>13}"]
    for before, look in zip([looks[0], *looks], looks, strict=False):
        done = look.exchanges - before.exchanges
        cost = f"{(look.cpu - before.cpu) * 1000 / done:.1f}" if done else ""
        lines.append(f"{look.exchanges:>10}{look.flows:>8}{look.rss / 2**20:>8.1f}{cost:>13}")
    lines += [f"{'ok  ' if each.holds else 'FAIL'} {each.name} [{each.seen}]" for each in checks]
    return "\n".join(lines)


def configuration(port: int) -> str:
    """The gateway's configuration in front of the provider on this port."""
    provider = {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-bench"}
    models = [{"name": case.model, "provider": "bench"} for case in Case]
    # JSON is YAML.
    return json.dumps({"providers": {"bench": provider}, "models": models})


@asynccontextmanager
async def open_page(gateway: Gateway) -> AsyncIterator[None]:
    """A page of mitmweb's that is open and reads what it is sent."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {WEB_PASSWORD}"}) as session,
        session.ws_connect(f"{gateway.web_url}/updates") as socket,
    ):

        async def read() -> None:
            async for _ in socket:
                pass

        reading = asyncio.ensure_future(read())
        try:
            yield
        finally:
            await socket.close()
            await reading


async def ask(load: Helper, job: Job) -> None:
    """Have the job done."""
    load.tell(asdict(job))
    await load.hear()
    load.tell({})
    await load.hear()


async def run(exchanges: int, keep: int, directory: Path) -> list[Look]:
    """Every look of one run."""
    async with run_helper("bench.provider") as provider, run_helper("bench.load") as load:
        ports = await provider.hear()
        settings = configuration(ports["port"])
        limit = ["--set", f"ai_keep_flows={keep}"]
        async with (
            run_gateway(
                directory,
                tool="mitmweb",
                config_text=settings,
                env={"AUTH_TOKEN": TOKEN},
                args=limit,
                cold=True,
            ) as gateway,
            open_page(gateway),
        ):
            looks = [await look_at(gateway, 0)]
            for number in range(exchanges // ROUND):
                case = Case.BURST if number % 2 else Case.WHOLE
                # Each of a job's connections begins with a request of its own.
                requests = ROUND - CONNECTIONS
                job = Job(case, gateway.port, ports["credit_port"], requests, CONNECTIONS)
                await ask(load, job)
                looks.append(await look_at(gateway, (number + 1) * ROUND))
                print(f"{looks[-1].exchanges} exchanges", file=sys.stderr)
            return looks


async def look_at(gateway: Gateway, exchanges: int) -> Look:
    """What the process has now."""
    rss, cpu = gateway.rss(), gateway.cpu_seconds()
    count = await gateway.web_json(
        "/commands/view.properties.length", method="POST", content={"arguments": []}
    )
    return Look(exchanges, rss, cpu, int(count["value"]))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m soak.keeping",
        description="The memory of a real mitmweb under ai_keep_flows. Uses loopback only.",
    )
    add = parser.add_argument
    add("--exchanges", type=int, default=EXCHANGES, help=f"{2 * WARM} or more")
    add("--keep", type=int, default=KEEP, help="the value of ai_keep_flows; 0: all")
    return parser.parse_args()


def main() -> int:
    """Run, judge and tell. The exit status: 0 if the memory is flat."""
    options = arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="llm-gateway-keeping-") as name:
            looks = asyncio.run(run(options.exchanges, options.keep, Path(name)))
    except (BenchError, GatewayFailed) as error:
        print(f"soak.keeping: {error}", file=sys.stderr)
        return 1
    checks = judge(looks, options.keep)
    print(told(looks, checks))
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
