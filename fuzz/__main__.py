"""The command line: ``python -m fuzz``."""

import argparse
import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz.session import Outcome, fuzz
from fuzz.target import Target
from fuzz.targets import TARGETS

DIRECTORY = Path(__file__).parents[1] / "build" / "fuzz"
DEFAULT_SECONDS = 60
HEADER = f"{'target':<14}{'inputs':>10}{'branches':>10}  found"


def arguments() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m fuzz",
        description="Inputs that coverage guides, for what reads what others wrote.",
    )
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help=f"all by default: {', '.join(TARGETS)}")
    add("--seconds", type=_positive, default=DEFAULT_SECONDS, help="for each target (default: 60)")
    add("--jobs", type=_positive, default=os.cpu_count() or 1, help="targets at a time")
    add("--directory", type=Path, default=DIRECTORY, help="what is learnt and found is kept here")
    add("--replay", type=Path, metavar="FILE", help="run one target on this input, without atheris")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if options.replay is not None and len(options.targets) != 1:
        parser.error("--replay needs the name of one target")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


async def run(targets: Sequence[Target], options: argparse.Namespace) -> list[Outcome]:
    """Fuzz these, some at a time, and tell of each as soon as it is over."""
    turns = asyncio.Semaphore(options.jobs)
    directory = options.directory.absolute()

    async def one(target: Target) -> Outcome:
        async with turns:
            outcome = await fuzz(target, directory, options.seconds)
        print(told(outcome), flush=True)
        return outcome

    return await asyncio.gather(*map(one, targets))


async def until_stopped(targets: Sequence[Target], options: argparse.Namespace) -> list[Outcome]:
    """The same; SIGTERM cancels it, as asyncio lets SIGINT do."""
    task = asyncio.ensure_future(run(targets, options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def told(outcome: Outcome) -> str:
    """A line of the table; after a failure, how it failed and how to see that again."""
    found = "nothing" if outcome.is_good else f"{len(outcome.found)} failing"
    line = f"{outcome.target:<14}{outcome.runs:>10}{outcome.coverage:>10}  {found}"
    if outcome.is_good:
        return line
    again = (f"  make fuzz ARGS='{outcome.target} --replay {path}'" for path in outcome.found)
    return "\n".join((line, *again, outcome.trouble.rstrip()))


def main() -> int:
    """Run and print. The exit status: 0 if nothing was found."""
    options = arguments()
    targets = [TARGETS[name] for name in options.targets or TARGETS]
    if options.replay is not None:
        targets[0].run(options.replay.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is missing; `make fuzz` installs it.", file=sys.stderr)
        return 1
    print(HEADER)
    try:
        outcomes = asyncio.run(until_stopped(targets, options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("fuzz: interrupted", file=sys.stderr)
        return 130
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
