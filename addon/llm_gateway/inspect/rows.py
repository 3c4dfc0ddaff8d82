"""What the list says of each flow: its comment, its marker and its metadata.

An exchange is told to :class:`Rows` step by step; what it knows goes on the client flow and on the
flows of the attempts. A comment or a marker that a person has set stays. What the gateway wrote on
a flow in an earlier run (it may be a replay) is replaced.
"""

import logging
import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mitmproxy import http

from llm_gateway.adapters.contract import Usage
from llm_gateway.bridge.kill import is_killed
from llm_gateway.inspect import comments, metadata
from llm_gateway.inspect.bodies import Screen
from llm_gateway.masks import NO_MASKS, Masks
from llm_gateway.prices import Price
from llm_gateway.trace import BROKEN_OFF, Step, Trace
from llm_gateway.wire import Label

logger = logging.getLogger(__name__)

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters but white space, and marks that turn the direction of writing. mitmproxy's
console shows comments and metadata as they are."""

_DIGITS = 6


def no_price(target: str, usage: Usage) -> float | None:
    """Where there is no price table."""
    return None


_RESULTS = (
    metadata.TARGET,
    metadata.ATTEMPTS,
    metadata.ERROR,
    metadata.REASON,
    metadata.PROMPT_TOKENS,
    metadata.COMPLETION_TOKENS,
    metadata.CACHED_TOKENS,
    metadata.COST_USD,
    metadata.TTFT,
    metadata.SECONDS,
    metadata.DROPPED,
    metadata.ROUTE,
    metadata.ARRIVALS,
    metadata.CUT,
    metadata.FAULT,
)
"""What one run writes on a flow, and the next must not find there."""


@dataclass(slots=True)
class _Row:
    """The flows of an exchange that is under way."""

    trace: Trace
    client: http.HTTPFlow | None
    attempts: dict[int, list[http.HTTPFlow]] = field(default_factory=dict)
    """By number; drawing a picture may take several calls."""
    settled: bool = False


class Rows:
    """Writes on flows. An :class:`~llm_gateway.trace.Observer`."""

    def __init__(self, price: Price, screen: Screen, masks: Masks = NO_MASKS) -> None:
        """``screen`` is told of flows that change outside of their hooks."""
        self._masks = masks
        self._price = price
        self._screen = screen
        self._clients: weakref.WeakValueDictionary[str, http.HTTPFlow] = (
            weakref.WeakValueDictionary()
        )
        self._rows: dict[str, _Row] = {}
        self._late: dict[str, tuple[_Row, Step]] = {}
        """Attempts that end after their exchange, by flow id: a stream's tail may take a moment."""

    def client(self, exchange: str, flow: http.HTTPFlow) -> None:
        """The client flow of an exchange that may begin."""
        self._clients[exchange] = flow

    def client_of(self, exchange: str) -> http.HTTPFlow | None:
        """The client flow of an exchange, while anybody keeps it."""
        return self._clients.get(exchange)

    def attempt(self, label: Label, flow: http.HTTPFlow) -> None:
        """An attempt of an exchange has a flow."""
        row = self._rows.get(label.exchange)
        if row is not None:
            row.attempts.setdefault(label.attempt, []).append(flow)

    def settle(self, flow: http.HTTPFlow) -> None:
        """The flow is over: now, before its last hook, so that it is saved with what is known."""
        try:
            self._settle(flow)
        except Exception:
            logger.exception("A row could not be written.")

    def _settle(self, flow: http.HTTPFlow) -> None:
        late = self._late.pop(flow.id, None)
        if late is not None:
            self._write_attempt(*late, flow, total=late[0].trace.attempts)
            return
        row = self._rows.get(str(flow.metadata.get(metadata.EXCHANGE)))
        if row is None:
            return
        if flow is row.client:
            row.settled = True
            self._write_client(row, flow)
            return
        for step in row.trace.steps:
            if flow in row.attempts.get(step.attempt or 0, ()):
                self._write_attempt(row, step, flow, total=None)

    def began(self, trace: Trace) -> None:
        """See :class:`~llm_gateway.trace.Observer`."""
        flow = self._clients.get(trace.exchange)
        if flow is not None:
            for name in _RESULTS:
                flow.metadata.pop(name, None)
        self._rows[trace.exchange] = _Row(trace, flow)

    def stepped(self, trace: Trace, step: Step) -> None:
        """See :class:`~llm_gateway.trace.Observer`."""
        row = self._rows.get(trace.exchange)
        if row is None or not self._screen.has_list:
            return
        for flow in self._attempts(row, step):
            self._write_attempt(row, step, flow, total=None)
            self._screen.update(flow)
        if row.client is not None:
            asked = {metadata.MODEL: trace.model, metadata.TARGET: trace.asked}
            self._note(row.client, asked)
            _write(row.client, self._masks.hide_text(comments.under_way(trace)), "")
            self._screen.update(row.client)

    def ended(self, trace: Trace) -> None:
        """See :class:`~llm_gateway.trace.Observer`."""
        row = self._rows.pop(trace.exchange, None)
        if row is None:
            return
        if not self._screen.has_list:
            # A whole answer has its last hook after this, and is saved there.
            if row.client is not None and not row.settled:
                self._write_client(row, row.client)
            return
        for step in trace.steps:
            for flow in self._attempts(row, step):
                self._write_attempt(row, step, flow, total=trace.attempts)
                self._screen.update(flow)
                if flow.live:
                    self._late[flow.id] = row, step
        if row.client is not None:
            self._write_client(row, row.client)
            self._screen.update(row.client)

    def _attempts(self, row: _Row, step: Step) -> Sequence[http.HTTPFlow]:
        return row.attempts.get(step.attempt or 0, ())

    def _write_client(self, row: _Row, flow: http.HTTPFlow) -> None:
        trace = row.trace
        cost = self._cost(trace)
        self._note(
            flow,
            {
                metadata.MODEL: trace.model,
                metadata.TARGET: trace.target,
                metadata.ATTEMPTS: trace.attempts,
                metadata.TTFT: trace.ttft,
                metadata.SECONDS: trace.age,
                metadata.DROPPED: [*trace.dropped] or None,
                metadata.ROUTE: metadata.plain_route(trace.steps) or None,
                **_spent(trace.usage, cost),
            },
        )
        failure = trace.failure
        if failure is not None:
            error = {metadata.ERROR: failure.code or failure.type, metadata.REASON: failure.message}
            self._note(flow, error)
        said = comments.of_exchange(trace, cost, killed=is_killed(flow))
        _write(flow, self._masks.hide_text(said), comments.marker_of(trace))

    def _write_attempt(
        self, row: _Row, step: Step, flow: http.HTTPFlow, *, total: int | None
    ) -> None:
        trace = row.trace
        good = comments.is_good(step)
        broken = good and flow.error is not None
        usage = cost = None
        # Of the calls of one attempt the last one stands for all, so that sums are true.
        if trace.answered is step and flow is self._attempts(row, step)[-1]:
            usage, cost = trace.usage, self._cost(trace)
        error, reason = _failure(trace, step, flow)
        self._note(
            flow,
            {
                metadata.TARGET: step.target,
                metadata.ATTEMPTS: total,
                metadata.TTFT: step.ended - step.began if good and trace.stream else None,
                metadata.SECONDS: _seconds(flow),
                metadata.DROPPED: ([*trace.dropped] or None) if good else None,
                metadata.ERROR: error,
                metadata.REASON: reason,
                **_spent(usage, cost),
            },
        )
        status = None if flow.response is None else flow.response.status_code
        said = comments.of_attempt(
            trace, step, usage, cost, status=status, total=total, broken=broken
        )
        fault = flow.metadata.get(metadata.FAULT)
        mark = comments.marker_of_attempt(step, status, failed=good and error is not None)
        said = f"{said} · injected {fault}" if fault else said
        _write(flow, self._masks.hide_text(said), mark)

    def _note(self, flow: http.HTTPFlow, values: Mapping[str, object]) -> None:
        flow.metadata |= self._masks.hide_values(_plain(values))

    def _cost(self, trace: Trace) -> float | None:
        if trace.usage is None or trace.target is None:
            return None
        return self._price(trace.target, trace.usage)


