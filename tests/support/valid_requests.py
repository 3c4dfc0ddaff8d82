"""Requests that are good, for those who spoil them: fields of the head, and contents of bodies."""

from collections.abc import Sequence
from typing import Any

from support.scene import HOST, TOKEN

FIELDS = (
    f"Host: {HOST}",
    f"Authorization: Bearer {TOKEN}",
    "Accept: */*",
    "X-Stainless-Retry-Count: 0",
    "User-Agent: mutant",
)
MODELS = ("gpt-test", "gpt-test", "claude-haiku-4-5", "gemini-3-flash", "fake/gpt-test")
_USER = {"role": "user", "content": "Say marigold"}
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "enum": ["a", "b"]}},
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}
_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"place": "a"}'},
}
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
BODIES: Sequence[dict[str, Any] | None] = (
    None,
    {"messages": [_USER]},
    {"messages": [_USER], "stream": True, "stream_options": {"include_usage": True}},
    {
        "messages": [{"role": "system", "content": "Be brief"}, _USER],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ["end"],
        "n": 1,
        "seed": 7,
        "user": "u",
        "metadata": {"a": "b"},
        "logit_bias": {"50256": -1},
    },
    {"messages": [_USER], "tools": [_TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
    {
        "messages": [
            _USER,
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ],
        "tools": [_TOOL],
        "stream": True,
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": _PIXEL, "detail": "low"}},
                ],
            }
        ]
    },
    {
        "messages": [_USER],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "strict": True,
                "schema": _TOOL["function"]["parameters"],  # type: ignore[index] # a dict
            },
        },
    },
)
"""Without a model; None is a request without a body."""
