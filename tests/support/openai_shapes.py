"""OpenAI's answer bodies, with fixed ids and times so that tests can compare them whole."""

from collections.abc import Mapping, Sequence
from typing import Any

type JSONObject = dict[str, Any]

CREATED = 1763700000
COMPLETION_ID = "chatcmpl-fake"
CALL_ID = "call_fake1"


def error_body(
    message: str,
    kind: str = "invalid_request_error",
    *,
    param: str | None = None,
    code: str | int | None = None,
) -> JSONObject:
    """Return OpenAI's error body, with all four keys."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def usage(prompt_tokens: int, completion_tokens: int) -> JSONObject:
    """Return the usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def tool_call(name: str, arguments: str) -> JSONObject:
    """Return a whole tool call; `arguments` is JSON text."""
    return {
        "id": CALL_ID,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def message(content: str | None, tool_calls: Sequence[JSONObject] = ()) -> JSONObject:
    """Return an assistant's message."""
    plain: JSONObject = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "annotations": [],
    }
    return {**plain, "tool_calls": list(tool_calls)} if tool_calls else plain


def completion(
    model: str, messages: Sequence[JSONObject], finish_reason: str, counted: JSONObject
) -> JSONObject:
    """Return a chat completion with one choice for each message."""
    choices = [
        {"index": index, "message": each, "logprobs": None, "finish_reason": finish_reason}
        for index, each in enumerate(messages)
    ]
    return {
        "id": COMPLETION_ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": choices,
        "usage": counted,
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def chunk(
    model: str,
    delta: Mapping[str, Any] | None,
    finish_reason: str | None = None,
    *,
    index: int = 0,
) -> JSONObject:
    """Return a stream chunk; `delta` None makes the one without choices that carries usage."""
    choice = {
        "index": index,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish_reason,
    }
    return {
        "id": COMPLETION_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
        "choices": [] if delta is None else [choice],
    }


def text_chunk(model: str, text: str) -> JSONObject:
    """Return a chunk that carries a piece of text."""
    return chunk(model, {"content": text})


def numbered_chunk(model: str, text: str, number: int) -> JSONObject:
    """Return the chunk `number` of a text; the first one says who speaks."""
    chunked = f"{text}#{number} "
    if number == 1:
        return chunk(model, {"role": "assistant", "content": chunked})
    return text_chunk(model, chunked)


def first_chunk(model: str) -> JSONObject:
    """Return the chunk that opens a text answer."""
    return chunk(model, {"role": "assistant", "content": "", "refusal": None})


def last_chunk(model: str, finish_reason: str = "stop") -> JSONObject:
    """Return the chunk that ends an answer."""
    return chunk(model, {}, finish_reason)
