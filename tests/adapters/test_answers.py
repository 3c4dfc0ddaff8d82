"""Answers are written as OpenAI writes them: whole, or as the chunks of a stream."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.answers import (
    MAX_CALLS,
    MAX_CHOICES,
    Answer,
    CallMade,
    Choice,
    Chunks,
    FinishReason,
    Tokens,
    completion,
    completion_as_chunks,
    completion_id,
    tool_call_id,
)
from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.errors import UpstreamInvalidResponse
from support.calls import CREATED, make_call
from support.openai_promises import check_chunks, check_completion, put_together

HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
ID = "chatcmpl-0123456789abcdef0123456789abcdef"
F = CallMade("c1", "f", '{"a": 1}')
PNG = "data:image/png;base64,AAAA"
LOGPROBS: dict[str, Any] = {
    "content": [{"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}],
    "refusal": None,
}
HEAD = {"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": "up-model"}


def asking(*, usage: bool = False) -> Call:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return make_call({**HI, "stream": True, **options})


def loaded(chunks: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(chunk) for chunk in chunks]


def delta(fields: dict[str, Any], index: int = 0, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "delta": fields, "logprobs": None, "finish_reason": reason}
    return {**HEAD, "choices": [choice]}


def begun(fields: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return delta({"role": "assistant", "content": "", "refusal": None} | fields, index)


def deltas(chunks: list[bytes]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in loaded(chunks)]


def test_a_whole_answer() -> None:
    answer = Answer((Choice("stop", "Hi"),), Tokens(3, 2), "real-model")
    assert check_completion(completion(make_call(HI), answer)) == {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": "real-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_what_the_provider_does_not_say_is_not_made_up() -> None:
    whole = check_completion(completion(make_call(HI), Answer((Choice("stop", "Hi"),))))
    assert whole["model"] == "up-model"
    assert "usage" not in whole


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice("stop"), {"content": ""}),
        (Choice("stop", reasoning="Hm."), {"content": "", "reasoning_content": "Hm."}),
        (Choice("content_filter", refusal="No."), {"content": None, "refusal": "No."}),
        (Choice("stop", "Ok", calls=(F,)), {"content": "Ok", "tool_calls": [F.as_json()]}),
        (Choice("stop", calls=(F,)), {"content": None, "tool_calls": [F.as_json()]}),
        (Choice("stop", calls=(CallMade("c1", "f", ""),)),
         {"content": None, "tool_calls": [CallMade("c1", "f", "{}").as_json()]}),
        (Choice("stop", images=(PNG,)),
         {"content": "", "images": [{"type": "image_url", "image_url": {"url": PNG}}]}),
    ],
)  # fmt: skip
def test_what_a_message_can_hold(choice: Choice, message: dict[str, Any]) -> None:
    assert choice.message() == {"role": "assistant", "refusal": None} | message
    check_completion(completion(make_call(HI), Answer((choice,))))


@pytest.mark.parametrize(
    ("finish", "calls", "reason"),
    [
        ("stop", (), "stop"),
        ("stop", (F,), "tool_calls"),
        ("tool_calls", (F,), "tool_calls"),
        ("tool_calls", (), "stop"),
        ("length", (F,), "length"),
        ("content_filter", (), "content_filter"),
    ],
)
def test_an_answer_that_calls_tools_does_not_just_stop_and_no_other_says_it_does(
    finish: FinishReason, calls: tuple[CallMade, ...], reason: str
) -> None:
    choice = Choice(finish, calls=calls)
    assert choice.finish_reason == reason
    chunks = check_chunks(completion_as_chunks(asking(), Answer((choice,))), wants_usage=False)
    assert chunks[-1]["choices"][0]["finish_reason"] == reason


def test_a_call_may_bring_something_of_its_provider_s() -> None:
    made = CallMade("c1", "f", "{}", {"extra_content": {"signature": "x"}})
    assert made.as_json() == {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"signature": "x"},
    }


@pytest.mark.parametrize(
    ("tokens", "usage"),
    [
        (Tokens(3, 2), {"total_tokens": 5}),
        (Tokens(3, 2, total=9), {"total_tokens": 9}),
        (Tokens(3, 2, total=4), {"total_tokens": 5}),
        (Tokens(3, 2, cached=0),
         {"total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}}),
        (Tokens(3, 2, reasoning=1),
         {"total_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 1}}),
    ],
)  # fmt: skip
def test_tokens(tokens: Tokens, usage: dict[str, Any]) -> None:
    assert tokens.as_json() == {"prompt_tokens": 3, "completion_tokens": 2, **usage}
    assert tokens.as_usage() == Usage(3, 2)


def test_what_has_a_price_of_its_own_is_counted_apart_and_not_told_to_clients() -> None:
    tokens = Tokens(9, 2, cached=4, written=3, written_for_an_hour=1, special=True)
    assert tokens.as_usage() == Usage(9, 2, 4, 3, 1, special=True)
    assert tokens.as_json() == Tokens(9, 2, cached=4).as_json()


def test_a_count_beyond_all_reason_can_still_be_written() -> None:
    usage = Tokens(2**64, 2**64, cached=2**64, reasoning=2**64).as_json()
    assert json.loads(orjson.dumps(usage))["total_tokens"] == 2**53 - 1


def test_ids_are_the_same_each_time_and_short_enough_for_openai() -> None:
    call = make_call(HI)
    ids = [tool_call_id(call, number) for number in range(200)]
    assert completion_id(call) == completion_id(make_call(HI)) == ID
    assert ids == [tool_call_id(make_call(HI), number) for number in range(200)]
    assert len(set(ids)) == 200
    assert all(len(id) <= 40 and id.replace("_", "").isalnum() for id in ids)
    assert set(ids).isdisjoint(
        {tool_call_id(make_call(HI, exchange="req_" + "f" * 32), n) for n in range(200)}
    )


def test_a_stream_of_text_and_its_usage() -> None:
    chunks = Chunks(asking(usage=True))
    chunks.text(0, "Hi")
    chunks.text(0, " you")
    assert loaded(chunks.take()) == [
        begun({"content": "Hi"}) | {"usage": None},
        delta({"content": " you"}) | {"usage": None},
    ]
    assert chunks.take() == []
    chunks.end(0, "stop")
    chunks.tokens = Tokens(3, 2)
    assert loaded(chunks.finish()) == [
        delta({}, reason="stop") | {"usage": None},
        HEAD | {"choices": [], "usage": Tokens(3, 2).as_json()},
    ]


def test_usage_goes_only_to_who_asked_for_it() -> None:
    chunks = Chunks(asking())
    chunks.text(0, "Hi")
    chunks.tokens = Tokens(3, 2)
    chunks.end(0, "stop")
    check_chunks(chunks.finish(), wants_usage=False)


def test_usage_that_is_not_known_is_not_made_up() -> None:
    chunks = Chunks(asking(usage=True))
    chunks.end(0, "stop")
    (last,) = check_chunks(chunks.finish(), wants_usage=True)
    assert last["usage"] is None


def test_nothing_said_is_no_chunk() -> None:
    chunks = Chunks(asking())
    chunks.text(0, "")
    chunks.reasoning(0, "")
    chunks.refusal(0, "")
    assert chunks.take() == []
    assert not chunks.complete


def test_an_answer_of_nothing_has_a_role_and_an_end() -> None:
    chunks = Chunks(asking())
    chunks.end(0, "stop")
    (only,) = check_chunks(chunks.finish(), wants_usage=False)
    assert only["choices"][0] == begun({})["choices"][0] | {"finish_reason": "stop"}


def test_all_that_a_choice_can_hold_each_in_its_place() -> None:
    chunks = Chunks(asking())
    chunks.reasoning(0, "Hm.")
    chunks.text(0, "Hi", LOGPROBS)
    chunks.logprobs(0, LOGPROBS)
    chunks.refusal(0, "No.")
    chunks.image(0, PNG)
    chunks.image(0, PNG)
    ready = chunks.take()
    image = {"type": "image_url", "image_url": {"url": PNG}}
    assert deltas(ready) == [
        {"role": "assistant", "content": "", "refusal": None, "reasoning_content": "Hm."},
        {"content": "Hi"},
        {},
        {"refusal": "No."},
        {"images": [{"index": 0, **image}]},
        {"images": [{"index": 1, **image}]},
    ]
    said = [chunk["choices"][0]["logprobs"] for chunk in loaded(ready)]
    assert said == [None, LOGPROBS, LOGPROBS, None, None, None]


def test_tool_calls_are_numbered_as_tool_calls() -> None:
    chunks = Chunks(asking())
    chunks.text(0, "Ok")
    first = chunks.call(0, CallMade("c1", "f", ""))
    chunks.arguments(0, first, '{"a"')
    chunks.arguments(0, first, "")
    chunks.arguments(0, first, ": 1}")
    second = chunks.call(0, CallMade("c2", "g", "{}"))
    chunks.end(0, "stop")
    ready = chunks.finish()
    check_chunks(ready, wants_usage=False)
    assert (first, second) == (0, 1)
    assert deltas(ready)[1:] == [
        {"tool_calls": [{"index": 0, **CallMade("c1", "f", "").as_json()}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        {"tool_calls": [{"index": 1, **CallMade("c2", "g", "{}").as_json()}]},
        {},
    ]


def test_a_stream_that_begins_with_a_call_has_no_content() -> None:
    chunks = Chunks(asking())
    chunks.call(0, F)
    assert deltas(chunks.take())[0]["content"] is None


def test_a_call_that_got_no_arguments_has_empty_ones() -> None:
    chunks = Chunks(asking())
    chunks.call(0, CallMade("c1", "f", ""))
    chunks.call(0, F)
    chunks.end(0, "tool_calls")
    ready = chunks.finish()
    check_chunks(ready, wants_usage=False)
    assert deltas(ready)[2] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}


def test_each_choice_has_a_role_calls_and_an_end_of_its_own() -> None:
    chunks = Chunks(asking())
    chunks.text(1, "b")
    chunks.call(0, F)
    chunks.call(1, F)
    assert not chunks.complete
    chunks.end(1, "length")
    assert not chunks.complete
    chunks.end(0, "stop")
    chunks.end(0, "content_filter")
    assert chunks.complete
    parsed = check_chunks(chunks.finish(), wants_usage=False)
    ends = [(c["choices"][0]["index"], c["choices"][0]["finish_reason"]) for c in parsed[-2:]]
    assert ends == [(0, "tool_calls"), (1, "length")]


def test_all_chunks_name_one_model() -> None:
    chunks = Chunks(asking())
    chunks.model = "real-model"
    chunks.text(0, "a")
    chunks.model = "another"
    chunks.end(0, "stop")
    parsed = check_chunks(chunks.finish(), wants_usage=False)
    assert {chunk["model"] for chunk in parsed} == {"real-model"}


TEXTS = st.sampled_from(["", "Hi", "é😀"])
CHOICES = st.builds(
    Choice,
    finish=st.sampled_from(["stop", "length", "content_filter"]),
    content=TEXTS,
    reasoning=TEXTS,
    refusal=TEXTS,
    calls=st.lists(st.sampled_from([F, CallMade("c2", "g", "")]), max_size=2).map(tuple),
    images=st.lists(st.just(PNG), max_size=2).map(tuple),
    logprobs=st.none() | st.just(LOGPROBS),
)  # fmt: skip


@given(st.lists(CHOICES, min_size=1, max_size=3), st.none() | st.just(Tokens(3, 2)), st.booleans())
def test_an_answer_says_the_same_whole_and_as_a_stream(
    choices: list[Choice], tokens: Tokens | None, usage: bool
) -> None:
    call, answer = asking(usage=usage), Answer((*choices,), tokens)
    whole = check_completion(completion(call, answer))
    chunks = completion_as_chunks(call, answer)
    parsed = check_chunks(chunks, wants_usage=usage)
    assert (parsed[-1].get("usage") is not None) is (usage and tokens is not None)
    said = put_together(chunks)
    assert said["id"] == whole["id"]
    for ours, theirs in zip(whole["choices"], said["choices"], strict=True):
        assert theirs["finish_reason"] == ours["finish_reason"]
        assert content_of(theirs["message"]) == content_of(ours["message"])


def content_of(message: dict[str, Any]) -> dict[str, Any]:
    """What a message holds, without what only streams number."""
    lists = ("tool_calls", "images")
    plain = {name: message.get(name) or None for name in ("content", "refusal")}
    return plain | {
        name: [{k: v for k, v in each.items() if k != "index"} for each in message.get(name) or ()]
        for name in lists
    }


def test_a_call_that_was_cut_off_does_not_look_as_if_it_had_no_arguments() -> None:
    cut = Answer((Choice("length", calls=(CallMade("c1", "f", ""),)),))
    [call] = json.loads(completion(make_call(HI), cut))["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == ""
    chunks = completion_as_chunks(asking(), cut)
    check_chunks(chunks, wants_usage=False)
    [choice] = put_together(chunks)["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == ""


@pytest.mark.parametrize("index", [-1, MAX_CHOICES, 10**9, 2**63])
def test_a_choice_with_a_number_beyond_all_reason_is_no_answer(index: int) -> None:
    """Clients make a list as long as the number says."""
    chunks = Chunks(asking())
    with pytest.raises(UpstreamInvalidResponse):
        chunks.text(index, "Hi")
    with pytest.raises(UpstreamInvalidResponse):
        chunks.end(index, "stop")


def test_tool_calls_without_end_are_no_answer() -> None:
    chunks = Chunks(asking())
    for number in range(MAX_CALLS):
        chunks.call(number % 2, CallMade("", "f", "{}"))
        chunks.take()
    with pytest.raises(UpstreamInvalidResponse):
        chunks.call(0, CallMade("", "f", "{}"))
