"""A stream keeps OpenAI's promises, and passes byte for byte where it kept them already."""

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from llm_gateway.adapters.answers import MAX_CALLS, MAX_CHOICES
from llm_gateway.adapters.openai.dialects import OPENAI, Dialect
from llm_gateway.adapters.openai.stream import Stream
from llm_gateway.adapters.translating import objects
from llm_gateway.errors import UpstreamInvalidResponse, UpstreamRateLimited
from support.openai_shapes import (
    JSONObject,
    chunk,
    first_chunk,
    last_chunk,
    text_chunk,
    tool_call,
    usage,
)

ROLE = {"role": "assistant"}
COUNTED = usage(3, 9)
IDS = iter(())
"""No call in here lacks an id."""


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def passed(
    *chunks: JSONObject, dialect: Dialect = OPENAI, wants_usage: bool = False
) -> list[JSONObject]:
    """What becomes of these chunks, to the end; if none gives a role, one has before."""
    stream = Stream(dialect, IDS, wants_usage=wants_usage)
    if not any("role" in delta for delta in deltas(chunks)):
        fed(stream, [first_chunk("m")])
    return [orjson.loads(each) for each in [*fed(stream, chunks), *stream.finish()]]


def fed(stream: Stream, chunks: Iterable[JSONObject]) -> list[bytes]:
    """What is sent for these chunks, which stay as they are."""
    data = map(dumped, chunks)
    return [sent for each in data for sent in stream.pass_on(orjson.loads(each), each)]


def deltas(chunks: Iterable[JSONObject]) -> list[JSONObject]:
    choices = (choice for each in chunks for choice in objects(each["choices"]))
    return [choice["delta"] for choice in choices if isinstance(choice.get("delta"), dict)]


def test_a_stream_of_openai_s_passes_byte_for_byte() -> None:
    call = {"index": 0, **tool_call("f", "")}
    chunks = [
        first_chunk("m"),
        text_chunk("m", "é"),
        chunk("m", {"tool_calls": [call]}),
        chunk("m", {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        last_chunk("m", "tool_calls"),
        {**chunk("m", None), "usage": COUNTED},
    ]
    data = [json.dumps(each, indent=1).encode() for each in chunks]
    stream = Stream(OPENAI, IDS, wants_usage=True)
    sent = [each for c, d in zip(chunks, data, strict=True) for each in stream.pass_on(c, d)]
    assert [*sent, *stream.finish()] == data


def test_the_role_comes_once_in_each_choice() -> None:
    chunks = [
        chunk("m", {**ROLE, "content": "a"}, index=0),
        chunk("m", {**ROLE, "content": "b"}, index=1),
        chunk("m", {**ROLE, "content": "c"}, index=0),
    ]
    assert deltas(passed(*chunks)) == [
        {**ROLE, "content": "a"},
        {**ROLE, "content": "b"},
        {"content": "c"},
    ]


def test_a_role_that_nobody_gives_is_given() -> None:
    stream = Stream(OPENAI, IDS, wants_usage=False)
    chunks = [text_chunk("m", "a"), text_chunk("m", "b"), chunk("m", {"role": None, "content": ""})]
    assert deltas(map(orjson.loads, fed(stream, chunks))) == [
        {**ROLE, "content": "a"},
        {"content": "b"},
        {"role": None, "content": ""},
    ]


def test_the_sdk_joins_what_is_said_under_one_role() -> None:
    """With the role in every delta it makes `assistantassistant` of it."""
    repeated = [chunk("m", {**ROLE, "content": text}) for text in ("a", "b")]
    state = ChatCompletionStreamState()
    for each in passed(*repeated, last_chunk("m")):
        state.handle_chunk(ChatCompletionChunk.model_validate(each))
    said = state.current_completion_snapshot.choices[0].message
    assert (said.role, said.content) == ("assistant", "ab")


def test_a_choice_ends_once() -> None:
    ends = [last_chunk("m", "stop"), last_chunk("m", "length"), last_chunk("m", "stop")]
    found = [each["choices"][0]["finish_reason"] for each in passed(text_chunk("m", "a"), *ends)]
    assert found == [None, "stop", None, None]


@pytest.mark.parametrize(("given", "expected"), [("eos", "stop"), ("", None), (5, "stop")])
def test_a_reason_is_one_of_openai_s(given: Any, expected: str | None) -> None:
    [only] = passed(chunk("m", {}, given))
    assert only["choices"][0]["finish_reason"] == expected


def test_an_empty_reason_ends_nothing() -> None:
    stream = Stream(OPENAI, IDS, wants_usage=False)
    fed(stream, [chunk("m", {"content": "a"}, "")])
    assert not stream.complete


@pytest.mark.parametrize("reason", ["stop", "of its own"])
def test_a_choice_that_called_tools_says_so(reason: str) -> None:
    call = {"index": 0, **tool_call("f", "{}")}
    _, last = passed(chunk("m", {"tool_calls": [call]}), last_chunk("m", reason))
    assert last["choices"][0] == {**last_chunk("m", "tool_calls")["choices"][0]}


def test_arguments_that_never_came_come_with_the_end() -> None:
    call = {"index": 0, **tool_call("f", "")}
    _, last = passed(chunk("m", {"tool_calls": [call]}), last_chunk("m", "tool_calls"))
    missing = {"index": 0, "function": {"arguments": "{}"}}
    assert last["choices"][0]["delta"] == {"tool_calls": [missing]}


def test_a_call_that_was_cut_off_does_not_look_as_if_it_had_no_arguments() -> None:
    call = {"index": 0, **tool_call("f", "")}
    _, last = passed(chunk("m", {"tool_calls": [call]}), last_chunk("m", "length"))
    assert last == last_chunk("m", "length")


def test_a_whole_call_beside_the_end_gets_its_arguments_there() -> None:
    call = {"index": 0, **tool_call("f", "")}
    [only] = passed(chunk("m", {"tool_calls": [call]}, "stop"))
    pieces = only["choices"][0]["delta"]["tool_calls"]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == "{}"


def test_a_custom_tool_is_given_no_arguments() -> None:
    """What it is given is its input, which is no JSON."""
    begin = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}}
    piece = {"index": 0, "custom": {"input": "x = 1"}}
    chunks = [chunk("m", {"tool_calls": [begin]}), chunk("m", {"tool_calls": [piece]})]
    assert passed(*chunks, last_chunk("m", "tool_calls")) == [
        *chunks,
        last_chunk("m", "tool_calls"),
    ]


