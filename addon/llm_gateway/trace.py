"""What happened to one exchange, filled in on the way; read by its log line, headers and rows."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import GatewayError
from llm_gateway.limits.quota import Standing
from llm_gateway.tokens import Told

logger = logging.getLogger(__name__)

GOOD = "ok"
RESUMED = "resumed"
BROKEN_OFF = "broken_off"
"""Outcomes of attempts: the answer was good; it went on with another's; the call was ended from
this side."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left before the answer was complete; no client ever sees it."""


@dataclass(slots=True)
class Step:
    """One target that was asked, or passed over: then ``attempt`` is None.

    ``outcome`` is empty while its answer is awaited, then ``GOOD``, ``RESUMED``, an error's code or
    the reason why it was passed over; ``reason`` says the same in a sentence. Times are seconds
    since the exchange began. ``queued`` is how long it waited for its turn; ``retry_in`` how long
    after its failure the same target is asked again.
    """

    target: str
    outcome: str = ""
    reason: str = ""
    attempt: int | None = None
    began: float = 0.0
    ended: float = 0.0
    queued: float = 0.0
    retry_in: float | None = None


class Observer(Protocol):
    """Who wants to know of exchanges while they are under way. Must not raise, and not be slow."""

    def began(self, trace: "Trace") -> None:
        """An exchange has begun."""

    def stepped(self, trace: "Trace", step: Step) -> None:
        """A target was asked, has answered, failed, waits to be asked again, or was passed over."""

    def ended(self, trace: "Trace") -> None:
        """The exchange is over, whatever came of it."""


class Observers:
    """Several observers as one. What one of them raises is logged, and harms nobody."""

    def __init__(self, *members: Observer) -> None:
        self._members = members

    def began(self, trace: "Trace") -> None:
        """See :class:`Observer`."""
        self._tell(lambda member: member.began(trace))

    def stepped(self, trace: "Trace", step: Step) -> None:
        """See :class:`Observer`."""
        self._tell(lambda member: member.stepped(trace, step))

    def ended(self, trace: "Trace") -> None:
        """See :class:`Observer`."""
        self._tell(lambda member: member.ended(trace))

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for member in self._members:
            try:
                tell(member)
            except Exception:
                logger.exception("Watching an exchange failed.")


@dataclass(slots=True)
class Trace:
    """One exchange.

    ``model`` is what the client asked for, ``target`` the ``provider/model`` that answered, or was
    asked last; ``dropped`` the places of the request that it was not told. ``steps`` is every
    target that was tried or passed over, in the order of its beginning. ``standing`` is what is
    left of the quota that was spent, ``allowance`` the same of the client's own. ``client`` is the
    name of the client's token. ``sent`` says that a provider may have seen a call. ``status`` is
    the answer's, once there is one. Times are by
    ``clock``.
    """

    exchange: str
    model: str | None = None
    target: str | None = None
    attempts: int = 0
    dropped: tuple[str, ...] = ()
    usage: Usage | None = None
    failure: GatewayError | None = None
    steps: list[Step] = field(default_factory=list)
    standing: Standing | None = None
    allowance: Standing | None = None
    told: Told | None = None
    """What a stream brings, where somebody wants to know."""
    sent: bool = False
    client: str | None = None
    status: int = CLIENT_CLOSED_REQUEST
    stream: bool = False
    """Whether the client asked for one."""
    begun: bool = False
    """Its stream's status and headers are out."""
    complete: bool = False
    """Its stream has had its ``[DONE]``."""
    first_byte: float | None = None
    """When the first piece of a stream's content went to the client."""
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    observer: Observer | None = None

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def age(self) -> float:
        """Seconds since the exchange began."""
        return self.clock() - self.started

    @property
    def ttft(self) -> float | None:
        """Seconds to the first piece of a stream's content."""
        return None if self.first_byte is None else self.first_byte - self.started

    @property
    def route(self) -> list[tuple[str, str]]:
        """Every step that is over: its target and its outcome."""
        return [(step.target, step.outcome) for step in self.steps if step.outcome]

    @property
    def answered(self) -> Step | None:
        """Whose answer the client is given: who went on with it last, or was good first."""
        good = [step for step in self.steps if step.outcome == GOOD]
        resumed = [step for step in self.steps if step.outcome == RESUMED]
        # Of two that race, both may have been good.
        return resumed[-1] if resumed else min(good, key=lambda step: step.ended, default=None)

    @property
    def current(self) -> Step:
        """Where it stands: the last step; of two that race, who has answered, or still may.

        There must be one.
        """
        last, answered = self.steps[-1], self.answered
        if answered is not None and answered.ended > last.began:
            return answered
        racing = (step for step in reversed(self.steps) if not step.outcome)
        return next(racing, last)

    @property
    def asked(self) -> str | None:
        """The target that is asked now, or was last: ``target`` may tell of one that lost."""
        return self.target if self.current.attempt is None else self.current.target

    @property
    def has_detours(self) -> bool:
        """Whether the route says more than the target and the status do."""
        return len(self.steps) > (0 if self.target is None else 1)

    @property
    def way(self) -> str:
        """The route in one line: ``provider/model=outcome``, what is alike in a row counted."""
        runs = ((step, len([*alike])) for step, alike in groupby(self.route))
        return ", ".join(
            f"{target}={outcome}" + (f" x{times}" if times > 1 else "")
            for (target, outcome), times in runs
        )

    def begin(self, target: str, queued: float = 0.0) -> Step:
        """A target is asked: the next attempt."""
        self.attempts += 1
        self.target = target
        step = Step(target, attempt=self.attempts, began=self.age, queued=queued)
        self.steps.append(step)
        self._tell(step)
        return step

    def end(self, step: Step, outcome: str, reason: str = "") -> None:
        """What came of a step."""
        step.outcome = outcome
        step.reason = reason
        step.ended = self.age
        self._tell(step)

    def skip(self, target: str, outcome: str, reason: str = "") -> None:
        """A target is passed over."""
        now = self.age
        step = Step(target, outcome, reason, began=now, ended=now)
        self.steps.append(step)
        self._tell(step)

    def retry(self, target: str, seconds: float) -> None:
        """The target that failed last is asked again after so long."""
        for step in reversed(self.steps):
            if step.target == target and step.attempt is not None:
                step.retry_in = (step.retry_in or 0.0) + seconds
                self._tell(step)
                return

    def _tell(self, step: Step) -> None:
        if self.observer is not None:
            self.observer.stepped(self, step)
