"""What OpenAI promises of its answers, beyond the types of its SDK: checks with plain asserts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from support.openai_shapes import JSONObject


def check_completion(answer: bytes) -> JSONObject:
    """A whole answer, which is returned parsed."""
    ChatCompletion.model_validate_json(answer, strict=True)
    whole: JSONObject = orjson.loads(answer)
    assert whole["object"] == "chat.completion"
    assert [choice["index"] for choice in whole["choices"]] == [*range(len(whole["choices"]))]
    for choice in whole["choices"]:
        message = choice["message"]
        assert message["role"] == "assistant"
        assert {"content", "refusal"} <= message.keys()
        assert "logprobs" in choice
        _check_calls(message.get("tool_calls"), choice["finish_reason"])
    if "usage" in whole:
        _check_usage(whole["usage"])
    return whole


def check_chunks(
    chunks: Sequence[bytes], *, wants_usage: bool, complete: bool = True
) -> list[JSONObject]:
    """The chunks of a stream, which are returned parsed; not `complete` if an error ended it."""
    for data in chunks:
        ChatCompletionChunk.model_validate_json(data, strict=True)
    parsed: list[JSONObject] = [orjson.loads(data) for data in chunks]
    for name in ("id", "created", "model"):
        assert len({chunk[name] for chunk in parsed}) <= 1, name
    assert {chunk["object"] for chunk in parsed} <= {"chat.completion.chunk"}
    _check_usage_chunks(parsed, wants_usage=wants_usage, complete=complete)
    choices: defaultdict[int, _Choice] = defaultdict(_Choice)
    for chunk in parsed:
        for choice in chunk["choices"]:
            choices[choice["index"]].take(choice)
    if complete:
        assert choices
        for choice in choices.values():
            choice.close()
    return parsed


def put_together(chunks: Sequence[bytes]) -> JSONObject:
    """The completion that OpenAI's SDK makes of the chunks of a stream."""
    state = ChatCompletionStreamState()
    for data in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate_json(data))
    whole = state.current_completion_snapshot.model_dump(mode="json", exclude_unset=True)
    for choice in whole["choices"]:
        for call in choice["message"].get("tool_calls") or ():
            # The SDK's own, for functions whose arguments it was asked to parse.
            call["function"].pop("parsed_arguments", None)
    return whole


@dataclass
class _Choice:
    """One choice of a stream as it comes."""

    begun: bool = False
    reason: str | None = None
    arguments: list[str] = field(default_factory=list)

    def take(self, choice: JSONObject) -> None:
        delta = choice["delta"]
        assert self.reason is None, "nothing comes after the finish reason"
        assert (delta.get("role") == "assistant") is not self.begun, (
            "the role comes once, and first"
        )
        self.begun = True
        for call in delta.get("tool_calls") or ():
            self._take_call(call)
        self.reason = choice["finish_reason"]

    def _take_call(self, call: JSONObject) -> None:
        number, begun = call["index"], len(self.arguments)
        arguments = call["function"].get("arguments", "")
        if number < begun:
            assert not call.keys() & {"id", "type"}
            assert "name" not in call["function"]
            self.arguments[number] += arguments
            return
        assert number == begun, "calls are numbered in the order they begin"
        assert call["id"]
        assert call["type"] == "function"
        assert isinstance(call["function"]["name"], str)
        self.arguments.append(arguments)

    def close(self) -> None:
        assert self.reason is not None, "every choice ends"
        assert all(self.arguments) or self.reason != "tool_calls", "clients parse the arguments"
        assert not (self.arguments and self.reason == "stop")
        assert self.arguments or self.reason != "tool_calls"


def _check_calls(calls: list[JSONObject] | None, reason: str) -> None:
    assert calls is None or calls
    for call in calls or ():
        assert call["id"]
        assert call["type"] == "function"
        assert isinstance(call["function"]["name"], str)
        assert call["function"]["arguments"] or reason != "tool_calls", (
            "clients parse the arguments"
        )
    assert not (calls and reason == "stop")
    assert calls or reason != "tool_calls"


def _check_usage_chunks(parsed: list[JSONObject], *, wants_usage: bool, complete: bool) -> None:
    if not wants_usage:
        assert not any("usage" in chunk for chunk in parsed)
        assert all(chunk["choices"] for chunk in parsed)
        return
    assert all("usage" in chunk for chunk in parsed)
    last = parsed[-1:] if complete and parsed and parsed[-1]["usage"] is not None else []
    for chunk in parsed[: len(parsed) - len(last)]:
        assert chunk["usage"] is None
        assert chunk["choices"]
    for chunk in last:
        assert chunk["choices"] == []
        _check_usage(chunk["usage"])


def _check_usage(usage: dict[str, Any]) -> None:
    counts = [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    assert all(type(count) is int and count >= 0 for count in counts)
    assert usage["total_tokens"] >= max(counts)
    for details in ("prompt_tokens_details", "completion_tokens_details"):
        assert all(type(count) is int for count in usage.get(details, {}).values())
