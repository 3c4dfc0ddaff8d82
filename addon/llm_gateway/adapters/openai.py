"""OpenAI's own wire format, spoken by many: openai, openrouter, groq, Ollama, vLLM, llama.cpp …

Requests pass with only ``model`` replaced. Replies and stream chunks pass byte for byte; they are
parsed to see whether they are what they claim, not to be rewritten: an error inside a success, a
chunk that is no JSON, the end of a choice, the usage.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway import sse
from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.adapters.failures import as_error_object, classify, error_object
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from llm_gateway.wire import (
    EVENT_STREAM,
    KEY_HEADER,
    STANDARD_HEADERS,
    UpstreamRequest,
    bearer,
)

_DONE = b"[DONE]"


class OpenAIAdapter:
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self.done = False
        self.usage: Usage | None = None

    def encode(self) -> UpstreamRequest:
        """POST ``/chat/completions`` with the provider's name of the model."""
        call = self._call
        headers = [
            *STANDARD_HEADERS,
            ("accept", EVENT_STREAM if call.stream else "application/json"),
        ]
        if call.key_hint is not None:
            headers.append((KEY_HEADER, bearer(call.key_hint)))
        return UpstreamRequest(
            method="POST",
            url=f"{call.base_url}/chat/completions",
            headers=tuple(headers),
            body=orjson.dumps({**call.body, "model": call.model}),
            label=call.label,
        )

    def decode(self, body: bytes) -> bytes:
        """The reply unchanged, once it is known to be an answer."""
        self._parse_reply(body)
        return body

    def decode_as_stream(self, body: bytes) -> list[bytes]:
        """One chunk with the whole answer, and one with the usage if the client asked for it."""
        reply = self._parse_reply(body)
        chunk = {k: v for k, v in reply.items() if k != "usage"}
        chunk["object"] = "chat.completion.chunk"
        chunk["choices"] = [_choice_as_delta(choice) for choice in reply["choices"]]
        chunks = [chunk]
        if self._wants_usage() and "usage" in reply:
            chunks.append({**chunk, "choices": [], "usage": reply["usage"]})
        self.done = True
        return [orjson.dumps(chunk) for chunk in chunks]

    def feed(self, event: sse.Event) -> list[bytes]:
        """The event's data unchanged, once it is known to be a chunk."""
        data = event.data
        bare = data.strip()
        if self.done or not bare:
            return []
        if bare == _DONE:
            self.done = True
            return []
        chunk, data = _parse_chunk(data)
        if event.type == "error" or chunk.get("error"):
            raise classify(200, {}, as_error_object(chunk.get("error", chunk)))
        self._note_usage(chunk)
        self._note_choices(chunk)
        return [data]

    def end(self) -> None:
        """Complete if the stream said so, or if every choice it began has finished."""
        if not self.done and (self._begun > self._finished or not self._finished):
            raise UpstreamInvalidResponse(
                "The provider's stream ended before its answer was complete.",
                code="upstream_stream_incomplete",
            )
        self.done = True

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """See :func:`~llm_gateway.adapters.failures.classify`."""
        return classify(status, headers, error_object(body))

    def _parse_reply(self, body: bytes) -> dict[str, Any]:
        try:
            reply = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UpstreamInvalidResponse(
                "The provider's answer is not valid JSON.", detail=str(error)
            ) from error
        if isinstance(reply, dict) and reply.get("error"):
            raise classify(200, {}, as_error_object(reply["error"]))
        if not isinstance(reply, dict) or not _has_choices(reply):
            raise UpstreamInvalidResponse("The provider's answer holds no choices.")
        self._note_choices(reply)
        self._note_usage(reply)
        return reply

    def _wants_usage(self) -> bool:
        options = self._call.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def _note_usage(self, reply: Mapping[str, Any]) -> None:
        usage = reply.get("usage")
        if isinstance(usage, dict):
            self.usage = Usage(
                _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
            )

    def _note_choices(self, chunk: Mapping[str, Any]) -> None:
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            index, reason = _count(choice.get("index")), choice.get("finish_reason")
            if reason == "error":
                raise UpstreamUnavailable("The provider broke its answer off with an error.")
            self._begun.add(index)
            if reason is not None:
                self._finished.add(index)


def _parse_chunk(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The chunk, and its bytes with invalid UTF-8 replaced. Raises UpstreamInvalidResponse."""
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        data = data.decode("utf-8", "replace").encode()
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UpstreamInvalidResponse(
                "The provider's stream holds an event that is not valid JSON.", detail=str(error)
            ) from error
    if not isinstance(chunk, dict):
        raise UpstreamInvalidResponse("The provider's stream holds an event that is no object.")
    return chunk, data


def _has_choices(reply: Mapping[str, Any]) -> bool:
    choices = reply.get("choices")
    return isinstance(choices, list) and bool(choices) and all(isinstance(c, dict) for c in choices)


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
            {"index": index, **call} for index, call in enumerate(calls) if isinstance(call, dict)
        ]
    return delta


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
