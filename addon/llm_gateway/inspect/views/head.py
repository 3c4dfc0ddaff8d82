"""What a view of an answer begins with: who was asked, who answered, how it went, why it failed.

It says what stands in the flow's metadata, and so also of a flow that was loaded from a file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mitmproxy import http

from llm_gateway.inspect import metadata
from llm_gateway.inspect.comments import dollars, duration, is_good
from llm_gateway.inspect.views.text import counted, grouped, one_line, wrapped
from llm_gateway.trace import Step

MAX_STEPS = 40

_INDENT = "  "
_NAME = 120
"""Characters of a name in the head."""
_OK = 200


def head_lines(flow: http.HTTPFlow) -> Iterator[str]:
    """A few lines on the flow's answer."""
    yield _attempt_line(flow) if metadata.is_attempt(flow) else _client_line(flow)
    numbers = " · ".join(_numbers(flow))
    if numbers:
        yield numbers
    if flow.error is not None:
        yield from wrapped(f"broken off: {flow.error.msg}")
    if cut := _text(flow.metadata, metadata.CUT):
        yield from wrapped(cut)
    yield from _why(flow)


def under_way(flow: http.HTTPFlow) -> bool:
    """Whether more of the flow's answer may come."""
    response = flow.response
    return bool(
        flow.live and flow.error is None and response is not None and response.timestamp_end is None
    )


def _client_line(flow: http.HTTPFlow) -> str:
    asked = _text(flow.metadata, metadata.MODEL)
    target = _text(flow.metadata, metadata.TARGET)
    if not asked:
        return f"{flow.request.method} {one_line(flow.request.path, _NAME)}"
    answered = metadata.ERROR not in flow.metadata
    return f"{asked} → {target}" if target and answered else asked


def _attempt_line(flow: http.HTTPFlow) -> str:
    known = flow.metadata
    number, total = known.get(metadata.ATTEMPT), known.get(metadata.ATTEMPTS)
    target = _text(known, metadata.TARGET) or "/".join(
        filter(None, (_text(known, metadata.PROVIDER), _text(known, metadata.MODEL)))
    )
    words = [f"attempt {number}" + (f" of {total}" if isinstance(total, int) else ""), target]
    if kind := _text(known, metadata.KIND):
        words.append(f"format {kind}")
    if known.get(metadata.RESUMES):
        words.append("goes on with an answer that broke off")
    if fault := _text(known, metadata.FAULT):
        words.append(f"injected fault: {fault}")
    return " · ".join(filter(None, words))


def _numbers(flow: http.HTTPFlow) -> Iterator[str]:
    known = flow.metadata
    status = None if flow.response is None else flow.response.status_code
    error = _text(known, metadata.ERROR)
    if status is not None and (status != _OK or error):
        yield f"{status} {error}".strip()
    attempts = known.get(metadata.ATTEMPTS)
    if isinstance(attempts, int) and attempts > 1 and not metadata.is_attempt(flow):
        yield counted(attempts, "attempt")
    for name, word in ((metadata.TTFT, "first content after "), (metadata.SECONDS, "took ")):
        value = known.get(name)
        if isinstance(value, int | float):
            yield word + duration(value)
    yield from _spent(known)


def _spent(known: Mapping[str, Any]) -> Iterator[str]:
    prompt, completion = known.get(metadata.PROMPT_TOKENS), known.get(metadata.COMPLETION_TOKENS)
    if isinstance(prompt, int) and isinstance(completion, int):
        cached = known.get(metadata.CACHED_TOKENS)
        of_them = f" ({grouped(cached)} cached)" if isinstance(cached, int) and cached else ""
        yield f"{grouped(prompt)}{of_them} + {grouped(completion)} tokens"
    cost = known.get(metadata.COST_USD)
    if isinstance(cost, int | float) and cost >= 0:
        yield dollars(cost)


def _why(flow: http.HTTPFlow) -> Iterator[str]:
    """Why it failed, if it did: the error's sentence, and the way that led there."""
    if metadata.ERROR not in flow.metadata:
        return
    reason = _text(flow.metadata, metadata.REASON, limit=2000)
    if reason:
        yield ""
        yield from wrapped(reason)
    steps = metadata.steps(flow)
    if not steps:
        return
    yield ""
    yield _in_short(steps)
    for step in steps[:MAX_STEPS]:
        yield from _step_lines(step, known=reason)
    if len(steps) > MAX_STEPS:
        yield f"{_INDENT}… {counted(len(steps) - MAX_STEPS, 'more step')}"


def _in_short(steps: list[Step]) -> str:
    """``3 attempts at 2 targets failed; 1 target was passed over.``"""
    asked = [step for step in steps if step.attempt is not None]
    failed = [step for step in asked if not is_good(step)]
    skipped = {step.target for step in steps if step.attempt is None}
    words = []
    if failed:
        targets = counted(len({step.target for step in failed}), "target")
        words.append(f"{counted(len(failed), 'attempt')} at {targets} failed")
    if skipped:
        was = "was" if len(skipped) == 1 else "were"
        words.append(f"{counted(len(skipped), 'target')} {was} passed over")
    if not asked:
        words.append("nobody was asked")
    return ("; ".join(words) or "The way it took") + ":"


def _step_lines(step: Step, known: str) -> Iterator[str]:
    """A step, and why it came to nothing, unless that is ``known``."""
    number = "-" if step.attempt is None else f"{step.attempt}"
    said = one_line(step.outcome or "under way", _NAME)
    words = [f"{_INDENT}{number}  {one_line(step.target, _NAME)}  {said}"]
    if step.attempt is not None:
        words.append(f"after {duration(max(step.ended - step.began, 0.0))}")
    else:
        words[0] = f"{_INDENT}{number}  {one_line(step.target, _NAME)}  passed over: {said}"
    if step.retry_in is not None:
        words.append(f"asked again {duration(step.retry_in)} later")
    yield ", ".join(words)
    reason = one_line(step.reason, 500)
    if reason and reason != known:
        yield from wrapped(reason, _INDENT * 3)


def _text(known: Mapping[str, Any], name: str, limit: int = _NAME) -> str:
    """A text of the metadata, in one line; empty where there is none."""
    value = known.get(name)
    return one_line(value, limit) if isinstance(value, str) else ""
