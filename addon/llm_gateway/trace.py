"""What happened to one exchange, filled in on the way; the log line and the headers read it."""

from dataclasses import dataclass, field
from itertools import groupby

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import GatewayError
from llm_gateway.limits.quota import Standing

GOOD = "ok"
RESUMED = "resumed"
"""Outcomes of attempts whose answer was good, and of those that went on with another's."""


@dataclass(slots=True)
class Trace:
    """One exchange.

    ``model`` is what the client asked for, ``target`` the ``provider/model`` that answered, or was
    asked last; ``dropped`` the places of the request that it was not told. ``route`` is every
    target that was tried or passed over, in order, with what came of it. ``standing`` is what is
    left of the quota that was spent.
    """

    exchange: str
    model: str | None = None
    target: str | None = None
    attempts: int = 0
    dropped: tuple[str, ...] = ()
    usage: Usage | None = None
    failure: GatewayError | None = None
    route: list[tuple[str, str]] = field(default_factory=list)
    standing: Standing | None = None

    @property
    def has_detours(self) -> bool:
        """Whether the route says more than the target and the status do."""
        return len(self.route) > (0 if self.target is None else 1)

    @property
    def way(self) -> str:
        """The route in one line: ``provider/model=outcome``, what is alike in a row counted."""
        runs = ((step, len([*alike])) for step, alike in groupby(self.route))
        return ", ".join(
            f"{target}={outcome}" + (f" x{times}" if times > 1 else "")
            for (target, outcome), times in runs
        )
