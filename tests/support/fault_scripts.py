"""The steps that the names of the fault server's models are made of.

`ok` answers well. A number at the end is an argument: `status-503`, `limited-1`. One step may stand
before another: `late-200-ok` waits for 200 ms, `held-ok` until the test lets it go.
"""

import re

from support.fault_answers import ANSWERS, NUMBERED_ANSWERS
from support.fault_attempt import Attempt, Script
from support.fault_streams import NUMBERED_STREAMS, STREAMS

_SCRIPTS = {**ANSWERS, **STREAMS}
_NUMBERED = {**NUMBERED_ANSWERS, **NUMBERED_STREAMS}
_LATE = re.compile(r"late-([0-9]+)-(.+)")


def script_of(step: str) -> Script:
    """The script that a step names; raises KeyError when there is none."""
    if step in _SCRIPTS:
        return _SCRIPTS[step]
    if late := _LATE.fullmatch(step):
        return _late(int(late[1]) / 1000, script_of(late[2]))
    name, _, rest = step.rpartition("-")
    if name in _NUMBERED:
        numbered = _NUMBERED[name]
        return lambda attempt: numbered(attempt, int(rest))
    if step.startswith("held-"):
        return _held(script_of(step.removeprefix("held-")))
    raise KeyError(f"there is no step {step!r}")


def _held(then: Script) -> Script:
    async def script(attempt: Attempt) -> None:
        await attempt.released()
        await then(attempt)

    return script


def _late(seconds: float, then: Script) -> Script:
    async def script(attempt: Attempt) -> None:
        await attempt.pause(seconds)
        await then(attempt)

    return script
