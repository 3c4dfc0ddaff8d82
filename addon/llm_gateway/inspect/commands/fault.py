"""``ai.fault``: what a client does when its provider fails, tried out by hand."""

from collections.abc import Callable, Iterable, Mapping

from mitmproxy import exceptions

from llm_gateway.injection import EVERY, Faults, parse
from llm_gateway.inspect.commands.plain import plain_command
from llm_gateway.routing import Target

OFF = "off"
SHOWN_TARGETS = 30
"""How many targets a message lists; a provider may have thousands of models."""
NOTHING = "No faults are pending."

Names = Callable[[], Mapping[str, tuple[Target, ...]]]
"""Every name that can be asked for, and its targets."""


class FaultCommands:
    """The commands, to be collected by mitmproxy."""

    def __init__(self, faults: Faults, names: Names) -> None:
        self._faults = faults
        self._names = names

    @plain_command("ai.fault")
    def fault(self, target: str, kind: str = OFF, times: int = 1) -> str:
        """
        Let the next attempts (1 if not given) at a target fail. Target: provider/model, a
        provider, or * for any. Kind: a status from 400 to 599 (429:20 also asks to wait 20 s),
        stall, cut or refuse. To end it: ai.fault off, ai.fault TARGET off, or 0 times.
        """
        if target == OFF:
            self._faults.clear()
            return self.faults()
        self._check(target)
        if times < 0:
            raise exceptions.CommandError("The number of attempts cannot be negative.")
        try:
            if kind == OFF or times == 0:
                self._faults.clear(target)
            else:
                self._faults.inject(target, parse(kind), times)
        except ValueError as error:
            raise exceptions.CommandError(str(error)) from None
        return self.faults()

    @plain_command("ai.faults")
    def faults(self) -> str:
        """The faults that are still to be injected, a line for each target."""
        return "\n".join(self._faults.pending) or NOTHING

    def _check(self, target: str) -> None:
        names = self._names()
        targets = {each.label: each for found in names.values() for each in found}
        providers = {each.provider.name for each in targets.values()}
        if target not in targets and target not in providers and target != EVERY:
            raise exceptions.CommandError(
                f"There is no target {target!r}. There are: {EVERY}, {_listed(providers)}, "
                f"{_listed(targets)}."
            )


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = len(every) - SHOWN_TARGETS
    return ", ".join(every[:SHOWN_TARGETS]) + (f" and {more} more" if more > 0 else "")
