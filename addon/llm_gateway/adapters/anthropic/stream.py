"""The events of Anthropic's streams, read.

Blocks are numbered as blocks, OpenAI's tool calls as calls. What is neither known nor an error
(``ping``, citations, blocks and events to come) is passed over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.adapters.answers import Chunks
from llm_gateway.adapters.anthropic.failures import reported
from llm_gateway.adapters.anthropic.remembered import keep
from llm_gateway.adapters.anthropic.reply import arguments_of, call_made, finish_of, refusal_of
from llm_gateway.adapters.anthropic.usage import Counter
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.translating import count_in, object_in, text_in
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.memory import MAX_CHARACTERS

type JSONObject = dict[str, Any]

MAX_BLOCKS = 10_000
"""Of one answer; models make some dozens."""

PIECE_SIZE = 64
"""Bytes that a string takes, however short it is."""


@dataclass(slots=True)
class _Open:
    """A tool call whose arguments are on their way."""

    number: int
    begun: bool = False


@dataclass(slots=True)
class Stream:
    """Says to ``chunks`` what the events add. ``over`` is set by the last one."""

    call: Call
    names: Mapping[str, str]
    chunks: Chunks
    counter: Counter = field(default_factory=Counter)
    over: bool = False
    _blocks: dict[int, JSONObject] = field(default_factory=dict)
    _pieces: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    """What the deltas add to the blocks, by the key that grows: joined at the end."""
    _length: int = 0
    """Characters of all of it, and what each piece takes besides."""
    _open: dict[int, _Open] = field(default_factory=dict)

    def read(self, event: JSONObject) -> None:
        """One event. Raises UpstreamError if it is an error."""
        if event.get("type") == "error" or event.get("error"):
            raise reported(event)
        handle = _EVENTS.get(text_in(event, "type"))
        if handle is not None:
            handle(self, event)

    def _start(self, event: JSONObject) -> None:
        message = object_in(event, "message")
        self.chunks.model = text_in(message, "model")
        self._count(message)

    def _start_block(self, event: JSONObject) -> None:
        index, block = count_in(event, "index"), dict(object_in(event, "content_block"))
        self._blocks[index] = block
        if len(self._blocks) > MAX_BLOCKS:
            raise UpstreamInvalidResponse(
                f"The provider's answer has more than {MAX_BLOCKS} blocks."
            )
        if block.get("type") == "tool_use":
            made = call_made(self.call, self.names, block, len(self._open), "")
            self._open[index] = _Open(self.chunks.call(0, made))
        self.chunks.text(0, text_in(block, "text"))
        self.chunks.reasoning(0, text_in(block, "thinking"))

    def _delta(self, event: JSONObject) -> None:
        index, delta = count_in(event, "index"), object_in(event, "delta")
        if (key := _GROWING.get(text_in(delta, "type"))) is not None:
            self._grow(index, key, text_in(delta, key))
        self.chunks.text(0, text_in(delta, "text"))
        self.chunks.reasoning(0, text_in(delta, "thinking"))
        self._arguments(index, text_in(delta, "partial_json"))

    def _grow(self, index: int, key: str, piece: str) -> None:
        self._length += len(piece) + PIECE_SIZE
        if self._length > MAX_CHARACTERS:
            # Nothing so long is remembered.
            self._pieces.clear()
        elif index in self._blocks:
            self._pieces.setdefault((index, key), []).append(piece)

    def _arguments(self, index: int, piece: str) -> None:
        call = self._open.get(index)
        if call is not None and piece:
            call.begun = True
            self.chunks.arguments(0, call.number, piece)

    def _stop_block(self, event: JSONObject) -> None:
        self._complete(count_in(event, "index"))

    def _complete(self, index: int) -> None:
        """A call without a piece of its arguments was sent with all of them, or has none."""
        call = self._open.get(index)
        if call is not None and not call.begun:
            self._arguments(index, arguments_of(self._blocks[index]))

    def _stop(self, event: JSONObject) -> None:
        self._count(event)
        delta = object_in(event, "delta")
        if not text_in(delta, "stop_reason"):
            return
        self.chunks.refusal(0, refusal_of(delta))
        self._end(delta)

    def _end(self, ended: JSONObject) -> None:
        for index in self._open:
            self._complete(index)
        for (index, key), pieces in self._pieces.items():
            block = self._blocks[index]
            block[key] = text_in(block, key) + "".join(pieces)
        self._pieces.clear()
        if self._length <= MAX_CHARACTERS:
            keep(self.call, [block for _, block in sorted(self._blocks.items())])
        self.chunks.end(0, finish_of(ended))

    def _finish(self, _event: JSONObject) -> None:
        self._end({})
        self.over = True

    def _count(self, holder: JSONObject) -> None:
        self.counter.add(object_in(holder, "usage"))
        self.chunks.tokens = self.counter.tokens()


_GROWING: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
"""What each kind of delta adds to in its block."""

_EVENTS: Mapping[str, Callable[[Stream, JSONObject], None]] = {
    "message_start": Stream._start,
    "content_block_start": Stream._start_block,
    "content_block_delta": Stream._delta,
    "content_block_stop": Stream._stop_block,
    "message_delta": Stream._stop,
    "message_stop": Stream._finish,
}
