"""OpenAI's own wire format, spoken by many.

Requests pass with ``model`` replaced and what the dialect changes. Replies and stream chunks that
need no change pass byte for byte; they are parsed to see whether they are what they claim: an error
inside a success, a chunk that is no JSON, the end of a choice, the usage.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, override

from llm_gateway import sse
from llm_gateway.adapters.answers import tool_call_id
from llm_gateway.adapters.contract import Adapter, Call
from llm_gateway.adapters.failures import as_error_object, error_object
from llm_gateway.adapters.openai.dialects import OPENAI, Dialect
from llm_gateway.adapters.openai.request import encode
from llm_gateway.adapters.openai.stream import Stream
from llm_gateway.adapters.openai.tidy import tidy_reply, written
from llm_gateway.adapters.openai.usage import read_usage
from llm_gateway.adapters.translating import read_json
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse
from llm_gateway.wire import UpstreamRequest

_DONE = b"[DONE]"


class OpenAIAdapter(Adapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call, dialect: Dialect = OPENAI) -> None:
        super().__init__(call)
        self.dialect = dialect
        self._stream = Stream(dialect, _ids(call), wants_usage=call.wants_usage)
        self._counted: dict[str, Any] | None = None
        """The usage of the stream that was noted last."""

    @override
    def encode(self) -> UpstreamRequest:
        body, dropped = encode(self.call.body, self.call.model, self.dialect)
        self.dropped = tuple(dropped)
        return self.call.post("/chat/completions", body)

    @override
    def decode(self, body: bytes) -> bytes:
        """The reply, unchanged if it is as OpenAI's are."""
        reply, body = _parse(body, "The provider's answer")
        return written(reply) if self._tidy(reply) else body

    @override
    def decode_as_stream(self, body: bytes) -> list[bytes]:
        """One chunk with the whole answer, and one with the usage if the client asked for it."""
        reply, _ = _parse(body, "The provider's answer")
        self._tidy(reply)
        usage = reply.pop("usage", None)
        chunk = {**reply, "object": "chat.completion.chunk"}
        chunk["choices"] = [_choice_as_delta(choice) for choice in reply["choices"]]
        chunks = [chunk]
        if self.call.wants_usage and isinstance(usage, dict):
            chunks = [{**chunk, "usage": None}, {**chunk, "choices": [], "usage": usage}]
        self.done = True
        return [written(chunk) for chunk in chunks]

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        data = event.data
        bare = data.strip()
        if self.done or not bare:
            return []
        if bare == _DONE:
            return self._finish()
        chunk, data = _parse(data, "An event of the provider's stream")
        error = chunk.get("error")
        if error is None and self.dialect.error is not None:
            error = self.dialect.error(chunk)
        if error or event.type == "error":
            raise self.dialect.classify(200, {}, as_error_object(error or chunk))
        chunks = self._stream.pass_on(chunk, data)
        if self._stream.usage is not self._counted:
            self._counted = self._stream.usage
            self._note(self._counted, self._stream.tier)
        return chunks

    @override
    def end(self) -> list[bytes]:
        """Complete if the stream said so, or if every choice it began has finished."""
        if self.done:
            return []
        if not self._stream.complete:
            raise UpstreamInvalidResponse(
                "The provider's stream ended before its answer was complete.",
                code="upstream_stream_incomplete",
            )
        return self._finish()

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return self.dialect.classify(status, headers, error_object(body))

    def _finish(self) -> list[bytes]:
        self.done = True
        return self._stream.finish()

    def _tidy(self, reply: dict[str, Any]) -> bool:
        changed = tidy_reply(reply, self.dialect, _ids(self.call))
        self._note(reply.get("usage"), reply.get("service_tier"))
        return changed

    def _note(self, usage: object, tier: object) -> None:
        if isinstance(usage, dict):
            self.usage = read_usage(usage, tier, self.call, self.dialect)


def _parse(data: bytes, what: str) -> tuple[dict[str, Any], bytes]:
    """The JSON object in ``data``, and its bytes as :func:`read_json` gives them.

    Raises UpstreamInvalidResponse whose sentence begins with ``what``.
    """
    value, data = read_json(data, what)
    if not isinstance(value, dict):
        raise UpstreamInvalidResponse(f"{what} is no JSON object.")
    return value, data


def _ids(call: Call) -> Iterator[str]:
    """For the tool calls of one answer that come without an id."""
    return (tool_call_id(call, number) for number in count())


def _choice_as_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    delta = dict(choice)
    message = delta.pop("message", None)
    delta["delta"] = _message_as_delta(message) if isinstance(message, dict) else {}
    return delta


def _message_as_delta(message: Mapping[str, Any]) -> dict[str, Any]:
    delta = dict(message)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {**call, "index": index} for index, call in enumerate(calls) if isinstance(call, dict)
        ]
    return delta
