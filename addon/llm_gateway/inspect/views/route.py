"""The "AI route" view: who was asked, who was passed over and why, the waits, and who answered."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import override

from mitmproxy import http

from llm_gateway.inspect.comments import duration, is_good
from llm_gateway.inspect.kin import asks_for_models, number_of, replayed
from llm_gateway.inspect.metadata import (
    ATTEMPT,
    ERROR,
    MODEL,
    PROVIDER,
    REASON,
    REFUSED,
    SECONDS,
    TARGET,
    is_attempt,
    steps,
)
from llm_gateway.inspect.views.exchange_view import ExchangeView
from llm_gateway.inspect.views.text import counted, one_line, table, wrapped
from llm_gateway.trace import RESUMED, Step

MAX_STEPS = 200
COLUMNS = 50
"""Of the timeline."""

_WORTH_A_WORD = 0.05
"""Seconds: a shorter wait is none to speak of."""
_AT_ONCE = 0.001
_REASON = 400
"""Characters of the sentence on a failure."""
_TARGET = 60
"""Characters of a target's name."""
_HERE, _ELSEWHERE = "►", " "
_ASKED, _QUEUED, _WAITING, _ANSWERING, _PASSED = "█", "·", "░", "▒", "x"
_NOT_ASKED = "-"
"""In the place of a number."""
_NAMED = 3
"""Targets that were passed over, in the sentence."""
_LEGEND = {
    _QUEUED: "in the queue",
    _ASKED: "asked",
    _ANSWERING: "answering",
    _WAITING: "waiting to ask again",
    _PASSED: "passed over",
}
_ORDINALS = {1: "1st", 2: "2nd", 3: "3rd", 21: "21st", 22: "22nd", 23: "23rd"}


class RouteView(ExchangeView):
    """The steps of an exchange. Of an attempt, those of its exchange, and which one it is."""

    @property
    @override
    def name(self) -> str:
        return "AI route"

    @override
    def lines(self, flow: http.HTTPFlow) -> Iterator[str]:
        return _lines(self._route(flow))

    def _route(self, flow: http.HTTPFlow) -> "_Route":
        client, attempts = self._kin.client_of(flow), self._kin.attempts_of(flow)
        made = [each for each in attempts if not replayed(each)]
        route = _Route(client, made)
        route.steps = _plausible(steps(client)) if client is not None else []
        route.written = bool(route.steps)
        if not route.written:
            route.steps = _steps_of(client, made)
        if is_attempt(flow):
            route.here = number_of(flow)
        return route


@dataclass(slots=True)
class _Route:
    """What is known of an exchange. ``written``: its steps are from its own metadata."""

    client: http.HTTPFlow | None
    attempts: Sequence[http.HTTPFlow]
    steps: list[Step] = field(default_factory=list)
    written: bool = False
    here: int | None = None
    """The attempt that was looked at."""

    @property
    def total(self) -> float:
        """Seconds that all of it took, as far as known."""
        told = self._told(SECONDS)
        whole = [told] if isinstance(told, float | int) else [*self._until_now()]
        return max([*whole, *(max(step.began, step.ended) for step in self.steps)], default=0.0)

    @property
    def failure(self) -> str:
        """What the client was told, where it is no answer."""
        words = [str(each) for each in (self._told(ERROR), self._told(REASON)) if each]
        if not words and self.client is not None and self.client.error is not None:
            words = [self.client.error.msg]
        return ": ".join(words)

    @property
    def is_ours_alone(self) -> bool:
        """Whether no client asked for it."""
        return self.client is None and any(map(asks_for_models, self.attempts))

    @property
    def is_stream(self) -> bool:
        """Whether the client was answered with a stream."""
        response = None if self.client is None else self.client.response
        return response is not None and "event-stream" in response.headers.get("content-type", "")

    def status(self, number: int | None) -> int | None:
        """The HTTP status of an attempt, if its flow is kept; the last one's of several calls."""
        answers = [each.response for each in self.attempts if number_of(each) == number]
        return next((answer.status_code for answer in reversed(answers) if answer), None)

    def _until_now(self) -> Iterator[float]:
        """Seconds since the beginning, while the answer is awaited."""
        first = self.client or next(iter(self.attempts), None)
        if first is not None and any(flow.live for flow in (first, *self.attempts)):
            yield time.time() - first.request.timestamp_start

    def _told(self, name: str) -> object:
        return None if self.client is None else self.client.metadata.get(name)


