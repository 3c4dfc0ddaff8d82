"""Replies and events are read for what they say, and never trusted to be well-formed."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import sse
from llm_gateway.adapters.answers import Tokens
from llm_gateway.adapters.contract import Usage
from llm_gateway.adapters.gigachat import KIND
from llm_gateway.adapters.gigachat.reply import FINISH, finish_of, tokens_of
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from support.calls import make_call
from support.openai_promises import check_chunks, check_completion
from support.openai_shapes import JSONObject

BODY: JSONObject = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
STREAM: JSONObject = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
WORDS = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def choice(**message: Any) -> JSONObject:
    whole = {"role": "assistant", "content": "", **message}
    return {"message": whole, "index": 0, "finish_reason": "stop"}


def decoded(*choices: JSONObject, **more: Any) -> JSONObject:
    """The completion that a reply with these choices becomes."""
    reply = {"choices": [*choices], "model": "GigaChat:1", **more}
    return check_completion(KIND.chat(make_call(BODY)).decode(orjson.dumps(reply)))


def event(delta: object, **more: Any) -> sse.Event:
    return sse.Event("", orjson.dumps({"choices": [{"delta": delta, "index": 0, **more}]}))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *FINISH.items(),
        ("", None),
        (None, None),
        (7, None),
        ("whatever", "stop"),
    ],
)
def test_the_reasons_to_end(reason: object, finish: str | None) -> None:
    assert finish_of({"finish_reason": reason}) == finish


def test_arguments_that_could_not_be_written_are_a_failure() -> None:
    with pytest.raises(UpstreamUnavailable):
        finish_of({"finish_reason": "error"})


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, None),
        ([], None),
        ({}, Tokens(0, 0)),
        ({"prompt_tokens": 17, "completion_tokens": 25, "total_tokens": 42}, Tokens(17, 25)),
        (
            {"prompt_tokens": 1, "completion_tokens": 2, "precached_prompt_tokens": 37},
            Tokens(1, 2, cached=37),
        ),
        ({"prompt_tokens": True, "completion_tokens": -1}, Tokens(0, 0)),
        ({"precached_prompt_tokens": "2"}, Tokens(0, 0, cached=0)),
    ],
)
def test_tokens_are_counted(usage: object, tokens: Tokens | None) -> None:
    assert tokens_of({"usage": usage}) == tokens


def test_the_usage_of_a_stream_is_noted() -> None:
    adapter = KIND.chat(make_call(STREAM))
    adapter.feed(event({"content": "Hi"}, finish_reason="stop"))
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    adapter.feed(sse.Event("", orjson.dumps({"choices": [], "usage": usage})))
    adapter.end()
    assert adapter.usage == Usage(3, 2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "{}"),
        ({"город": "Псков", "n": [1, None]}, '{"город":"Псков","n":[1,null]}'),
        (None, "{}"),
        ("", "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ([1], "[1]"),
    ],
)
def test_arguments_become_text(arguments: object, text: str) -> None:
    called = choice(function_call={"name": "f", "arguments": arguments})
    (call,) = decoded(called)["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": text}


def test_a_call_is_reason_enough_to_end_with_one() -> None:
    called = {**choice(function_call={"name": "f"}), "finish_reason": "stop"}
    assert decoded(called)["choices"][0]["finish_reason"] == "tool_calls"


def test_each_call_has_an_id_of_its_own_the_same_each_time() -> None:
    adapter = KIND.chat(make_call(BODY))
    reply = orjson.dumps({"choices": [choice(function_call={"name": "f"})] * 2})
    answer = adapter.decode(reply)
    assert adapter.decode(reply) == answer
    ids = [each["message"]["tool_calls"][0]["id"] for each in json.loads(answer)["choices"]]
    assert len(set(ids)) == 2
    assert all(len(id) <= 40 for id in ids)


CALL = {"function_call": {"name": "f", "arguments": {}}}
STATE = {"functions_state_id": "s"}


@pytest.mark.parametrize("deltas", [[{**CALL, **STATE}], [CALL, STATE], [STATE, CALL]])
def test_the_state_of_a_call_is_remembered_wherever_it_comes(deltas: list[JSONObject]) -> None:
    call = make_call(STREAM)
    adapter = KIND.chat(call)
    chunks = [chunk for delta in deltas for chunk in adapter.feed(event(delta))]
    (id,) = [
        made["id"]
        for chunk in map(json.loads, chunks)
        for made in chunk["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert call.memory.recall("p", id) == "s"


def test_a_call_has_no_state_of_another_choice() -> None:
    call = make_call(BODY)
    reply = {"choices": [choice(**CALL, **STATE), choice(**CALL)]}
    answer = json.loads(KIND.chat(call).decode(orjson.dumps(reply)))
    ids = [each["message"]["tool_calls"][0]["id"] for each in answer["choices"]]
    assert [call.memory.recall("p", id) for id in ids] == ["s", None]


@pytest.mark.parametrize("role", ["function_in_progress", "search_result"])
def test_what_is_told_meanwhile_is_not_the_answer(role: str) -> None:
    adapter = KIND.chat(make_call(STREAM))
    assert adapter.feed(event({"role": role, "content": "10 seconds left"})) == []
    chunks = adapter.feed(event({"role": "assistant", "content": "Done"}, finish_reason="stop"))
    parsed = check_chunks([*chunks, *adapter.end()], wants_usage=True)
    assert parsed[0]["choices"][0]["delta"]["content"] == "Done"


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"message": []}]},
        {"choices": [choice(function_call={"arguments": {}})]},
        {"choices": [choice(function_call={"name": 7})]},
    ],
)
def test_what_is_no_answer_is_an_invalid_response(reply: JSONObject) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        KIND.chat(make_call(BODY)).decode(orjson.dumps(reply))


FIELDS = ("content", "function_call", "reasoning_content", "role", "functions_state_id")
MESSAGES = JSON | st.dictionaries(
    st.sampled_from(FIELDS),
    JSON | st.fixed_dictionaries({"name": JSON | st.just("f"), "arguments": JSON}),
)
CHOICES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "message": MESSAGES,
        "delta": MESSAGES,
        "index": JSON,
        "finish_reason": JSON | st.sampled_from([*FINISH]),
    },
)
REPLIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON | st.lists(CHOICES, max_size=2),
        "usage": JSON | st.fixed_dictionaries({"prompt_tokens": JSON}),
        "model": JSON,
        "error": JSON,
        "status": JSON,
        "message": JSON,
    },
)


@given(REPLIES)
def test_any_reply_is_an_answer_or_a_failure(reply: object) -> None:
    try:
        answer = KIND.chat(make_call(BODY)).decode(orjson.dumps(reply))
    except UpstreamError:
        return
    check_completion(answer)


@given(st.lists(REPLIES, max_size=4))
def test_any_events_are_a_stream_or_a_failure(replies: list[object]) -> None:
    adapter = KIND.chat(make_call(STREAM))
    chunks: list[bytes] = []
    complete = False
    try:
        for reply in replies:
            chunks += adapter.feed(sse.Event("", orjson.dumps(reply)))
        chunks += adapter.end()
        complete = True
    except UpstreamError:
        pass
    check_chunks(chunks, wants_usage=True, complete=complete)
