"""The demo provider: OpenAI's chat completions without a key, a network or a model.

It is a :class:`~llm_gateway.wire.Wire`, so everything above it (routing, adapters, attempt flows,
streams) works on it as on a real provider. It repeats the last user message, word by word.
Tokens are words.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway import sse
from llm_gateway.config import Provider
from llm_gateway.patience import Patience
from llm_gateway.wire import UpstreamRequest

PACE = 0.03
"""Seconds between words, so that a person sees a stream."""

_WORD_END = re.compile(r"(?<=\S)(?=\s)")
_CREATED = 1_700_000_000
_CHUNK = "chat.completion.chunk"


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer, to be given whole or in chunks."""

    id: str
    model: str
    words: tuple[str, ...]
    prompt_tokens: int

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self.words), "refusal": None}
        return {
            **self._envelope("chat.completion"),
            "choices": [_choice("message", message, "stop")],
            "usage": self._usage(),
        }

    def chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        usage = {"usage": None} if with_usage else {}
        role: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        for delta in (role, *({"content": word} for word in self.words)):
            yield {**self._envelope(_CHUNK), "choices": [_choice("delta", delta, None)], **usage}
        yield {**self._envelope(_CHUNK), "choices": [_choice("delta", {}, "stop")], **usage}
        if with_usage:
            yield {**self._envelope(_CHUNK), "choices": [], "usage": self._usage()}

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": _CREATED, "model": self.model}

    def _usage(self) -> dict[str, int]:
        completion = len(self.words)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }


def _choice(kind: str, said: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, kind: said, "logprobs": None, "finish_reason": finish_reason}


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user" and (text := _text(message.get("content"))):
            return text
    return "(no user message)"


def _text(content: object) -> str:
    """A message's content: a string, or the text parts of a list."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


class EchoWire:
    """Answers in the process itself."""

    def __init__(self, provider: Provider, pace: float = PACE) -> None:
        """``provider`` has nothing to say here; ``pace`` in seconds a word."""
        del provider
        self._pace = pace

    async def send(self, request: UpstreamRequest, patience: Patience) -> "_EchoResponse":
        """The answer to a chat completion request."""
        del patience
        body = orjson.loads(request.body)
        text = _last_user_text(body["messages"])
        answer = _Answer(
            id=f"chatcmpl-{hashlib.sha256(request.label.exchange.encode()).hexdigest()[:24]}",
            model=str(body["model"]),
            words=tuple(_WORD_END.split(text)),
            prompt_tokens=sum(len(_text(m.get("content")).split()) for m in body["messages"]),
        )
        if not body.get("stream"):
            return _EchoResponse("application/json", [orjson.dumps(answer.whole())], 0)
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        events = answer.chunks(with_usage=with_usage)
        pieces = [sse.encode(orjson.dumps(event)) for event in events]
        return _EchoResponse("text/event-stream", [*pieces, sse.DONE], self._pace)

    async def close(self) -> None:
        """Nothing is open."""


class _EchoResponse:
    status = 200

    def __init__(self, content_type: str, pieces: list[bytes], pace: float) -> None:
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._pieces = deque(pieces)
        self._pace = pace

    async def read(self) -> bytes:
        if not self._pieces:
            return b""
        await asyncio.sleep(self._pace)
        return self._pieces.popleft() if self._pieces else b""

    async def release(self) -> None:
        self._pieces.clear()

    def close(self) -> None:
        self._pieces.clear()
