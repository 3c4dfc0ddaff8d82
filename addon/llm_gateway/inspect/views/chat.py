"""The "AI chat" view: a request to a model as people read it, in whatever provider's format."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, override

from mitmproxy import contentviews, http

from llm_gateway.inspect.metadata import MODEL, is_attempt, is_ours
from llm_gateway.inspect.views.partial import Reading, read_json
from llm_gateway.inspect.views.pieces import Piece
from llm_gateway.inspect.views.text import (
    ELLIPSIS,
    bounded,
    counted,
    cut,
    limited,
    one_line,
    size,
    titled,
    wrapped,
)
from llm_gateway.inspect.views.turns import (
    Tool,
    Turn,
    settings_of,
    tools_of,
    turns_of,
    weight_of_tools,
)

PRIORITY = 2
"""Above mitmproxy's own view of JSON, which has 1."""
FIRST_TURNS = 20
LAST_TURNS = 200
"""Of a longer conversation this much of its beginning and its end is shown."""
MAX_SAID = 3000
"""Lines of all messages: the tools come after them."""
MAX_TOOLS = 100
MAX_CHARACTERS = 150_000
"""Of all texts together."""
LONGEST_TEXT = 8000
SHORTEST_TEXT = 400
"""Characters that a text is cut to, by how many there are."""

_IN_LINE = 160
"""Characters that follow a tag in its line; longer texts begin below it."""
_INDENT = "    "
_CONVERSATION = re.compile(rb'"(?:messages|contents|prompt|inputs)"\s*:')
_STREAMS_OF_GEMINI = ":streamGenerateContent"


class ChatView(contentviews.Contentview):
    """Head, messages and tools of a request. Chosen by itself for requests of ours."""

    @property
    @override
    def name(self) -> str:
        return "AI chat"

    @override
    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or metadata.http_message is not flow.request:
            return -1
        if not is_ours(flow) or data.lstrip()[:1] != b"{":
            return -1
        return PRIORITY if _CONVERSATION.search(data) else -1

    @override
    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        flow = metadata.flow
        if isinstance(flow, http.HTTPFlow) and metadata.http_message is flow.response:
            return "This view is for requests."
        return bounded(_lines(data, flow if isinstance(flow, http.HTTPFlow) else None))


def _lines(data: bytes, flow: http.HTTPFlow | None) -> Iterator[str]:
    reading = read_json(data)
    if reading.trouble:
        yield from wrapped(reading.trouble, first="! ")
        yield from _what_there_is(reading)
    body = reading.value
    if isinstance(body, dict):
        yield from _request(body, data, flow)
    else:
        yield "There is no request to a model in this body."


def _what_there_is(reading: Reading) -> Iterator[str]:
    if reading.value is not None:
        yield "  What follows is what could be read of it."
        yield ""


def _request(body: dict[str, Any], data: bytes, flow: http.HTTPFlow | None) -> Iterator[str]:
    turns, tools = turns_of(body), tools_of(body)
    bytes_of_tools, tokens_of_tools = weight_of_tools(body) if tools else (0, 0)
    spent = sum(turn.tokens for turn in turns) + tokens_of_tools
    facts = [
        _model(body, flow),
        "stream" if _is_stream(body, flow) else "",
        counted(len(turns), "message"),
        *([counted(len(tools), "tool")] if tools else []),
        f"about {counted(spent, 'token')}",
        size(len(data)),
    ]
    yield from wrapped(" · ".join(filter(None, facts)))
    settings = [f"{name} {value}" for name, value in settings_of(body)]
    if settings:
        yield from wrapped(" · ".join(settings))
    yield from limited(_conversation(turns, spent), MAX_SAID)
    if tools:
        yield ""
        share = _weight(bytes_of_tools, tokens_of_tools, spent)
        yield titled(f"{counted(len(tools), 'tool')} · {share}")
        yield from _tools(tools)


def _model(body: dict[str, Any], flow: http.HTTPFlow | None) -> str:
    model = body.get("model")
    # Some providers have it in the address.
    if model is None and flow is not None and is_attempt(flow):
        model = flow.metadata.get(MODEL)
    return one_line(str(model), 200) if model else "no model"


def _is_stream(body: dict[str, Any], flow: http.HTTPFlow | None) -> bool:
    return body.get("stream") is True or (
        flow is not None and _STREAMS_OF_GEMINI in flow.request.path
    )


def _conversation(turns: Sequence[Turn], spent: int) -> Iterator[str]:
    numbered = [*enumerate(turns, start=1)]
    left_out = max(len(turns) - FIRST_TURNS - LAST_TURNS, 0)
    head, tail = numbered[:FIRST_TURNS], numbered[FIRST_TURNS + left_out :]
    texts = sum(len(turn.pieces) for _, turn in (*head, *tail))
    longest = min(max(MAX_CHARACTERS // max(texts, 1), SHORTEST_TEXT), LONGEST_TEXT)
    for number, turn in head:
        yield from _turn(number, turn, spent, longest)
    if left_out:
        yield ""
        yield f"{ELLIPSIS} {counted(left_out, 'message')} left out {ELLIPSIS}"
    for number, turn in tail:
        yield from _turn(number, turn, spent, longest)


def _turn(number: int, turn: Turn, spent: int, longest: int) -> Iterator[str]:
    yield ""
    yield titled(_title(number, turn, spent))
    for piece in turn.pieces:
        yield from _piece(piece, longest)


def _title(number: int, turn: Turn, spent: int) -> str:
    return f"{number} {one_line(turn.role, 60)} · {_weight(turn.bytes, turn.tokens, spent)}"


def _weight(count: int, tokens: int, of: int) -> str:
    share = f" ({round(100 * tokens / of)} %)" if of else ""
    return f"{size(count)} · ~{counted(tokens, 'token')}{share}"


def _piece(piece: Piece, longest: int) -> Iterator[str]:
    text = cut(piece.text, longest)
    if not piece.tag:
        yield from wrapped(text, _INDENT)
        return
    tag = f"{_INDENT}[{one_line(piece.tag, 120)}]"
    if "\n" in text or len(text) > _IN_LINE:
        head, _, rest = text.partition("\n") if piece.tag == "call" else ("", "", text)
        yield f"{tag} {head}".rstrip()
        yield from wrapped(rest, _INDENT * 2)
    else:
        yield from wrapped(text, _INDENT * 2, f"{tag} ")


def _tools(tools: Sequence[Tool]) -> Iterator[str]:
    for tool in tools[:MAX_TOOLS]:
        signature = f"{one_line(tool.name, 80)}({one_line(', '.join(tool.parameters), 240)})"
        said = one_line(tool.description, 160)
        line = f"{signature}  {said}" if said else signature
        yield from wrapped(line, _INDENT * 2, _INDENT)
    if len(tools) > MAX_TOOLS:
        yield f"{_INDENT}{ELLIPSIS} {counted(len(tools) - MAX_TOOLS, 'more tool')}"
