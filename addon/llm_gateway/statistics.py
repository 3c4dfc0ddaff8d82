"""What the process has done since it began, in numbers: by model, by target, by minute.

:class:`Statistics` hears of exchanges as an observer and answers with a :class:`Snapshot`. Its
memory is bounded whatever clients ask for: a name gets a row of its own only when it has led to a
target, and so do no more than ``MOST_MODELS``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from llm_gateway.errors import UpstreamError
from llm_gateway.prices import Price
from llm_gateway.tallies import (
    OTHERS,
    End,
    ModelTotals,
    Row,
    TargetTally,
    TargetTotals,
    count,
)
from llm_gateway.trace import GOOD, RESUMED, Step, Trace

MOST_MODELS = 32
MOST_TARGETS = 200
"""How many rows there are at most, of models and of targets."""
MOST_LIVE = 50
"""How many exchanges under way are told one by one."""
type Phase = Literal["begun", "queued", "asked", "waiting", "streaming"]
"""How far an exchange is: its request is read; it waits for its first turn; a target has been
asked; it waits for its next turn; its answer comes."""


@dataclass(frozen=True, slots=True)
class Live:
    """One exchange under way, ``seconds`` old. A name that nobody knows is not told.

    Such a name is refused in the moment in which it is read, so it is known by its failure.
    """

    exchange: str
    model: str | None
    target: str | None
    attempts: int
    seconds: float
    phase: Phase


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it. ``live`` are the oldest of ``under_way`` exchanges, ``age`` is in seconds."""

    age: float
    total: ModelTotals
    models: tuple[ModelTotals, ...]
    targets: tuple[TargetTotals, ...]
    under_way: int
    live: tuple[Live, ...]


class Statistics:
    """An observer of all exchanges; ``clock`` gives monotonic seconds.

    ``price`` says what an answer of this target has cost, in US dollars, or None.
    """

    def __init__(
        self,
        price: Price,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._price = price
        self._clock = clock
        self._began = clock()
        self._live: dict[int, Trace] = {}
        self._all = Row("all")
        self._unknown = Row("unknown")
        self._none = Row("none")
        self._further = Row("further")
        self._models: dict[str, Row] = {}
        self._targets: dict[str, TargetTally] = {}

    def began(self, trace: Trace) -> None:
        """See Observer."""
        self._live[id(trace)] = trace

    def stepped(self, trace: Trace, step: Step) -> None:
        """See Observer."""
        if step.retry_in is not None:
            # It has ended before, and is told once more with how long it is waited for.
            return
        target = self._target(step.target)
        if step.attempt is None:
            count(target.skips, step.outcome)
        elif not step.outcome:
            target.attempts += 1
        elif step.outcome in {GOOD, RESUMED}:
            target.good += 1
            target.answer.add(step.ended - step.began)
        else:
            count(target.failures, step.outcome)

    def ended(self, trace: Trace) -> None:
        """See Observer."""
        self._live.pop(id(trace), None)
        self._note_break(trace)
        end = End.of(trace, self._price)
        minute = self._minute
        self._all.add(end, minute)
        self._row(trace).add(end, minute)

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        minute = self._minute
        rows = [*self._models.items(), (None, self._further), (None, self._unknown)]
        rows.append((None, self._none))
        return Snapshot(
            age=self._clock() - self._began,
            total=self._all.totals(None, minute),
            models=tuple([row.totals(name, minute) for name, row in rows if row.requests]),
            targets=tuple([target.totals(label) for label, target in self._targets.items()]),
            under_way=len(self._live),
            live=tuple(self._oldest()),
        )

    @property
    def _minute(self) -> int:
        return int(self._clock() // 60)

    def _oldest(self) -> Iterator[Live]:
        for trace in [*self._live.values()][:MOST_LIVE]:
            yield Live(
                exchange=trace.exchange,
                model=trace.model if trace.steps or trace.failure is None else None,
                target=trace.target,
                attempts=trace.attempts,
                seconds=trace.age,
                phase=_phase(trace),
            )

    def _row(self, trace: Trace) -> "Row":
        name = trace.model
        if name is None:
            return self._none
        row = self._models.get(name)
        if row is not None:
            return row
        if not trace.steps:
            # It has led nowhere: anything may stand there.
            return self._unknown
        if len(self._models) >= MOST_MODELS:
            return self._further
        return self._models.setdefault(name, Row("model"))

    def _target(self, label: str) -> "TargetTally":
        target = self._targets.get(label)
        if target is None:
            if len(self._targets) >= MOST_TARGETS:
                label = OTHERS
            target = self._targets.setdefault(label, TargetTally())
        return target

    def _note_break(self, trace: Trace) -> None:
        """An answer that had begun well has broken off: what looked good was none."""
        if not isinstance(trace.failure, UpstreamError):
            return
        answered = trace.answered
        if answered is not None:
            target = self._target(answered.target)
            target.good -= 1
            count(target.failures, trace.failure.code or trace.failure.type)


def _phase(trace: Trace) -> Phase:
    if trace.first_byte is not None:
        return "streaming"
    if not trace.steps:
        return "begun" if trace.model is None else "queued"
    return "waiting" if trace.steps[-1].outcome else "asked"
