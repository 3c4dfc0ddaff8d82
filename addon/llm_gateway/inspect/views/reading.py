"""What a body says, in OpenAI's format: streams event by event, and whole replies.

The adapters that translate while the gateway works read here, too, so that what is shown is what
was understood. Here a body may be broken, cut off, still on its way or of another format than it
claims: whatever an adapter says against it becomes a note, and reading goes on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from mitmproxy import http

from llm_gateway import sse
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter, Call, Site, Usage
from llm_gateway.errors import GatewayError, UpstreamError, UpstreamInvalidResponse
from llm_gateway.inspect.bodies import MAX_KEPT_BYTES
from llm_gateway.inspect.kin import number_of
from llm_gateway.inspect.metadata import EXCHANGE, KIND, MODEL, PROVIDER, is_attempt
from llm_gateway.nesting import too_deep
from llm_gateway.wire import Label

MAX_BYTES = MAX_KEPT_BYTES
"""Of a stream, so much is read. No more is kept while one passes."""
MAX_EVENTS = 20_000
"""So many events of a stream are read: a tenth of a second's work."""
MAX_NOTES = 12

_OPENAI = "openai"
_BLANK_LINE = re.compile(rb"(?:\r\n|\r(?!\n)|\n){2}")
_AN_EVENT = "An event of the provider's stream"
"""How the adapters begin a sentence that here is about one event."""
_NO_JSON = " is not valid JSON."
_ENDED = "The provider's stream ended before its answer was complete."
_ENDS = "The stream ends before its answer is complete."
_LIMITS = ("max_tokens", "max_completion_tokens")

type JSONObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One block of a stream: what stands between two blank lines.

    ``number`` counts from 1, ``end`` is where it ends in the body and ``size`` its length, both in
    bytes. ``type`` is its ``event`` field, ``data`` its data; a ``comment`` has none. ``chunks``
    are the OpenAI chunks that it became, ``trouble`` is what is wrong with it, and ``counts`` says
    whether it tells the tokens.
    """

    number: int
    end: int
    size: int
    type: str = ""
    data: bytes = b""
    comment: str = ""
    chunks: Sequence[JSONObject] = ()
    trouble: str = ""
    counts: bool = False


@dataclass(slots=True)
class Stream:
    """What a stream says. ``complete`` as its format has it; ``usage`` where it was told.

    ``notes`` are sentences on what is wrong with it. ``read_bytes`` of it were read, ``left_bytes``
    with about ``left_events`` events were not.
    """

    events: list[Event] = field(default_factory=list)
    chunks: list[JSONObject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    usage: Usage | None = None
    complete: bool = False
    read_bytes: int = 0
    left_bytes: int = 0
    left_events: int = 0
    unnoted: int = 0

    def note(self, text: str) -> None:
        """Add a note, within bounds."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        else:
            self.unnoted += 1


def kind_of(flow: http.HTTPFlow, body: bytes) -> str:
    """The format of a response of ours: a key of ``adapters.KINDS``.

    Of an attempt that does not say it, perhaps an old recording, it is guessed.
    """
    if not is_attempt(flow):
        return _OPENAI
    for name in (KIND, PROVIDER):
        kind = flow.metadata.get(name)
        if isinstance(kind, str) and kind in KINDS:
            return kind
    start = body[:4096]
    if b'"candidates"' in start or b'"usageMetadata"' in start:
        return "gemini"
    return "anthropic" if b"message_start" in start or b'"stop_reason"' in start else _OPENAI