def _plausible(route: Sequence[Step]) -> list[Step]:
    """The steps whose values are what they should be; a file may hold anything."""
    return [
        step
        for step in route[:MAX_STEPS]
        if all(isinstance(each, str) for each in (step.target, step.outcome, step.reason))
        and all(isinstance(each, float | int) for each in (step.began, step.ended, step.queued))
        and isinstance(step.retry_in, float | int | None)
        and isinstance(step.attempt, int | None)
    ]


def _steps_of(client: http.HTTPFlow | None, attempts: Sequence[http.HTTPFlow]) -> list[Step]:
    """The steps as far as the flows of the attempts show them."""
    first = client or next(iter(attempts), None)
    start = 0.0 if first is None else first.request.timestamp_start
    return [_step_of(each, start) for each in attempts[:MAX_STEPS]]


def _step_of(attempt: http.HTTPFlow, start: float) -> Step:
    metadata, response = attempt.metadata, attempt.response
    target = metadata.get(TARGET) or f"{metadata.get(PROVIDER)}/{metadata.get(MODEL)}"
    outcome = metadata.get(ERROR) or ("" if response is None else str(response.status_code))
    if attempt.error is not None:
        outcome = outcome or attempt.error.msg
    began = attempt.request.timestamp_start - start
    last = began if response is None else (response.timestamp_end or began + start) - start
    reason = str(metadata.get(REASON) or "")
    number = metadata.get(ATTEMPT)
    return Step(str(target), str(outcome), reason, number, max(began, 0.0), max(last, began))


def _lines(route: _Route) -> Iterator[str]:
    yield from wrapped(_conclusion(route))
    if not route.steps:
        return
    yield ""
    yield from _table(route)
    if route.total > 0:
        yield ""
        yield from _timeline(route)


def _conclusion(route: _Route) -> str:
    """What came of the exchange, in a sentence."""
    client = route.client
    if client is not None and REFUSED in client.metadata:
        return f"This request was refused at the door, and no provider was asked. {route.failure}"
    if not route.steps:
        if client is not None and client.live:
            return "No provider has been asked yet."
        failure = f" {route.failure}" if route.failure else ""
        return f"No provider was asked for this request.{failure}"
    if route.is_ours_alone:
        return "The gateway asked by itself which models there are; no client waited for it."
    if not route.written:
        whose = "is not kept any more" if client is None else "has no route yet"
        return f"The client's flow {whose}; this is what the flows of the attempts show."
    return f"{'; '.join([_outcome(route), *_detours(route)])}."


def _outcome(route: _Route) -> str:
    good = [step for step in route.steps if is_good(step)]
    tries = max((step.attempt or 0 for step in route.steps), default=0)
    if not good:
        after = f"after {counted(tries, 'attempt')} and {duration(route.total)}"
        failure = one_line(route.failure, 200).rstrip(".")
        return f"nobody answered, {after}" + (f": {failure}" if failure else "")
    first, last = good[0], good[-1]
    verb = "began to answer" if route.is_stream else "answered"
    when = f"{duration(first.ended)} after the request"
    said = f"{first.target} {verb} on the {_ordinal(first.attempt)} attempt, {when}"
    if last is not first:
        said += f"; it broke off, and {last.target} went on after {duration(last.ended)}"
    if route.failure:
        said += f"; it ended with {one_line(route.failure, 200).rstrip('.')}"
    if route.is_stream:
        said += f"; all of it took {duration(route.total)}"
    return said


def _detours(route: _Route) -> list[str]:
    """What took time, or was not asked."""
    said = []
    queued = sum(step.queued for step in route.steps)
    waited = sum(step.retry_in or 0.0 for step in route.steps)
    if queued >= _WORTH_A_WORD:
        said.append(f"{duration(queued)} of it in queues")
    if waited >= _WORTH_A_WORD:
        said.append(f"{duration(waited)} of it waiting to ask again")
    passed = dict.fromkeys(
        f"{step.target} ({step.outcome})" for step in route.steps if step.attempt is None
    )
    if passed:
        several = [*passed]
        rest = f" and {len(several) - _NAMED} more" if len(several) > _NAMED else ""
        said.append(f"passed over: {', '.join(several[:_NAMED])}{rest}")
    return said


