"""The view "AI message": an answer as one message, and when each part of it came."""

import traceback
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, override

from mitmproxy import contentviews, http

from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.api import routes
from llm_gateway.api.routes import Endpoint
from llm_gateway.errors import GatewayError, Retry, UpstreamError
from llm_gateway.inspect import metadata
from llm_gateway.inspect.views.answer import (
    answer_lines,
    error_lines,
    indented,
    outline,
    picture_lines,
    usage_line,
)
from llm_gateway.inspect.views.assemble import completion
from llm_gateway.inspect.views.head import head_lines, under_way
from llm_gateway.inspect.views.partial import read_json
from llm_gateway.inspect.views.reading import (
    Stream,
    adapter_of,
    looks_like_stream,
    read_failure,
    read_reply,
    read_stream,
    sentence,
)
from llm_gateway.inspect.views.text import bounded, counted, cut, grouped, size, titled, wrapped
from llm_gateway.inspect.views.timeline import left_out, timeline

MAX_REPLY = 16_000_000
"""Bytes of a whole reply that are read: it is read in one go."""
MAX_REPLY_VALUES = 400_000
"""Values in it. Probabilities of tokens are many."""

_FIRST = 2.0
"""Above the priorities of mitmproxy's own views."""
_NEVER = -1.0
_MAX_RAW = 4000
"""Characters shown of what is neither JSON nor a stream."""
_ANSWERS = {Endpoint.CHAT, Endpoint.IMAGES}
_MENDED_BY = {
    Retry.HERE: "the same target may be asked again",
    Retry.ELSEWHERE: "only another target can help",
    Retry.NEVER: "the request itself is at fault, so nobody else is asked",
}


class MessageView(contentviews.Contentview):
    """Shows the response of a client flow or an attempt flow."""

    name = "AI message"
    syntax_highlight = "none"

    @override
    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        """The answer as text. Whatever fails in here is shown."""
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or flow.response is None:
            return "This view shows answers: the responses of HTTP flows."
        if isinstance(metadata.http_message, http.Request):
            return "This view shows answers: look at the response."
        try:
            return bounded(_view(flow, flow.response, data, metadata.content_type))
        except Exception:
            return f"This view failed, which is a bug of the gateway's.\n\n{traceback.format_exc()}"

    @override
    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        """Positive for the answers that the gateway gave and got."""
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or flow.response is None:
            return _NEVER
        if isinstance(metadata.http_message, http.Request):
            return _NEVER
        return _FIRST if _is_answer(flow, flow.response, metadata.content_type) else _NEVER


def _is_answer(flow: http.HTTPFlow, response: http.Response, content_type: str | None) -> bool:
    if not metadata.is_ours(flow) or not _is_text(content_type):
        return False
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        return True
    if metadata.is_attempt(flow):
        return flow.request.method == "POST"
    try:
        return routes.find(flow.request.method, flow.request.path).endpoint in _ANSWERS
    except GatewayError:
        return False


def _is_text(content_type: str | None) -> bool:
    return content_type is None or content_type.startswith("text/") or content_type.endswith("json")


def _view(
    flow: http.HTTPFlow, response: http.Response, body: bytes, content_type: str | None
) -> Iterator[str]:
    yield from head_lines(flow)
    if looks_like_stream(content_type, body):
        yield from _stream_view(flow, body)
    elif under_way(flow):
        yield ""
        yield f"Still under way: {size(len(body))} of the answer so far."
    elif response.status_code >= HTTPStatus.BAD_REQUEST:
        yield from _failure_view(flow, response, body)
    else:
        yield from _reply_view(flow, body)


def _stream_view(flow: http.HTTPFlow, body: bytes) -> Iterator[str]:
    live = under_way(flow)
    stream = read_stream(adapter_of(flow, body), body, over=not live)
    if live:
        events = counted(len(stream.events) + stream.left_events, "event")
        yield f"still under way: {events}, {size(len(body))} so far"
    yield from _notes(stream)
    yield ""
    yield titled("Message")
    if stream.chunks:
        yield from answer_lines(completion(stream.chunks), over=not live)
    else:
        yield "(no content" + (" yet)" if live else ")")
    yield from _errors_in(stream)
    lines = timeline(stream, flow.metadata.get(metadata.ARRIVALS))
    if lines:
        yield ""
        yield titled("Timeline")
        yield from lines


