"""The "AI diff" view: what a client asked, and what a provider was asked for it.

First in words, field by field and with the reasons, then as a diff of the two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, override

from mitmproxy import http

from llm_gateway.adapters import KINDS, Kind
from llm_gateway.adapters.contract import Call, Site
from llm_gateway.adapters.fields import Table
from llm_gateway.api import routes
from llm_gateway.api.routes import Endpoint
from llm_gateway.errors import GatewayError
from llm_gateway.inspect.kin import asks_for_models, number_of, replayed
from llm_gateway.inspect.metadata import (
    DROPPED,
    KIND,
    MODEL,
    PROVIDER,
    REFUSED,
    RESUMES,
    TARGET,
    is_attempt,
    steps,
)
from llm_gateway.inspect.views.exchange_view import ExchangeView
from llm_gateway.inspect.views.fates import Change, Sort, changes
from llm_gateway.inspect.views.json_diff import diff
from llm_gateway.inspect.views.partial import Reading, read_json
from llm_gateway.inspect.views.text import WIDTH, size, titled, wrapped
from llm_gateway.trace import GOOD, RESUMED
from llm_gateway.wire import Label

_INDENT = "    "
_PICTURES = (Endpoint.IMAGES, Endpoint.PICTURE)
_EDIT_LINES = 60
_ONE_LINE = WIDTH - 8
"""Characters of a change and its reason that go in one line."""


class DiffView(ExchangeView):
    """A client's request beside a provider's. Of a client flow, the attempt that answered."""

    @property
    @override
    def name(self) -> str:
        return "AI diff"

    @override
    def lines(self, flow: http.HTTPFlow) -> Iterator[str]:
        client = self._kin.client_of(flow)
        attempt = flow if is_attempt(flow) else self._attempt_for(flow)
        if asks_for_models(flow):
            yield "The gateway asked by itself which models there are: no client did."
        elif client is None:
            yield "The client's request is not kept any more, or was run again: nothing to compare."
        elif attempt is None:
            yield _why_no_attempt(client)
        else:
            yield from _compared(client, attempt)
            return
        yield from _edits(flow)

    def _attempt_for(self, client: http.HTTPFlow) -> http.HTTPFlow | None:
        """The attempt that answered, or else the last; what was sent again by hand is neither."""
        every = self._kin.attempts_of(client)
        made = [each for each in every if not replayed(each)] or every
        good = {step.attempt for step in steps(client) if step.outcome in (GOOD, RESUMED)}
        answered = [each for each in made if number_of(each) in good]
        return next(reversed(answered or made), None)


def _why_no_attempt(client: http.HTTPFlow) -> str:
    if REFUSED in client.metadata:
        return "This request was refused at the door: no provider was asked."
    if client.live and not steps(client):
        return "No provider has been asked yet."
    return "There is no attempt to compare this with: none was made, or none is kept any more."


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two requests."""

    client: http.HTTPFlow
    attempt: http.HTTPFlow
    asked: dict[str, Any]
    sent: dict[str, Any]

    @property
    def kind(self) -> Kind | None:
        """What the provider is; None where an old recording does not say it."""
        names = (self.attempt.metadata.get(name) for name in (KIND, PROVIDER))
        return next(
            (KINDS[name] for name in names if isinstance(name, str) and name in KINDS), None
        )

    @property
    def draws(self) -> bool:
        """Whether it is about pictures."""
        try:
            route = routes.find(self.client.request.method, self.client.request.path)
        except GatewayError:
            return False
        return route.endpoint in _PICTURES

    @property
    def table(self) -> Table | None:
        """What the provider's kind says of fields."""
        kind = self.kind
        if kind is None:
            return None
        return kind.image_fields if self.draws else kind.fields

    @property
    def model(self) -> str:
        """The provider's name of the model."""
        model = self.attempt.metadata.get(MODEL)
        return model if isinstance(model, str) else ""

    @property
    def dropped(self) -> Sequence[str]:
        """The places that the provider was not told: as noted, or else as the adapter has it."""
        noted = self.attempt.metadata.get(DROPPED)
        if isinstance(noted, list | tuple):
            return [str(each) for each in noted]
        kind = self.kind
        return () if kind is None or self.draws else _encoded_without(kind, self.asked, self.model)


def _encoded_without(kind: Kind, asked: dict[str, Any], model: str) -> Sequence[str]:
    """What the adapter leaves out, found by having it encode the request once more."""
    stream = asked.get("stream") is True
    call = Call(asked, stream, model, Site(""), Label("", 0, "", model), 0)
    try:
        adapter = kind.chat(call)
        adapter.encode()
    except Exception:
        # A body that was edited, or needs more than one request, may not be encoded so.
        return ()
    return adapter.dropped


