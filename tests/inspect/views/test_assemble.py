"""The chunks of a stream, put together, are the completion that would have been the answer."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from llm_gateway.inspect.views.assemble import completion
from llm_gateway.inspect.views.reading import adapter_for, read_stream
from support.calls import CREATED, EXCHANGE
from support.openai_promises import check_completion, put_together
from support.wire_files import Case, cases

WHOLE = [case for case in cases() if case.has("reply.sse") and not case.has("error.json")]
SAID = ("role", "content", "refusal", "reasoning_content")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "index", "content", "tool_calls", "usage"]), inner
        )
    ),
    max_leaves=12,
)


def of(*deltas: dict[str, Any], **last: Any) -> dict[str, Any]:
    """The one choice that these deltas amount to."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks = [{"choices": [choice]} for choice in choices]
    if last:
        chunks.append({"choices": [{"index": 0, "delta": {}, **last}]})
    [choice] = completion(chunks)["choices"]
    found: dict[str, Any] = choice
    return found


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_a_recorded_stream_amounts_to_what_openais_sdk_makes_of_it(case: Case) -> None:
    adapter = adapter_for(case.kind, model="up-model", exchange=EXCHANGE, created=CREATED)
    chunks = read_stream(adapter, case.bytes("reply.sse")).chunks
    own = check_completion(orjson.dumps(completion(chunks)))
    sdk = put_together([orjson.dumps(chunk) for chunk in chunks])
    assert [each["index"] for each in own["choices"]] == [each["index"] for each in sdk["choices"]]
    for one, other in zip(own["choices"], sdk["choices"], strict=True):
        assert one["finish_reason"] == other["finish_reason"]
        for name in SAID:
            assert one["message"].get(name) == other["message"].get(name)
        ours, theirs = (each["message"].get("tool_calls") or [] for each in (one, other))
        assert [call["function"] for call in ours] == [call["function"] for call in theirs]
        assert [call["id"] for call in ours] == [call["id"] for call in theirs]
    assert (own.get("usage") or {}).items() >= (sdk.get("usage") or {}).items()


def test_the_envelope_is_of_a_completion() -> None:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}
    chunks = [
        {**head, "choices": [choice], "obfuscation": "x", "usage": None},
        {**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ]
    whole = completion(chunks)
    assert whole == {
        **head,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }


def test_no_chunks_are_a_completion_without_choices() -> None:
    whole = completion([])
    assert ChatCompletion.model_validate(whole, strict=True).choices == []
    assert "usage" not in whole


def test_calls_are_put_together_by_their_number() -> None:
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
    choice = of(
        {"tool_calls": [second]},
        {"tool_calls": [first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        finish_reason="tool_calls",
    )
    assert choice["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    assert choice["finish_reason"] == "tool_calls"


def test_pictures_lose_their_numbers_and_logprobs_are_joined() -> None:
    picture = {"index": 0, "type": "image_url", "image_url": {"url": "data:,"}}
    chunks = [
        {"choices": [{"index": 0, "delta": {"images": [picture]}, "logprobs": {"content": [1]}}]},
        {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [2]}}]},
    ]
    [choice] = completion(chunks)["choices"]
    assert choice["message"]["images"] == [{"type": "image_url", "image_url": {"url": "data:,"}}]
    assert choice["logprobs"] == {"content": [1, 2]}


def test_what_a_provider_says_again_in_each_chunk_is_said_once() -> None:
    choice = of({"channel": "analysis"}, {"channel": "analysis", "token_id": 1}, {"token_id": 2})
    assert choice["message"]["channel"] == "analysis"
    assert choice["message"]["token_id"] == 2


def test_choices_are_in_their_order_and_apart() -> None:
    chunks = [
        {"choices": [{"index": 1, "delta": {"content": "b"}}]},
        {"choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {"content": "B"}}]},
    ]
    assert [each["message"]["content"] for each in completion(chunks)["choices"]] == ["a", "bB"]


def test_a_stream_that_broke_off_has_no_reason_for_its_end() -> None:
    assert of({"content": "Hel"})["finish_reason"] is None


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from(["choices", "usage", "id"]), JSON), max_size=4))
def test_whatever_is_in_the_chunks_is_put_together(chunks: list[dict[str, Any]]) -> None:
    whole = completion(chunks)
    json.dumps(whole)
    assert isinstance(whole["choices"], list)


@given(st.lists(st.text(max_size=4), max_size=6))
def test_texts_are_joined_as_they_came(pieces: list[str]) -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ["", *pieces]]
    [choice] = completion(chunks)["choices"]
    assert choice["message"]["content"] == "".join(pieces)
