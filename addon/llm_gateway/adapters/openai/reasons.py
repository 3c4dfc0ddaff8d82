"""Why an answer ended: the words that others use, and OpenAI's word for each."""

from collections.abc import Mapping
from typing import Final

from llm_gateway.adapters.answers import FinishReason
from llm_gateway.errors import UpstreamUnavailable

OPENAI_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"}) | {
    "function_call"  # deprecated, and still an answer to the deprecated ``functions``
}

REASONS: Mapping[str, FinishReason] = {
    "complete": "stop",
    "completed": "stop",
    "end": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "stop_token": "stop",
    "max_length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail": "content_filter",
    "recitation": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}
"""In lower case. What is in neither table counts as ``stop``: the provider did end its answer."""

FAILURES: Final = frozenset(
    {
        "abort",
        "aborted",
        "cancelled",
        "error",
        "insufficient_system_resource",
        "network_error",
        "timeout",
    }
)
"""Ends that are none: the answer broke off, and another attempt may bring a whole one."""


def finish_reason(reason: object) -> str | None:
    """OpenAI's word for a reason, None for none.

    Raises UpstreamUnavailable where the answer broke off.
    """
    if not isinstance(reason, str):
        return None if reason is None else "stop"
    if reason in OPENAI_REASONS:
        return reason
    word = reason.strip().lower()
    if not word:
        return None
    if word in FAILURES:
        raise UpstreamUnavailable(
            "The provider broke its answer off with an error.", detail=f"finish_reason {word}"
        )
    return word if word in OPENAI_REASONS else REASONS.get(word, "stop")
