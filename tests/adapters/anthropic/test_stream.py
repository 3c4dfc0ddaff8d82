"""Events: blocks are no tools, what is unknown is passed over, and nothing is trusted."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import sse
from llm_gateway.adapters.anthropic import KIND
from llm_gateway.adapters.anthropic.remembered import recall
from llm_gateway.adapters.anthropic.stream import MAX_BLOCKS
from llm_gateway.adapters.contract import Adapter, Usage
from llm_gateway.adapters.conversation import AssistantMessage, ToolCall
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamRateLimited
from llm_gateway.memory import MAX_CHARACTERS
from support.calls import make_call

JSONObject = dict[str, Any]
START = {"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 9}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
STOP = {"type": "message_stop"}


def begin(index: int, **block: object) -> JSONObject:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: object) -> JSONObject:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def finish(index: int) -> JSONObject:
    return {"type": "content_block_stop", "index": index}


def streaming() -> Adapter:
    return KIND.chat(make_call({"model": "m", "messages": [], "stream": True}))


def fed(adapter: Adapter, *events: Mapping[str, object]) -> list[JSONObject]:
    """The choices of the chunks that the events become."""
    chunks = [c for each in events for c in adapter.feed(sse.Event("", json.dumps(each).encode()))]
    return [choice for chunk in chunks for choice in json.loads(chunk)["choices"]]


def arguments(choices: list[JSONObject]) -> dict[int, str]:
    """The arguments of each call."""
    calls: dict[int, str] = {}
    for choice in choices:
        for call in choice["delta"].get("tool_calls", ()):
            so_far = calls.get(call["index"], "")
            calls[call["index"]] = so_far + call["function"]["arguments"]
    return calls


def test_calls_whose_blocks_take_turns_are_kept_apart() -> None:
    adapter = streaming()
    choices = fed(
        adapter,
        START,
        begin(3, type="tool_use", id="toolu_1", name="f", input={}),
        begin(7, type="tool_use", id="toolu_2", name="g", input={}),
        more(7, "input_json_delta", partial_json='{"b"'),
        more(3, "input_json_delta", partial_json='{"a": 1}'),
        more(7, "input_json_delta", partial_json=": 2}"),
        more(9, "input_json_delta", partial_json="lost"),
        finish(3),
        finish(9),
        END,
        STOP,
    )
    assert arguments(choices) == {0: '{"a": 1}', 1: '{"b": 2}'}
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert adapter.done


@pytest.mark.parametrize("ended", [[finish(0), END, STOP], [END, STOP], [STOP]])
def test_a_call_that_gets_no_arguments_has_an_empty_object(ended: list[JSONObject]) -> None:
    choices = fed(streaming(), START, begin(0, type="tool_use", id="t", name="f", input={}), *ended)
    assert arguments(choices) == {0: "{}"}


def test_the_usage_is_known_before_the_end() -> None:
    adapter = streaming()
    fed(adapter, START)
    assert adapter.usage == Usage(9, 0)
    fed(adapter, END)
    assert adapter.usage == Usage(9, 3)


def test_nothing_counts_after_the_end() -> None:
    adapter = streaming()
    fed(adapter, START, END, STOP)
    assert adapter.done
    assert fed(adapter, {"type": "error", "error": {"type": "api_error"}}) == []


def test_thinking_that_led_to_a_call_is_remembered_with_its_signature() -> None:
    adapter = streaming()
    fed(
        adapter,
        START,
        begin(0, type="thinking", thinking="", signature=""),
        more(0, "thinking_delta", thinking="H"),
        more(0, "thinking_delta", thinking="m"),
        more(0, "signature_delta", signature="c2"),
        more(0, "signature_delta", signature="ln"),
        finish(0),
        begin(1, type="redacted_thinking", data="ZGF0YQ"),
        begin(2, type="text", text="So"),
        more(2, "text_delta", text=": "),
        begin(3, type="tool_use", id="toolu_1", name="f", input={}),
        END,
    )
    message = AssistantMessage((), (ToolCall("toolu_1", "f", {}),), "m")
    assert recall(adapter.call, message) == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ"},
        {"type": "text", "text": "So: "},
        {"type": "tool_use", "id": "toolu_1"},
    ]


def test_an_error_ends_the_stream_with_its_class() -> None:
    limited = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    adapter = streaming()
    fed(adapter, START)
    with pytest.raises(UpstreamRateLimited, match="Slow down"):
        fed(adapter, limited)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "id", "usage"]), inner, max_size=2)
    ),
    max_leaves=4,
)
KINDS = st.sampled_from(
    [
        "message_start", "content_block_start", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop", "ping", "error",
    ]
)  # fmt: skip
INNER = st.sampled_from(
    ["text", "thinking", "tool_use", "text_delta", "input_json_delta", "signature_delta"]
)
BLOCK_KEYS = ["text", "thinking", "id", "name", "input", "partial_json", "stop_reason", "usage"]
BLOCKS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    INNER,
    st.dictionaries(st.sampled_from(BLOCK_KEYS), ANYTHING, max_size=3),
)
EVENTS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    KINDS,
    st.dictionaries(
        st.sampled_from(["index", "message", "delta", "content_block", "usage", "error"]),
        ANYTHING | BLOCKS,
        max_size=3,
    ),
)


@given(st.lists(EVENTS, max_size=8))
def test_no_event_whatever_breaks_more_than_the_answer(events: list[JSONObject]) -> None:
    adapter = streaming()
    try:
        fed(adapter, *events)
        adapter.end()
    except UpstreamError:
        return
    assert adapter.done


@given(
    st.dictionaries(
        st.sampled_from([*BLOCK_KEYS, "content", "model", "type"]),
        ANYTHING | BLOCKS | st.lists(BLOCKS, max_size=3),
    )
)
def test_no_reply_whatever_breaks_more_than_the_answer(reply: JSONObject) -> None:
    try:
        answer = streaming().decode(json.dumps(reply).encode())
    except UpstreamError:
        return
    assert json.loads(answer)["choices"]


def test_blocks_without_end_are_no_answer() -> None:
    adapter = streaming()
    for index in range(1, MAX_BLOCKS + 1):
        fed(adapter, begin(index, type="text"))
    with pytest.raises(UpstreamInvalidResponse):
        fed(adapter, begin(0, type="text"))


def test_thinking_too_long_to_be_remembered_is_passed_on_all_the_same() -> None:
    adapter = streaming()
    long = "x" * MAX_CHARACTERS
    choices = fed(
        adapter,
        START,
        begin(0, type="thinking"),
        more(0, "thinking_delta", thinking=long),
        more(0, "signature_delta", signature="s"),
        begin(1, type="tool_use", id="toolu_1", name="f", input={}),
        END,
    )
    said = [each["delta"].get("reasoning_content", "") for each in choices]
    assert sum(map(len, said)) == len(long)
    called = AssistantMessage((), (ToolCall("toolu_1", "f", {}),), "messages[0]")
    assert recall(adapter.call, called) == []
