"""The events of a stream of Workers AI's own endpoint, in its old shape and in OpenAI's.

Old: ``{"response": "Hel", "p": "abc"}`` (``p`` is padding), tool calls and usage in any event, and
no reason for the end but ``[DONE]``. New: OpenAI's chunks.
"""

from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.answers import Chunks, FinishReason
from llm_gateway.adapters.cloudflare.reply import (
    finish_of,
    limit_reached,
    reasoning_of,
    text_of,
    tokens_in,
)
from llm_gateway.adapters.cloudflare.tools import StreamedCalls, as_text
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.translating import count_in, object_in, objects, text_in


class StreamReader:
    """Says to the chunks what the events add; ``limit`` is how many tokens the answer may have."""

    def __init__(self, call: Call, chunks: Chunks, limit: int) -> None:
        self._chunks = chunks
        self._calls = StreamedCalls(call, chunks)
        self._limit = limit
        self._has_begun = False
        self._is_old = False
        self._reason: FinishReason | None = None

    def read(self, event: Mapping[str, Any]) -> None:
        """One event, which is no error. Raises UpstreamError if the answer broke off."""
        self._chunks.tokens = tokens_in(event) or self._chunks.tokens
        if not self._has_begun:
            # Every chunk names the same model.
            self._chunks.model = text_in(event, "model")
            self._has_begun = True
        if choices := objects(event.get("choices")):
            for choice in choices:
                self._choice(choice)
        elif "response" in event or "tool_calls" in event:
            self._old(event)

    def close(self) -> None:
        """The stream is said to be over, which is how the old shape ends."""
        if self._is_old:
            self._calls.close(0)
            self._chunks.end(0, self._reason or limit_reached(self._chunks.tokens, self._limit))

    def _old(self, event: Mapping[str, Any]) -> None:
        self._is_old = True
        response = event.get("response")
        # An object is no piece of text: events of the Responses API have one by this name.
        if not isinstance(response, dict):
            self._chunks.text(0, as_text(response))
        self._calls.add(0, event.get("tool_calls"))
        if event.get("finish_reason") is not None:
            self._reason = finish_of(event["finish_reason"])

    def _choice(self, choice: Mapping[str, Any]) -> None:
        index, delta = count_in(choice, "index"), object_in(choice, "delta")
        self._chunks.reasoning(index, reasoning_of(delta))
        self._chunks.text(index, text_of(delta.get("content")))
        self._chunks.refusal(index, text_in(delta, "refusal"))
        self._calls.add(index, delta.get("tool_calls"))
        if choice.get("finish_reason") is not None:
            self._calls.close(index)
            self._chunks.end(index, finish_of(choice["finish_reason"]))