USAGES: dict[str, tuple[list[JSONObject], list[JSONObject]]] = {
    "in a chunk of its own": (
        [text_chunk("m", "a"), last_chunk("m"), {**chunk("m", None), "usage": COUNTED}],
        [text_chunk("m", "a"), last_chunk("m")],
    ),
    "in one without choices": (
        [last_chunk("m"), {**chunk("m", None), "choices": None, "usage": COUNTED}],
        [last_chunk("m")],
    ),
    "beside an empty delta": (
        [
            first_chunk("m"),
            last_chunk("m"),
            {**chunk("m", {**ROLE, "content": ""}), "usage": COUNTED},
        ],
        [first_chunk("m"), last_chunk("m")],
    ),
    "beside the end": ([{**last_chunk("m"), "usage": COUNTED}], [last_chunk("m")]),
    "beside the end, said again": (
        [last_chunk("m"), {**last_chunk("m"), "usage": COUNTED}],
        [last_chunk("m")],
    ),
    "in every chunk": (
        [
            {**text_chunk("m", "a"), "usage": usage(3, 1)},
            {**text_chunk("m", "b"), "usage": usage(3, 2)},
            {**last_chunk("m"), "usage": COUNTED},
        ],
        [text_chunk("m", "a"), text_chunk("m", "b"), last_chunk("m")],
    ),
    "twice": (
        [
            last_chunk("m"),
            {**chunk("m", None), "usage": usage(3, 1)},
            {**chunk("m", None), "usage": COUNTED},
        ],
        [last_chunk("m")],
    ),
    "before the end": (
        [text_chunk("m", "a"), {**chunk("m", None), "usage": COUNTED}, last_chunk("m")],
        [text_chunk("m", "a"), last_chunk("m")],
    ),
}


@pytest.mark.parametrize("name", USAGES)
def test_a_usage_that_nobody_asked_for_is_left_out(name: str) -> None:
    chunks, expected = USAGES[name]
    found = passed(*chunks)
    assert found == expected


@pytest.mark.parametrize("name", USAGES)
def test_a_usage_that_was_asked_for_comes_once_and_last(name: str) -> None:
    chunks, expected = USAGES[name]
    *rest, last = passed(*chunks, wants_usage=True)
    assert [{k: v for k, v in each.items() if k != "usage"} for each in rest] == expected
    assert all(each.get("usage") is None for each in rest)
    assert last == {**chunk("m", None), "usage": COUNTED}


@pytest.mark.parametrize("name", USAGES)
def test_what_was_counted_is_known_in_any_case(name: str) -> None:
    for wants_usage in (True, False):
        stream = Stream(OPENAI, IDS, wants_usage=wants_usage)
        fed(stream, USAGES[name][0])
        assert stream.usage == COUNTED


def test_log_probabilities_beside_a_usage_are_not_lost() -> None:
    data = {**text_chunk("m", ""), "usage": COUNTED}
    data["choices"][0]["logprobs"] = {"content": [], "refusal": None}
    [only] = passed(data)
    assert only["choices"] == data["choices"]


def test_a_usage_in_a_chunk_that_is_tidied_is_tidied_with_it() -> None:
    data = {**chunk("m", None), "service_tier": "on_demand", "usage": COUNTED}
    [_, last] = passed(last_chunk("m"), data, dialect=Dialect(own_tiers=True), wants_usage=True)
    assert last == {**data, "service_tier": "default"}


