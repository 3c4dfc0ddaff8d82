"""The words in a row: what an exchange, or one attempt of it, came to, in a few characters.

mitmweb gives the comment 150 pixels, and shows the rest when the mouse is over it: what matters
most comes first.
"""

import math
from collections.abc import Iterable
from http import HTTPStatus

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import shown
from llm_gateway.trace import CLIENT_CLOSED_REQUEST, GOOD, RESUMED, Step, Trace

ANSWERED = ":speech_balloon:"
AFTER_ALL = ":repeat:"
FAILED = ":x:"
REFUSED = ":no_entry:"
LEFT = ":wave:"
"""Markers of client flows: answered at once, answered after detours, failed, refused at the door,
left by the client."""
GOOD_ATTEMPT = ":robot:"
BAD_ATTEMPT = ":warning:"
"""Markers of attempt flows."""

_THOUSAND = 1000
_MILLISECONDS = 1000
_BRIEF = 0.1
"""Seconds: what is shorter is told in milliseconds."""
_DIGITS = ((1, 2), (10, 1))
"""Seconds below which so many digits follow the point."""
MILLIONTHS = 6
"""Digits of a dollar."""
_WORTH_A_WORD = 0.05
"""Seconds: a shorter wait in a queue is none to speak of."""


def of_exchange(trace: Trace, cost: float | None, *, killed: bool = False) -> str:
    """The comment of a client flow that is over, perhaps because it was ``killed`` by hand."""
    words = [_who(trace, trace.target)]
    if trace.failure is not None:
        words.append(f"{trace.failure.status} {trace.failure.code or trace.failure.type}")
    elif trace.status == CLIENT_CLOSED_REQUEST:
        words.append("killed by hand" if killed else "the client left")
    if trace.attempts > 1:
        words.append(f"{trace.attempts} tries")
    elif trace.failure is None:
        words += _passed_over(trace)
    words += [_time(trace), *_spent(trace.usage, cost)]
    return _joined(words)


def _passed_over(trace: Trace) -> list[str]:
    """What explains a detour without a second try."""
    over = [step for step in trace.steps if step.attempt is None]
    if not over:
        return []
    more = f" and {len(over) - 1} more" if len(over) > 1 else ""
    return [f"past {over[0].target} ({over[0].outcome}){more}"]


def under_way(trace: Trace) -> str:
    """The comment of a client flow whose answer is not complete."""
    step = trace.current
    if not step.outcome:
        said = "asked" if step.attempt == 1 else f"asked, try {step.attempt}"
    elif is_good(step):
        said = "answering"
    elif step.retry_in is not None:
        said = f"{step.outcome}, retry in {duration(step.retry_in)}"
    else:
        said = step.outcome
    return _joined([_who(trace, trace.asked), said])


def marker_of(trace: Trace) -> str:
    """The marker of a client flow that is over."""
    if trace.failure is not None:
        return REFUSED if trace.model is None else FAILED
    if trace.status == CLIENT_CLOSED_REQUEST:
        return LEFT
    return AFTER_ALL if trace.has_detours else ANSWERED


def marker_of_attempt(step: Step, status: int | None, *, failed: bool) -> str:
    """The marker of an attempt flow; ``failed``: it broke off after it had begun well."""
    if is_good(step) and not failed:
        return GOOD_ATTEMPT
    # Before anybody has read the answer, its status may say enough.
    refused = status is not None and status >= HTTPStatus.BAD_REQUEST
    return BAD_ATTEMPT if step.outcome or refused else ""


def of_attempt(
    trace: Trace,
    step: Step,
    usage: Usage | None,
    cost: float | None,
    *,
    status: int | None,
    total: int | None,
    broken: bool = False,
) -> str:
    """The comment of an attempt flow.

    ``status`` is its answer's, ``total`` how many there were; ``broken``: its stream ended early.
    """
    number = f"{step.attempt}/{total}" if total is not None else f"{step.attempt}"
    words = [number]
    if step.queued >= _WORTH_A_WORD:
        words.append(f"queued {duration(step.queued)}")
    if not is_good(step):
        return _joined([*words, _failure(trace, step, status)])
    words.append(f"{step.outcome}, then {_break(trace, step)}" if broken else step.outcome)
    if trace.stream:
        words.append(f"first content {duration(step.ended - step.began)}")
    return _joined([*words, *_spent(usage, cost)])


def _break(trace: Trace, step: Step) -> str:
    failure = trace.failure if trace.answered is step else None
    return "broken off" if failure is None else failure.code or failure.type


def is_good(step: Step) -> bool:
    """Whether the attempt's answer was good."""
    return step.outcome in (GOOD, RESUMED)


def duration(value: float) -> str:
    """``4 ms``, ``0.42 s``, ``1.2 s``, ``75 s``."""
    if value < _BRIEF:
        return f"{value * _MILLISECONDS:.0f} ms"
    digits = next((digits for below, digits in _DIGITS if value < below), 0)
    return f"{value:.{digits}f} s"


def tokens(usage: Usage) -> str:
    """``1.2k+340 tok``: what was read, and what was written."""
    return f"{_count(usage.prompt_tokens)}+{_count(usage.completion_tokens)} tok"


def dollars(cost: float) -> str:
    """``$0.0041``: two digits that count, at least cents."""
    if cost == 0:
        return "$0"
    if cost < 10**-MILLIONTHS:
        return "<$0.000001"
    digits = 1 - math.floor(math.log10(cost))
    return f"${cost:.{min(max(digits, 2), MILLIONTHS)}f}"


def _who(trace: Trace, target: str | None) -> str:
    if trace.model is None:
        return ""
    model = shown(trace.model)
    return model if target is None else f"{model} → {target}"


def _time(trace: Trace) -> str:
    return f"ttft {duration(trace.ttft)}" if trace.ttft is not None else duration(trace.age)


def _spent(usage: Usage | None, cost: float | None) -> list[str]:
    words = [] if usage is None else [tokens(usage)]
    return words if cost is None else [*words, dollars(cost)]


def _failure(trace: Trace, step: Step, status: int | None) -> str:
    said = " ".join(str(word) for word in (status, step.outcome) if word) or "under way"
    if not step.outcome:
        return said
    if step.retry_in is not None:
        return f"{said}, retry in {duration(step.retry_in)}"
    then = _next(trace, step)
    return said if then is None else f"{said}, then {then}"


def _next(trace: Trace, step: Step) -> str | None:
    """Who was asked instead."""
    later = (other for other in trace.steps if (other.attempt or 0) > (step.attempt or 0))
    following = next(later, None)
    return None if following is None or following.target == step.target else following.target


def _count(number: int) -> str:
    if number < _THOUSAND:
        return str(number)
    return f"{number / _THOUSAND:.1f}k"


def _joined(words: Iterable[str]) -> str:
    return " · ".join(word for word in words if word)
