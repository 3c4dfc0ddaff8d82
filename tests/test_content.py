"""What of an answer is content, and what a content filter has left of it."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.content import check_filtered, has_begun
from llm_gateway.errors import Retry, UpstreamRejected
from support.any_json import anything, disturbed
from support.openai_shapes import (
    chunk,
    completion,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    tool_call,
    usage,
)

JSON = anything(st.sampled_from(["choices", "delta", "content", "finish_reason"])) | disturbed(
    [{"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}]
).map(lambda values: values[0] if values else None)


def sent(*values: object) -> list[bytes]:
    return [orjson.dumps(value) for value in values]


NOTHING: list[dict[str, Any]] = [
    first_chunk("m"),
    chunk("m", {}),
    chunk("m", {"role": "assistant"}),
    chunk("m", {"role": "assistant", "content": None, "refusal": None}),
    chunk("m", {"content": "", "reasoning": "", "reasoning_details": [], "tool_calls": []}),
    chunk("m", None),
    {**chunk("m", None), "usage": usage(3, 0)},
    {"choices": None},
    {"choices": "no list"},
    {"choices": [None, 7, "no object"]},
    {"choices": [{}]},
    {"choices": [{"delta": None, "finish_reason": None}]},
    {"prompt_filter_results": [{"prompt_index": 0}], "choices": []},
    {},
]

SAID: list[dict[str, Any]] = [
    text_chunk("m", "Hello"),
    text_chunk("m", " "),
    text_chunk("m", "\n"),
    chunk("m", {"role": "assistant", "content": "Hello"}),
    chunk("m", {"reasoning": "Hm"}),
    chunk("m", {"reasoning_content": "Hm"}),
    chunk("m", {"content": "", "reasoning_details": [{"type": "reasoning.encrypted"}]}),
    chunk("m", {"refusal": "No."}),
    chunk("m", {"tool_calls": [{"index": 0, **tool_call("f", "")}]}),
    chunk("m", {"function_call": {"name": "f"}}),
    chunk("m", {"audio": {"id": "a"}}),
    chunk("m", {"something_new": 1}),
    chunk("m", {"content": "Hello"}, index=3),
    {"choices": [{"delta": {}}, {"delta": {"content": "the second one"}}]},
]


@pytest.mark.parametrize("said", NOTHING, ids=str)
def test_a_role_and_what_is_empty_are_no_content(said: dict[str, Any]) -> None:
    assert not has_begun(sent(said))


@pytest.mark.parametrize("said", SAID, ids=str)
def test_whatever_is_said_is_content(said: dict[str, Any]) -> None:
    assert has_begun(sent(said))


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls", ""])
def test_an_answer_that_is_over_has_begun(reason: str) -> None:
    assert has_begun(sent(last_chunk("m", reason)))


@pytest.mark.parametrize("data", [b"hello", b"", b"{", b"[]", b"[1]", b'"text"', b"7", b"null"])
def test_what_is_no_chunk_is_not_kept_back(data: bytes) -> None:
    assert has_begun([data])


def test_no_chunks_are_no_content() -> None:
    assert not has_begun([])


def test_content_behind_what_is_none_is_found() -> None:
    assert has_begun(sent(*NOTHING, SAID[0]))
    assert not has_begun(sent(*NOTHING))


@given(st.lists(JSON, max_size=3))
def test_an_answer_begins_with_the_first_of_its_chunks_that_does(values: list[object]) -> None:
    chunks = sent(*values)
    assert has_begun(chunks) == any(has_begun([each]) for each in chunks)


def filtered(text: str | None) -> dict[str, Any]:
    return completion("m", [message(text)], "content_filter", usage(3, 0))


@pytest.mark.parametrize(
    "answers",
    [
        [first_chunk("m"), last_chunk("m", "content_filter")],
        [last_chunk("m", "content_filter")],
        [chunk("m", {"role": "assistant", "content": ""}, "content_filter"), chunk("m", None)],
        [filtered(None)],
        [filtered("")],
    ],
    ids=["role, end", "end", "both in one", "whole", "whole and empty"],
)
def test_what_a_filter_has_left_empty_is_refused(answers: list[dict[str, Any]]) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        check_filtered(sent(*answers))
    assert (refused.value.code, refused.value.retry) == ("content_filter", Retry.NEVER)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [first_chunk("m"), text_chunk("m", "Hel"), last_chunk("m", "content_filter")],
        [chunk("m", {"content": "Hel"}, "content_filter")],
        [chunk("m", {"refusal": "No."}), last_chunk("m", "content_filter")],
        [filtered("Hel")],
        [first_chunk("m"), last_chunk("m", "stop")],
        [completion("m", [message("")], "stop", usage(3, 0))],
        [completion("m", [message("Hi")], "stop", usage(3, 2))],
        [{"choices": [{"finish_reason": ["content_filter"]}]}],
    ],
    ids=[
        "nothing",
        "cut",
        "cut in one",
        "refusal",
        "whole and cut",
        "empty",
        "whole and empty",
        "good",
        "no reason",
    ],
)
def test_what_a_filter_has_only_cut_or_never_touched_is_an_answer(
    answers: list[dict[str, Any]],
) -> None:
    check_filtered(sent(*answers))


def test_one_choice_that_speaks_is_an_answer_beside_one_that_was_filtered() -> None:
    both = completion("m", [message(None), message("Hi")], "stop", usage(3, 2))
    both["choices"][0]["finish_reason"] = "content_filter"
    check_filtered(sent(both))


@given(st.lists(st.binary(max_size=20), max_size=2), st.lists(JSON, max_size=2))
def test_whatever_the_answers_are_only_a_refusal_is_raised(
    junk: list[bytes], values: list[object]
) -> None:
    with suppress(UpstreamRejected):
        check_filtered([*junk, *sent(*values)])
