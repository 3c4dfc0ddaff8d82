"""The command line: ``python -m bench``."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Plan, Result, open_bench
from bench.processes import BenchError
from bench.report import as_json, machine, table

MAX_SECONDS = 165.0
"""No round begins that would probably end later."""


def arguments() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="CPU and memory of the gateway beside bare mitmproxy. Uses loopback only.",
    )
    add = parser.add_argument
    add("--requests", type=_positive, default=600, help="whole requests per measurement")
    add("--rounds", type=_positive, default=11, help="rounds, as far as time allows")
    add("--concurrency", type=_positive, default=16, help="connections")
    add("--held", type=_positive, default=200, help="open streams while memory is looked at")
    add("--json", type=Path, metavar="FILE", help="write every figure to FILE as well")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


async def run(plan: Plan) -> Result:
    """Measure, with everything that is started ended on the way out."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="llm-gateway-bench-") as directory:
        async with open_bench(plan, Path(directory)) as bench:
            return await bench.run(started)


async def until_stopped(plan: Plan) -> Result:
    """The same; SIGTERM cancels it, as asyncio lets SIGINT do."""
    task = asyncio.ensure_future(run(plan))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> int:
    """Run, print, and write what was asked for. The exit status."""
    options = arguments()
    plan = Plan(options.requests, options.rounds, options.concurrency, options.held, MAX_SECONDS)
    on = machine()
    try:
        result = asyncio.run(until_stopped(plan))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("bench: interrupted", file=sys.stderr)
        return 130
    print(table(result, on))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(result, on), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