def _notes(stream: Stream) -> Iterator[str]:
    """What is wrong with a stream, and what was not read."""
    notes = [*stream.notes]
    if stream.unnoted:
        notes.append(f"… {counted(stream.unnoted, 'more note')}")
    if stream.left_bytes:
        notes.append(left_out(stream))
    for note in notes:
        yield from wrapped(note, "   ", "!  ")


def _errors_in(stream: Stream) -> Iterator[str]:
    """The errors in a stream, as they were told."""
    for event in [event for event in stream.events if event.trouble and event.data][:3]:
        yield ""
        yield f"event {grouped(event.number)}, which is no part of the answer"
        yield from _json_lines(event.data)


def _failure_view(flow: http.HTTPFlow, response: http.Response, body: bytes) -> Iterator[str]:
    if not metadata.is_attempt(flow):
        yield from _client_error(flow, body)
        return
    yield ""
    yield titled(f"The provider said {response.status_code}")
    yield from _json_lines(body)
    try:
        meant = read_failure(adapter_of(flow, body), response.status_code, response.headers, body)
    except Exception as error:
        yield f"What it means is not known. {sentence(error)}"
        return
    yield ""
    yield titled("What the gateway makes of it")
    yield from _meaning(meant, flow.metadata.get(metadata.REASON))


def _client_error(flow: http.HTTPFlow, body: bytes) -> Iterator[str]:
    error = error_object(body)
    if not error:
        yield ""
        yield titled("Error")
        yield from _json_lines(body)
        return
    if error.get("message") == flow.metadata.get(metadata.REASON):
        error = {name: value for name, value in error.items() if name != "message"}
    yield ""
    yield titled("Error")
    yield from error_lines(error)


def _meaning(error: UpstreamError, known: object) -> Iterator[str]:
    yield f"  {error.status} {error.code or error.type}: {_MENDED_BY[error.retry]}"
    if error.retry_after is not None:
        yield f"  to be asked again after {error.retry_after:g} s"
    if error.message != known:
        yield from indented(error.message)


def _reply_view(flow: http.HTTPFlow, body: bytes) -> Iterator[str]:
    yield ""
    if len(body) > MAX_REPLY:
        yield f"The answer is larger than what is read here: {size(len(body))}."
        return
    reply = read_json(body, MAX_REPLY_VALUES)
    if reply.is_part:
        yield from wrapped(reply.trouble, "   ", "!  ")
        yield from _lines_of(reply.value, body)
        return
    pictures = _pictures(reply.value)
    if pictures:
        yield titled(counted(len(pictures), "picture"))
        yield from picture_lines(pictures)
        if usage := usage_line(object_in(reply.value, "usage")):
            yield from ("", usage)
        return
    try:
        answer = read_reply(adapter_of(flow, body), body)
    except Exception as error:
        yield from wrapped(sentence(error), "   ", "!  ")
        if reply.trouble:
            yield from wrapped(reply.trouble, "   ", "!  ")
        yield ""
        yield titled("What was received")
        yield from _lines_of(reply.value, body)
        return
    yield titled("Message")
    yield from answer_lines(answer)


def _pictures(reply: Any) -> list[dict[str, Any]]:
    """The entries of an images response, OpenAI's or Workers AI's; empty where it is none."""
    if not isinstance(reply, dict):
        return []
    if image := text_in(object_in(reply, "result"), "image"):
        return [{"b64_json": image}]
    data = objects(reply.get("data"))
    return [entry for entry in data if "b64_json" in entry or "url" in entry]


def _json_lines(body: bytes) -> Iterator[str]:
    """What was received, as it is: JSON laid out and shortened, or text."""
    return _lines_of(read_json(body).value, body)


def _lines_of(value: Any, body: bytes) -> Iterator[str]:
    if isinstance(value, dict | list):
        yield from indented(outline(value))
    elif body.strip():
        yield from indented(cut(body[: 4 * _MAX_RAW].decode("utf-8", "replace"), _MAX_RAW))
    else:
        yield "  (nothing)"
