"""Running a target in a process of its own, and reading what came of it."""

import asyncio
import contextlib
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutation import words_of
from fuzz.target import Target

SLOWEST_SECONDS = 20
"""An input that takes longer has hung."""
MEMORY_MB = 2048

_NOISE = re.compile(rb"^INFO: Instrumenting .*\n", re.MULTILINE)
_RUNS = re.compile(rb"^stat::number_of_executed_units:\s*([0-9]+)|^#([0-9]+)\s", re.MULTILINE)
_COVERAGE = re.compile(rb"\bcov: ([0-9]+)")
_FOUND = re.compile(rb"Test unit written to (\S+)")


@dataclass(frozen=True)
class Outcome:
    """What came of fuzzing one target.

    ``runs`` counts inputs, ``coverage`` branches that were taken. ``found`` are the inputs that
    failed; ``trouble`` is the end of the output of a process that failed.
    """

    target: str
    runs: int
    coverage: int
    found: Sequence[Path]
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.found and not self.trouble


async def fuzz(target: Target, directory: Path, seconds: int) -> Outcome:
    """Fuzz for so long. What is learnt is kept in the directory, and used the next time."""
    command = [sys.executable, "-m", "fuzz.guided", target.name, *flags(target, directory, seconds)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        output, _ = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    output = _NOISE.sub(b"", output)
    (directory / f"{target.name}.log").write_bytes(output)
    return outcome(target.name, output, process.returncode or 0)


def flags(target: Target, directory: Path, seconds: int) -> list[str]:
    """libFuzzer's flags and directories, which are made: https://llvm.org/docs/LibFuzzer.html."""
    learnt, seeds = directory / "corpus" / target.name, directory / "seeds" / target.name
    for each in (learnt, seeds, directory / "found"):
        each.mkdir(parents=True, exist_ok=True)
    inputs = target.seeds()
    for number, seed in enumerate(inputs):
        (seeds / f"{number:04}").write_bytes(seed)
    dictionary = directory / f"{target.name}.dict"
    dictionary.write_text(as_dictionary(words_of(inputs, target)))
    known = [f"-dict={dictionary}"] if dictionary.stat().st_size else []
    return [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        *known,
        f"-artifact_prefix={directory / 'found'}/{target.name}-",
        "-print_final_stats=1",
        str(learnt),
        str(seeds),
    ]


def as_dictionary(words: Iterable[str]) -> str:
    """Words as libFuzzer takes them: a quoted one in each line, all but letters as hex."""
    lines = (
        "".join(f"\\x{byte:02x}" for byte in word.encode("utf-8", "replace"))
        for word in words
        if word
    )
    return "".join(f'"{line}"\n' for line in lines)


def outcome(target: str, output: bytes, status: int) -> Outcome:
    """What libFuzzer says in the end; where it broke off, its last line counts."""
    counts = [int(last or line) for last, line in _RUNS.findall(output)]
    covered = _COVERAGE.findall(output)
    found = [Path(name.decode()) for name in dict.fromkeys(_FOUND.findall(output))]
    trouble = output[-3000:].decode("utf-8", "replace") if status else ""
    runs, coverage = max(counts, default=0), int(covered[-1]) if covered else 0
    return Outcome(target, runs, coverage, found, trouble)
