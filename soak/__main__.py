"""The command line: ``python -m soak``."""

import argparse
import asyncio
import math
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.load import reasons
from bench.processes import BenchError

from soak import plan
from soak.evidence import Evidence
from soak.phases import Soak
from soak.plan import Plan
from soak.processes import open_gateway, open_providers
from soak.report import told
from soak.stalls import watch_stalls
from soak.verdict import judge
from support.process import GatewayFailed


def arguments() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        description="Minutes of load and faults through a real mitmdump. Uses loopback only.",
    )
    add = parser.add_argument
    add("--short", action="store_true", help="less than a minute")
    add("--seed", type=int, help="repeat what was drawn by lot in another run")
    add("--rate", type=_positive, help="requests a second of ordinary load")
    add("--keep", type=Path, metavar="DIRECTORY", help="keep the output and the calls of this run")
    return parser.parse_args()


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected more than 0, got {text}")
    return number


def planned(options: argparse.Namespace) -> Plan:
    """The run that was asked for."""
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return (plan.short if options.short else plan.full)(seed, options.rate)


async def run(planned: Plan, keep: Path | None) -> Evidence:
    """One run, with everything that is started ended on the way out."""
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {what}", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="llm-gateway-soak-") as name:
        directory = Path(name)
        try:
            async with (
                bounded(planned.bound),
                open_providers() as providers,
                open_gateway(directory, providers.url) as gateway,
                watch_stalls() as stalls,
            ):
                return await Soak(planned, providers, gateway, stalls, say).run(directory)
        finally:
            if keep is not None:
                shutil.copytree(directory, keep, dirs_exist_ok=True)


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Raises TimeoutError in words."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"the run was not over after {seconds:g} s") from None
        raise


async def until_stopped(planned: Plan, keep: Path | None) -> Evidence:
    """The same; SIGTERM cancels it, as asyncio lets SIGINT do."""
    task = asyncio.ensure_future(run(planned, keep))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> int:
    """Run, judge and tell. The exit status: 0 if every invariant holds."""
    options = arguments()
    what = planned(options)
    print(f"seed {what.seed}", flush=True)
    try:
        evidence = asyncio.run(until_stopped(what, options.keep))
    except (BenchError, GatewayFailed, TimeoutError, ExceptionGroup) as error:
        print(f"soak: {reasons(error)}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("soak: interrupted", file=sys.stderr)
        return 130
    checks = judge(evidence)
    print(told(evidence, checks))
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
