"""What is counted in one row of the statistics, and what is told of it.

Both are small: a row is as large after a million exchanges as after a few hundred.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from llm_gateway.errors import shown
from llm_gateway.histogram import Histogram
from llm_gateway.prices import Price
from llm_gateway.trace import CLIENT_CLOSED_REQUEST, Trace

MINUTES = 180
"""How many minutes are told one by one."""
MOST_KINDS = 24
"""How many kinds of errors are told apart in one row."""
OTHERS = "(others)"
LEAST_ERROR = 400
"""The statuses of errors begin here (RFC 9110 §15)."""

type Kind = Literal["all", "model", "further", "unknown", "none"]
"""What a row is of: all exchanges, one model, models for which there is no further row, names that
nobody knows, requests that name no model or were refused before it was read."""


@dataclass(frozen=True, slots=True)
class Times:
    """Quantiles in seconds of ``count`` cases; None where there are none."""

    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One minute, ``ago`` whole minutes before the running one. Minutes without any are left out.

    Errors are among the requests, and a request counts in the minute in which it ends.
    """

    ago: int
    requests: int
    errors: int
    latency: Times
    ttft: Times


@dataclass(frozen=True, slots=True)
class ModelTotals:
    """What became of the exchanges of one row; ``name`` is None where it is not of one model.

    ``errors`` counts by status and code, ``left`` the clients that did not wait. ``latency`` is of
    good answers, from the request to the end; ``ttft`` of streams, to their first content. ``cost``
    is in US dollars and of ``priced`` exchanges alone, None where no price is known.
    """

    kind: Kind
    name: str | None
    requests: int
    failed: int
    errors: Mapping[str, int]
    left: int
    latency: Times
    ttft: Times
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    counted: int
    """How many exchanges these tokens are of."""
    cost: float | None
    priced: int
    minutes: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class TargetTotals:
    """What became of the calls to one target, ``provider/model``.

    ``failures`` counts by outcome, ``skips`` by the reason why it was passed over. ``answer`` is
    how long good answers took to begin.
    """

    label: str
    attempts: int
    good: int
    failures: Mapping[str, int]
    skips: Mapping[str, int]
    answer: Times


@dataclass(slots=True)
class TargetTally:
    """What becomes of the calls to one target."""

    attempts: int = 0
    good: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    skips: dict[str, int] = field(default_factory=dict)
    answer: Histogram = field(default_factory=Histogram)

    def totals(self, label: str) -> TargetTotals:
        """What is told of it."""
        return TargetTotals(
            label=label,
            attempts=self.attempts,
            good=self.good,
            failures={**self.failures},
            skips={**self.skips},
            answer=_times(self.answer),
        )


@dataclass(slots=True)
class End:
    """What became of one exchange; ``error`` is empty where all is well."""

    error: str
    left: bool
    seconds: float
    ttft: float | None
    tokens: tuple[int, int, int] | None
    cost: float | None

    @classmethod
    def of(cls, trace: Trace, price: Price) -> "End":
        """Of an exchange that is over."""
        usage = trace.usage
        tokens = cost = None
        if usage is not None:
            tokens = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
            cost = None if trace.target is None else price(trace.target, usage)
        left = _has_left(trace)
        error = "" if left else _error(trace)
        return cls(error, left, trace.age, trace.ttft, tokens, cost)


def _has_left(trace: Trace) -> bool:
    gone = trace.status == CLIENT_CLOSED_REQUEST and trace.failure is None
    return gone and not trace.complete


def _error(trace: Trace) -> str:
    failure = trace.failure
    if failure is not None:
        return f"{failure.status} {shown(failure.code or failure.type)}"
    is_good = trace.status < LEAST_ERROR or trace.status == CLIENT_CLOSED_REQUEST
    return "" if is_good else str(trace.status)


class _Minute:
    """What ended in one minute of the clock. When it is over, the quantiles alone are kept."""

    __slots__ = ("_told", "errors", "latency", "number", "requests", "ttft")

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.errors = 0
        self.latency: Histogram | None = None
        self.ttft: Histogram | None = None
        self._told: tuple[Times, Times] | None = None

    def add(self, end: End) -> None:
        self.requests += 1
        if end.error:
            self.errors += 1
        elif not end.left:
            self.latency = self.latency or Histogram()
            self.latency.add(end.seconds)
        if end.ttft is not None:
            self.ttft = self.ttft or Histogram()
            self.ttft.add(end.ttft)

    def close(self) -> None:
        self._told = (_times(self.latency), _times(self.ttft))
        self.latency = self.ttft = None

    def point(self, minute: int) -> Point:
        told = self._told or (_times(self.latency), _times(self.ttft))
        return Point(minute - self.number, self.requests, self.errors, *told)


class Row:
    """What became of the exchanges of one row."""

    def __init__(self, kind: Kind) -> None:
        """Minutes are whole numbers of a clock that never goes back."""
        self.requests = 0
        self._kind = kind
        self._failed = 0
        self._errors: dict[str, int] = {}
        self._left = 0
        self._latency = Histogram()
        self._ttft = Histogram()
        self._tokens = [0, 0, 0]
        self._counted = 0
        self._cost = 0.0
        self._priced = 0
        self._minutes: deque[_Minute] = deque(maxlen=MINUTES)

    def add(self, end: End, minute: int) -> None:
        """One has ended in this minute."""
        self.requests += 1
        if end.error:
            self._failed += 1
            count(self._errors, end.error)
        elif end.left:
            self._left += 1
        else:
            self._latency.add(end.seconds)
        if end.ttft is not None:
            self._ttft.add(end.ttft)
        self._spend(end)
        self._at(minute).add(end)

    def _at(self, minute: int) -> _Minute:
        latest = self._minutes[-1] if self._minutes else None
        if latest is None or latest.number != minute:
            if latest is not None:
                latest.close()
            latest = _Minute(minute)
            self._minutes.append(latest)
        return latest

    def _spend(self, end: End) -> None:
        if end.tokens is not None:
            self._counted += 1
            for place, tokens in enumerate(end.tokens):
                self._tokens[place] += tokens
        if end.cost is not None:
            self._priced += 1
            self._cost += end.cost

    def totals(self, name: str | None, minute: int) -> ModelTotals:
        """What is told of it in this minute, under this name."""
        prompt, completion, cached = self._tokens
        recent = [each for each in self._minutes if each.number > minute - MINUTES]
        return ModelTotals(
            kind=self._kind,
            name=name,
            requests=self.requests,
            failed=self._failed,
            errors={**self._errors},
            left=self._left,
            latency=_times(self._latency),
            ttft=_times(self._ttft),
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            counted=self._counted,
            cost=self._cost if self._priced else None,
            priced=self._priced,
            minutes=tuple([each.point(minute) for each in recent]),
        )


def count(counts: dict[str, int], kind: str) -> None:
    """One more of this kind; what would be one kind too many is among the others."""
    if kind not in counts and len(counts) >= MOST_KINDS:
        kind = OTHERS
    counts[kind] = counts.get(kind, 0) + 1


def _times(histogram: Histogram | None) -> Times:
    if histogram is None:
        return Times(0, None, None)
    return Times(histogram.count, histogram.quantile(0.5), histogram.quantile(0.95))