def _table(route: _Route) -> Iterator[str]:
    rows = [("", "#", "at", "target", "what came of it")]
    rows += [_row(route, step) for step in route.steps]
    lines = table(rows)
    yield lines[0]
    indent = " " * (lines[0].index("target") + 2)
    for line, step in zip(lines[1:], route.steps, strict=True):
        yield line
        for detail in _details(step):
            yield from wrapped(detail, indent)


def _row(route: _Route, step: Step) -> tuple[str, str, str, str, str]:
    here = step.attempt is not None and step.attempt == route.here
    number = _NOT_ASKED if step.attempt is None else str(step.attempt)
    return (
        _HERE if here else _ELSEWHERE,
        number,
        duration(step.began),
        one_line(step.target, _TARGET),
        _what_came(route, step),
    )


def _what_came(route: _Route, step: Step) -> str:
    if step.attempt is None:
        return f"passed over: {step.outcome}"
    if not step.outcome:
        return "no answer yet"
    took = duration(max(step.ended - step.began, 0.0))
    if is_good(step):
        verb = "went on with the answer" if step.outcome == RESUMED else "answered"
        return f"{verb} after {took}"
    status = route.status(step.attempt)
    known = status is None or str(status) == step.outcome
    return f"{step.outcome}{'' if known else f' ({status})'} after {took}"


def _details(step: Step) -> Iterator[str]:
    """What else there is to say of a step, each in a line of its own."""
    if step.queued >= _WORTH_A_WORD:
        yield f"it waited {duration(step.queued)} for its turn"
    if step.reason:
        yield one_line(step.reason, _REASON)
    if step.retry_in is not None:
        at_once = step.retry_in < _AT_ONCE
        yield "asked again at once" if at_once else f"asked again {duration(step.retry_in)} later"


def _timeline(route: _Route) -> Iterator[str]:
    yield f"Timeline of {duration(route.total)}"
    bars = [_bar(step, route) for step in route.steps]
    numbers = [_NOT_ASKED if step.attempt is None else str(step.attempt) for step in route.steps]
    here = [
        _HERE if step.attempt is not None and step.attempt == route.here else _ELSEWHERE
        for step in route.steps
    ]
    targets = [one_line(step.target, _TARGET) for step in route.steps]
    yield from table(zip(here, numbers, (f"│{bar}│" for bar in bars), targets, strict=True))
    used = set("".join(bars))
    yield f"   {'   '.join(f'{sign} {said}' for sign, said in _LEGEND.items() if sign in used)}"


def _bar(step: Step, route: _Route) -> str:
    """A step's line: what happened when, a sign for each moment."""
    cells = [" "] * COLUMNS

    def draw(sign: str, start: float, end: float) -> None:
        first = min(int(max(start, 0.0) / route.total * COLUMNS), COLUMNS - 1)
        last = min(max(int(end / route.total * COLUMNS), first + 1), COLUMNS)
        cells[first:last] = [sign] * (last - first)

    if step.attempt is None:
        draw(_PASSED, step.began, step.began)
        return "".join(cells)
    ended = step.ended if step.outcome else route.total
    if step.retry_in:
        draw(_WAITING, ended, ended + step.retry_in)
    if is_good(step) and route.is_stream:
        draw(_ANSWERING, ended, _next_good(step, route))
    if step.queued >= _WORTH_A_WORD:
        draw(_QUEUED, step.began - step.queued, step.began)
    draw(_ASKED, step.began, ended)
    return "".join(cells)


def _next_good(step: Step, route: _Route) -> float:
    """Until when a stream came from this attempt: the next one's beginning, or the end."""
    later = (other.began for other in route.steps if is_good(other) and other.began > step.began)
    return min(later, default=route.total)


def _ordinal(number: int | None) -> str:
    return _ORDINALS.get(number or 0, f"{number}th")
