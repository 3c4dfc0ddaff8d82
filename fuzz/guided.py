"""One target under atheris, in a process of its own: ``python -m fuzz.guided TARGET FLAGS``.

The flags and directories are libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options
"""

import hashlib
import importlib
import sys
import time
from pathlib import Path
from random import Random

import atheris

SLOWEST = 2.0
"""Seconds of the processor's time. No input is longer than some ten thousand bytes."""


class TooSlow(Exception):
    """A short input took long: something is not linear."""


def keep(data: bytes) -> None:
    """Write what failed where libFuzzer will, which does not always get to it."""
    flag = "-artifact_prefix="
    prefix = next((each.removeprefix(flag) for each in sys.argv if each.startswith(flag)), "")
    path = Path(f"{prefix}crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}")
    path.write_bytes(data)
    print(f"Test unit written to {path}", flush=True)


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    with atheris.instrument_imports(include=["llm_gateway"]):
        targets = importlib.import_module("fuzz.targets").TARGETS
    mutation = importlib.import_module("fuzz.mutation")
    target = targets[sys.argv[1]]
    words = mutation.words_of(target.seeds(), target)
    mutator = mutation.Mutator(target, words, lambda rest, _: atheris.Mutate(rest, target.longest))

    def run(data: bytes) -> None:
        began = time.process_time()
        try:
            target.run(data)
        except Exception:
            keep(data)
            raise
        spent = time.process_time() - began
        if spent > SLOWEST:
            raise TooSlow(f"{spent:.1f} s for {len(data)} bytes")

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        made: bytes = mutator(data, longest, Random(seed))
        return made

    atheris.Setup([sys.argv[0], *sys.argv[2:]], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
