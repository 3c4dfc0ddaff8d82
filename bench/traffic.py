"""What is sent in a measurement, known to both of its ends.

The client's requests look like those of the ``openai`` SDK, about 2.2 KB with their head. The
provider tells the cases apart by the model's name and streams by the ``user`` field, which pass
through a proxy and through the gateway alike.
"""

import enum
import json
from collections.abc import Iterator
from typing import Any

EVENTS = 200
"""Events of one streamed answer, not counting ``[DONE]``."""

TOKEN = "bench-token-0123456789"
"""The client's token, which bare mitmproxy passes on and the gateway checks."""

DONE = b"data: [DONE]\n\n"

_COMPLETION_ID = "chatcmpl-C9vT5yQ0sE3kWmJ8aRfXhUoZpLdB2"
_CREATED = 1_700_000_000


class Case(enum.StrEnum):
    """A kind of exchange."""

    WHOLE = "whole"
    """One JSON answer of about 600 bytes."""
    STREAM = "stream"
    """EVENTS events; each leaves when the client has the one before, so none are read together."""
    BURST = "burst"
    """The same events, all in one write."""
    HELD = "held"
    """The first of the events; then the stream stays open."""

    @property
    def model(self) -> str:
        """The model to ask for."""
        return f"bench-{self}"


def request(case: Case, port: int, number: int) -> bytes:
    """One request as bytes, to a proxy on this port, from the connection of this number."""
    body = json.dumps(_body(case, number), separators=(",", ":")).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "Accept-Encoding: gzip, deflate\r\n"
        "Connection: keep-alive\r\n"
        "Accept: application/json\r\n"
        "Content-Type: application/json\r\n"
        "User-Agent: OpenAI/Python 2.0.0\r\n"
        "X-Stainless-Lang: python\r\n"
        "X-Stainless-Package-Version: 2.0.0\r\n"
        "X-Stainless-Runtime: CPython\r\n"
        "x-stainless-read-timeout: 600\r\n"
        f"Authorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(case: Case, number: int) -> dict[str, Any]:
    sentence = "A proxy reads what one side says and tells it to the other, word for word. "
    turns = [("system", 4), ("user", 6), ("assistant", 6), ("user", 3)]
    body: dict[str, Any] = {
        "model": case.model,
        "messages": [{"role": role, "content": sentence * times} for role, times in turns],
        "temperature": 0.7,
        "max_completion_tokens": 400,
        "user": str(number),
    }
    if case is not Case.WHOLE:
        body["stream"] = True
    return body


def whole_answer() -> bytes:
    """The body of an answer in one piece."""
    message = {
        "role": "assistant",
        "content": "The gateway answers as the provider does. " * 5,
        "refusal": None,
    }
    answer = {
        "id": _COMPLETION_ID,
        "object": "chat.completion",
        "created": _CREATED,
        "model": Case.WHOLE.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 285, "completion_tokens": 40, "total_tokens": 325},
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def events() -> list[bytes]:
    """The events of a streamed answer, ``[DONE]`` as the last."""
    return [*(_event(delta, reason) for delta, reason in _deltas()), DONE]


def _deltas() -> Iterator[tuple[dict[str, str], str | None]]:
    # With a word: a gateway may hold a stream back until it has one.
    yield {"role": "assistant", "content": "word"}, None
    for number in range(EVENTS - 2):
        yield {"content": f" word{number}"}, None
    yield {}, "stop"


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    chunk = {
        "id": _COMPLETION_ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": Case.STREAM.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
