"""The view "AI compare": the answers of several models to one request, side by side."""

import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, override

from mitmproxy import contentviews, http

from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.translating import objects
from llm_gateway.inspect import metadata
from llm_gateway.inspect.comments import dollars, duration
from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.views.answer import answer_lines, error_lines, picture_lines
from llm_gateway.inspect.views.assemble import completion
from llm_gateway.inspect.views.partial import read_json
from llm_gateway.inspect.views.reading import (
    adapter_of,
    looks_like_stream,
    read_reply,
    read_stream,
    sentence,
)
from llm_gateway.inspect.views.text import bounded, counted, grouped, one_line, table, titled

MAX_ANSWERS = 40
"""Answers that are shown, the latest."""
MAX_ANSWER_LINES = 400
"""Lines of one of them; its own row shows all."""
MAX_ANSWER = 2_000_000
"""Bytes of an answer that are read."""

_NAME = 60
_UNDER_WAY = "under way"
_NOTHING = "-"
_COLUMNS = ("", "model", "answered by", "status", "ttft", "total", "tokens", "cost")


class CompareView(contentviews.Contentview):
    """Shows all flows of one comparison, on any of them. To be chosen by hand."""

    name = "AI compare"
    syntax_highlight = "none"

    def __init__(self, kin: Kin) -> None:
        self._kin = kin

    @override
    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        """A table, then the answers. Whatever fails in here is shown."""
        flow = metadata.flow
        try:
            return bounded(_view(flow, self._kin))
        except Exception:
            return f"This view failed, which is a bug of the gateway's.\n\n{traceback.format_exc()}"

    @override
    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        """Never by itself."""
        return -1.0


def _view(flow: object, kin: Kin) -> Iterator[str]:
    name = flow.metadata.get(metadata.COMPARE) if isinstance(flow, http.HTTPFlow) else None
    if not isinstance(flow, http.HTTPFlow) or not isinstance(name, str):
        yield "This request was not compared. To send it to several models at once:"
        yield ""
        yield "  ai.compare @marked BIG,SMALL"
        return
    found = {each.id: each for each in (*kin.compared(name), flow)}.values()
    flows = sorted(found, key=lambda each: each.request.timestamp_start)
    yield f"One request, {counted(len(flows), 'answer')}; the oldest first."
    if len(flows) > MAX_ANSWERS:
        yield f"The latest {MAX_ANSWERS} are shown."
        flows = flows[-MAX_ANSWERS:]
    yield ""
    yield from table([_COLUMNS, *(_row(each, here=each is flow) for each in flows)])
    for each in flows:
        yield ""
        yield titled(" → ".join(filter(None, (_asked(each), _target(each)))))
        yield from _bounded(_answer(each))


def _row(flow: http.HTTPFlow, *, here: bool) -> tuple[str, ...]:
    known = flow.metadata
    ttft, taken = (_number(known, name) for name in (metadata.TTFT, metadata.SECONDS))
    cost = _number(known, metadata.COST_USD)
    return (
        "▸" if here else "",
        _asked(flow),
        _target(flow) or _NOTHING,
        _status(flow),
        _NOTHING if ttft is None else duration(ttft),
        _NOTHING if taken is None else duration(taken),
        _tokens(known),
        _NOTHING if cost is None else dollars(cost),
    )


def _tokens(known: Mapping[str, Any]) -> str:
    read, written = known.get(metadata.PROMPT_TOKENS), known.get(metadata.COMPLETION_TOKENS)
    if not isinstance(read, int) or not isinstance(written, int):
        return _NOTHING
    return f"{grouped(read)} + {grouped(written)}"


def _status(flow: http.HTTPFlow) -> str:
    error = _text(flow.metadata, metadata.ERROR)
    if flow.error is not None:
        return one_line(flow.error.msg, _NAME)
    if flow.response is None or flow.response.timestamp_end is None:
        return _UNDER_WAY
    return f"{flow.response.status_code} {error}".strip()


def _answer(flow: http.HTTPFlow) -> Iterator[str]:
    response = flow.response
    body = b"" if response is None else response.get_content(strict=False) or b""
    if response is None or not body:
        yield f"  ({_UNDER_WAY if flow.error is None else 'no answer'})"
        return
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        yield from error_lines(error_object(body))
        return
    try:
        yield from _said(flow, body[:MAX_ANSWER], response.headers.get("content-type"))
    except Exception as error:
        # An answer may be cut, or be none.
        yield f"  ({sentence(error)})"


def _said(flow: http.HTTPFlow, body: bytes, content_type: str | None) -> Iterator[str]:
    adapter = adapter_of(flow, body)
    kind = None if content_type is None else content_type.partition(";")[0].strip()
    if looks_like_stream(kind, body):
        stream = read_stream(adapter, body, over=False)
        yield from answer_lines(completion(stream.chunks))
        return
    reading = read_json(body)
    reply = reading.value
    pictures = objects(reply.get("data")) if isinstance(reply, dict) else []
    if reading.is_part:
        yield f"  ({reading.trouble})"
        return
    if pictures:
        yield from picture_lines(pictures)
    else:
        yield from answer_lines(read_reply(adapter, body))


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    yield from islice(lines, MAX_ANSWER_LINES)
    if next(lines, None) is not None:
        yield "  … all of it in the row's own view"


def _asked(flow: http.HTTPFlow) -> str:
    """The model that was asked for; a flow that is still under way has it in its body alone."""
    known = _text(flow.metadata, metadata.MODEL)
    if known:
        return known
    body = read_json(flow.request.get_content(strict=False) or b"").value
    model = body.get("model") if isinstance(body, dict) else None
    return one_line(model, _NAME) if isinstance(model, str) else "?"


def _target(flow: http.HTTPFlow) -> str:
    return _text(flow.metadata, metadata.TARGET)


def _text(known: Mapping[str, Any], name: str) -> str:
    value = known.get(name)
    return one_line(value, _NAME) if isinstance(value, str) else ""


def _number(known: Mapping[str, Any], name: str) -> float | None:
    value = known.get(name)
    return value if isinstance(value, int | float) else None