def _compared(client: http.HTTPFlow, attempt: http.HTTPFlow) -> Iterator[str]:
    yield from wrapped(_title(client, attempt))
    for flow in (client, attempt):
        yield from _edits(flow)
    readings = [_body(flow) for flow in (client, attempt)]
    asked, sent = (reading.value for reading in readings)
    if not (isinstance(asked, dict) and isinstance(sent, dict)):
        yield from _no_objects(client, attempt)
        return
    for whose, reading in zip(("client's", "provider's"), readings, strict=True):
        if reading.trouble:
            yield from wrapped(f"{reading.trouble}", first=f"! The {whose} request: ")
    pair = _Pair(client, attempt, asked, sent)
    yield from _in_words(pair)
    yield ""
    yield titled("The two requests as JSON")
    lines = diff(asked, sent, ("client request", "provider request"))
    yield from lines or ["They say the same."]


def _title(client: http.HTTPFlow, attempt: http.HTTPFlow) -> str:
    target = attempt.metadata.get(TARGET) or "/".join(
        str(attempt.metadata.get(name)) for name in (PROVIDER, MODEL)
    )
    words = [f"client request → attempt {number_of(attempt)}, {target}"]
    if attempt.metadata.get(RESUMES):
        words.append("it goes on with an answer that broke off")
    if replayed(attempt):
        words.append("sent again by hand")
    if attempt.response is not None:
        words.append(f"answered {attempt.response.status_code}")
    elif attempt.error is not None:
        words.append(f"failed: {attempt.error.msg}")
    return " · ".join(words)


def _body(flow: http.HTTPFlow) -> Reading:
    return read_json(flow.request.get_content(strict=False) or b"")


def _no_objects(client: http.HTTPFlow, attempt: http.HTTPFlow) -> Iterator[str]:
    yield ""
    for whose, flow in (("client's", client), ("provider's", attempt)):
        kind = flow.request.headers.get("content-type") or "no type"
        count = len(flow.request.raw_content or b"")
        yield f"The {whose} request: {flow.request.method}, {kind}, {size(count)}."
    yield "They are compared where both are JSON objects."


def _in_words(pair: _Pair) -> Iterator[str]:
    if pair.table is None:
        yield ""
        yield "The provider's kind is not known: fields are paired by name and by value."
    found = changes(pair.asked, pair.sent, pair.table, pair.dropped, pair.model)
    order = [*Sort]
    found.sort(key=lambda change: order.index(change.sort))
    for sort, group in groupby(found, key=lambda change: change.sort):
        yield ""
        yield from _group(sort, [*group])


def _group(sort: Sort, group: Sequence[Change]) -> Iterator[str]:
    title = f"{sort} ({len(group)})"
    if sort in (Sort.PASSED, Sort.IDLE):
        yield from wrapped(", ".join(change.said for change in group), _INDENT, f"{title}: ")
        return
    yield title
    for said, why in _alike(sort, group):
        reason = why.replace("`", "")
        if reason and len(said) + len(reason) <= _ONE_LINE:
            yield f"{_INDENT}{said} — {reason}"
            continue
        yield from wrapped(said, _INDENT * 2, _INDENT)
        if reason:
            yield from wrapped(reason, _INDENT * 2 + "  ", _INDENT * 2 + "— ")


def _alike(sort: Sort, group: Sequence[Change]) -> Iterator[tuple[str, str]]:
    """What was dropped for the same reason is told together."""
    if sort is not Sort.DROPPED:
        yield from ((change.said, change.why) for change in group)
        return
    by_reason: dict[str, list[str]] = {}
    for change in group:
        by_reason.setdefault(change.why, []).append(change.said)
    yield from ((", ".join(names), why) for why, names in by_reason.items())


def _edits(flow: http.HTTPFlow) -> Iterator[str]:
    """What a person has changed in the body, if the flow still knows how it was."""
    before = _before(flow)
    after = flow.request.raw_content
    if before is None or after is None or before == after:
        return
    whose = "provider's" if is_attempt(flow) else "client's"
    yield ""
    yield titled(f"The {whose} request was edited by hand")
    values = (read_json(before).value, read_json(after).value)
    lines = diff(*values, ("before", "now")) or ["Only its form: it says the same."]
    yield from lines[:_EDIT_LINES]
    if len(lines) > _EDIT_LINES:
        yield f"… {len(lines) - _EDIT_LINES} more lines"


def _before(flow: http.HTTPFlow) -> bytes | None:
    """The request's body before it was edited; None where nobody did."""
    backup = getattr(flow, "_backup", None)
    request = backup.get("request") if isinstance(backup, dict) else None
    content = request.get("content") if isinstance(request, dict) else None
    return content if isinstance(content, bytes) else None