def resent(flow: http.HTTPFlow, status: int, taken: float) -> None:
    """An attempt was sent again by hand, and answered with ``status`` after ``taken`` seconds."""
    for name in _RESULTS:
        flow.metadata.pop(name, None)
    _write(flow, f"sent again · {status} · {comments.duration(taken)}", "")


def _harmless(text: str) -> str:
    """The text without what would change the terminal or the text around it."""
    return _CONTROL.sub("?", text)


def _write(flow: http.HTTPFlow, comment: str, marker: str) -> None:
    """What the gateway says of a flow, where no person has said anything."""
    known = flow.metadata
    cut = known.get(metadata.CUT)
    comment = " ".join(_harmless(f"{comment} · {cut}" if cut else comment).splitlines())
    if flow.comment == known.get(metadata.COMMENT, ""):
        flow.comment = known[metadata.COMMENT] = comment
    if flow.marked == known.get(metadata.MARK, ""):
        flow.marked = known[metadata.MARK] = marker


def _failure(trace: Trace, step: Step, flow: http.HTTPFlow) -> tuple[str | None, str | None]:
    """The code of an attempt's failure, and the sentence; None, where all is well."""
    if not comments.is_good(step):
        return step.outcome or None, step.reason or None
    if flow.error is None:
        return None, None
    if trace.answered is not step:
        return BROKEN_OFF, flow.error.msg
    failure = trace.failure
    return (None, None) if failure is None else (failure.code or failure.type, failure.message)


def _seconds(flow: http.HTTPFlow) -> float | None:
    """From its request to its end, None if that has not come."""
    response, error = flow.response, flow.error
    end = error.timestamp if error is not None else response and response.timestamp_end
    return None if not end else max(0.0, end - flow.request.timestamp_start)


def _spent(usage: Usage | None, cost: float | None) -> dict[str, object]:
    return {
        metadata.PROMPT_TOKENS: None if usage is None else usage.prompt_tokens,
        metadata.COMPLETION_TOKENS: None if usage is None else usage.completion_tokens,
        metadata.CACHED_TOKENS: None if usage is None else usage.cached_tokens or None,
        metadata.COST_USD: cost,
    }


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """Those that are known, as they may be shown; no more digits of a float than are of use."""
    return {name: _shown(value) for name, value in values.items() if value is not None}


def _shown(value: object) -> object:
    if isinstance(value, float):
        return round(value, _DIGITS)
    return _harmless(value) if isinstance(value, str) else value