def adapter_for(
    kind: str,
    *,
    model: str = "",
    exchange: str = "",
    attempt: int = 1,
    created: int = 0,
    max_tokens: int | None = None,
) -> Adapter:
    """An adapter that reads answers of a kind.

    ``max_tokens`` is what the answer was limited to. Where the format has no ids of its own, those
    of the tool calls are made of ``exchange`` and ``attempt``, as the client got them.
    """
    body: JSONObject = {
        "model": model,
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    label = Label(exchange, attempt, kind, model)
    return KINDS[kind].chat(Call(body, True, model, Site(""), label, created))


def adapter_of(flow: http.HTTPFlow, body: bytes) -> Adapter:
    """An adapter that reads the flow's response."""
    model, exchange = flow.metadata.get(MODEL), flow.metadata.get(EXCHANGE)
    return adapter_for(
        kind_of(flow, body),
        model=model if isinstance(model, str) else "",
        exchange=exchange if isinstance(exchange, str) else "",
        attempt=number_of(flow),
        created=int(flow.request.timestamp_start),
        max_tokens=_limit(flow.request),
    )


def looks_like_stream(content_type: str | None, body: bytes) -> bool:
    """Whether the body is one of server-sent events."""
    if content_type is not None and content_type != "text/plain":
        return content_type == "text/event-stream"
    return body.lstrip()[:6].startswith((b"data:", b"event:", b":"))


def read_stream(adapter: Adapter, body: bytes, *, over: bool = True) -> Stream:
    """Read a stream as far as the bounds allow; while it is not ``over``, its end is not judged."""
    stream = Stream()
    reader = _Reader(adapter, stream)
    for start, end in islice(_blocks(body[:MAX_BYTES]), MAX_EVENTS):
        reader.take(body[start:end], end)
        stream.read_bytes = end
    rest = body[stream.read_bytes :]
    if len(body) > MAX_BYTES or _BLANK_LINE.search(rest):
        stream.left_bytes = len(rest)
        stream.left_events = rest.count(b"\n\n") + rest.count(b"\r\n\r\n")
    if over and not stream.left_bytes:
        reader.close(rest, len(body))
    stream.complete = adapter.done
    stream.usage = adapter.usage
    return stream


def read_reply(adapter: Adapter, body: bytes) -> JSONObject:
    """A whole good reply as an OpenAI chat completion. Raises GatewayError where it is none."""
    completion: JSONObject = orjson.loads(adapter.decode(body))
    return completion


def read_failure(
    adapter: Adapter, status: int, headers: Mapping[str, str], body: bytes
) -> UpstreamError:
    """What a provider's error means to the gateway."""
    return adapter.failure(status, headers, body)


def sentence(error: Exception) -> str:
    """What an error of reading says, in one line."""
    if not isinstance(error, GatewayError):
        return f"It cannot be read: {type(error).__name__}: {error}"
    if error.message.endswith(_NO_JSON):
        return f"{error.message.removesuffix('.')}: {error.detail}"
    if isinstance(error, UpstreamInvalidResponse):
        return error.message
    return f"{error.message} ({error.code or error.type})"


class _Reader:
    """Gives a stream's blocks to an adapter, and keeps what comes of each."""

    def __init__(self, adapter: Adapter, stream: Stream) -> None:
        self._adapter = adapter
        self._stream = stream
        self._decoder = sse.Decoder()
        self._told = False
        """Whether the last event is an error."""

    def take(self, block: bytes, end: int) -> None:
        """The next block; ``end`` is where it ends in the body."""
        if not block.strip():
            return
        self._dispatch(self._decoder.feed(block), block, end)

    def close(self, rest: bytes, end: int) -> None:
        """The stream is over, perhaps in the middle of an event."""
        if rest.strip():
            events = [*self._decoder.feed(rest), *self._decoder.close()]
            self._dispatch(events, rest, end)
            self._stream.read_bytes = end
        self._tell_strays()
        try:
            self._keep(self._adapter.end())
        except Exception as error:
            # An error that was told is why there is no more.
            if not self._told:
                self._stream.note(sentence(error).replace(_ENDED, _ENDS))

    def _dispatch(self, events: Sequence[sse.Event], block: bytes, end: int) -> None:
        number = len(self._stream.events) + 1
        if not events:
            comment = _comment(block)
            self._stream.events.append(Event(number, end, len(block), comment=comment))
            return
        for event in events:
            chunks, trouble, counts = self._feed(event, number)
            self._stream.events.append(
                Event(
                    number,
                    end,
                    len(block),
                    event.type,
                    event.data,
                    chunks=chunks,
                    trouble=trouble,
                    counts=counts,
                )
            )
            number += 1

    def _feed(self, event: sse.Event, number: int) -> tuple[list[JSONObject], str, bool]:
        usage = self._adapter.usage
        chunks: list[JSONObject] = []
        trouble = ""
        try:
            chunks = self._keep(self._adapter.feed(event))
        except Exception as error:
            trouble = sentence(error)
            self._stream.note(_of_event(number, trouble))
        if event.data.strip():
            self._told = bool(trouble)
        return chunks, trouble, self._adapter.usage is not usage

    def _keep(self, pieces: Sequence[bytes]) -> list[JSONObject]:
        chunks = [chunk for piece in pieces if isinstance(chunk := _parsed(piece), dict)]
        self._stream.chunks += chunks
        return chunks

    def _tell_strays(self) -> None:
        stray = self._decoder.stray
        if stray:
            text = stray[:300].decode("utf-8", "replace")
            self._stream.note(f"lines that are no events: {text}")


def _blocks(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each block of a stream begins, and ends with its blank line."""
    start = 0
    if b"\r" in body:
        for blank in _BLANK_LINE.finditer(body):
            yield start, blank.end()
            start = blank.end()
        return
    # The usual line ends, which are found in a fraction of the time.
    while (end := body.find(b"\n\n", start)) >= 0:
        yield start, end + 2
        start = end + 2


def _comment(block: bytes) -> str:
    """A block without data: its first comment, or else its first line."""
    lines = block.decode("utf-8", "replace").split()
    return " ".join(lines).removeprefix(":").strip()[:80]


def _parsed(piece: bytes) -> object:
    chunk: object = orjson.loads(piece)
    if too_deep(piece, chunk):
        raise ValueError("it is nested too deep")
    return chunk


def _of_event(number: int, trouble: str) -> str:
    if trouble.startswith(_AN_EVENT):
        return f"event {number}{trouble.removeprefix(_AN_EVENT)}"
    return f"event {number}: {trouble}"


def _limit(request: http.Request) -> int | None:
    """How many tokens an answer to this request may have, where it says so at the top."""
    content = request.raw_content or b""
    if not any(name.encode() in content for name in _LIMITS):
        return None
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    values = [body.get(name) for name in _LIMITS] if isinstance(body, dict) else []
    return next((value for value in values if type(value) is int), None)