def test_what_is_too_deep_to_be_written_is_no_answer() -> None:
    deep = b'{"choices":[{"delta":{"role":"assistant","reasoning":"x","deep":%b%b}}]}'
    data = deep % (b"[" * 400, b"]" * 400)
    stream = Stream(OPENAI, IDS, wants_usage=False)
    with pytest.raises(UpstreamInvalidResponse, match="too deep"):
        stream.pass_on(orjson.loads(data), data)


def test_a_usage_may_be_found_elsewhere_and_stays_there() -> None:
    dialect = Dialect(usage=lambda chunk: (chunk.get("x_p") or {}).get("usage"))
    chunks = [text_chunk("m", "a"), {**last_chunk("m"), "x_p": {"usage": COUNTED}}]
    assert passed(*chunks, dialect=dialect) == chunks
    expected = [*chunks, {**chunk("m", None), "usage": COUNTED}]
    assert passed(*chunks, dialect=dialect, wants_usage=True) == expected


@pytest.mark.parametrize("strange", [[], 5, "x", True])
def test_a_usage_that_is_none_passes(strange: object) -> None:
    data = {**text_chunk("m", "a"), "usage": strange}
    assert passed(data) == [data]


def test_who_asked_for_no_usage_gets_no_empty_one() -> None:
    """OpenAI puts one in each chunk where it is to count, as the gateway always asks it to."""
    data = {**text_chunk("m", "a"), "usage": None}
    assert passed(data) == [text_chunk("m", "a")]
    assert passed(data, wants_usage=True) == [data]


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b'{"id":"1","choices":[],"usage":null}', b'{"id":"1","choices":[]}'),
        (b'{"id":"1","usage":null,"choices":[],"x":1}', b'{"id":"1","choices":[],"x":1}'),
        (b'{"usage":null,"id":"1","choices":[]}', b'{"id":"1","choices":[]}'),
        (b'{"id":"1", "usage": null, "choices":[]}', b'{"id":"1","choices":[]}'),
        (
            b'{"id":"1","x":{"y":1,"usage":null},"choices":[],"usage":null}',
            b'{"id":"1","x":{"y":1,"usage":null},"choices":[]}',
        ),
        (
            rb'{"id":",\"usage\":null","choices":[],"usage":null}',
            rb'{"id":",\"usage\":null","choices":[]}',
        ),
    ],
    ids=["last", "inside", "first", "spaced", "twice", "in a text"],
)
def test_an_empty_usage_is_taken_out_wherever_it_stands(data: bytes, left: bytes) -> None:
    stream = Stream(OPENAI, IDS, wants_usage=False)
    assert stream.pass_on(orjson.loads(data), data) == [left]


def test_reasoning_is_there_under_both_names() -> None:
    [only] = passed(chunk("m", {"reasoning": "Hm"}))
    assert deltas([only]) == [{"reasoning": "Hm", "reasoning_content": "Hm"}]


def test_tiers_are_looked_at_only_where_they_have_names_of_their_own() -> None:
    data = {**text_chunk("m", "a"), "service_tier": "on_demand"}
    assert passed(data) == [data]
    assert passed(data, dialect=Dialect(own_tiers=True)) == [{**data, "service_tier": "default"}]


def test_an_error_in_a_choice_is_one() -> None:
    data = chunk("m", {"content": ""})
    data["choices"][0]["error"] = {"code": 429, "message": "Slow"}
    with pytest.raises(UpstreamRateLimited, match="Slow"):
        passed(data)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"index": None, "delta": None},
        {"index": "x", "delta": []},
        {"index": [], "delta": {"role": 5, "content": 5, "tool_calls": 5}},
        {"index": True, "delta": {"tool_calls": [5, None]}},
        {"delta": {"content": {}}},
    ],
)
def test_strange_choices_are_no_reason_to_fail(choice: JSONObject) -> None:
    passed({"choices": [choice, None, 5], "usage": {}}, wants_usage=True)


@pytest.mark.parametrize("index", [-1, MAX_CHOICES, 10**9])
def test_a_choice_with_a_number_beyond_all_reason_is_no_answer(index: int) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        Stream(OPENAI, iter(()), wants_usage=False).pass_on(
            {"choices": [{"index": index, "delta": {"content": "Hi"}}]}, b""
        )


def test_tool_calls_without_end_are_no_answer() -> None:
    stream = Stream(OPENAI, map(str, count()), wants_usage=False)

    def call(choice: int, *indexes: int) -> None:
        pieces = [{"index": index, "function": {"name": "f"}} for index in indexes]
        stream.pass_on({"choices": [{"index": choice, "delta": {"tool_calls": pieces}}]}, b"")

    call(0, *range(MAX_CALLS // 2))
    call(1, *range(10**9, 10**9 + MAX_CALLS // 2))
    with pytest.raises(UpstreamInvalidResponse):
        call(2, 0)


def test_an_empty_list_of_calls_is_no_call() -> None:
    stream = Stream(OPENAI, iter(()), wants_usage=False)
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": []}, "finish_reason": "stop"}]}
    [sent] = stream.pass_on(chunk, orjson.dumps(chunk))
    assert orjson.loads(sent)["choices"][0]["finish_reason"] == "stop"
