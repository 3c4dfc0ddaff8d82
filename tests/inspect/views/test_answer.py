"""An answer is laid out as text, whatever is missing in it, or in it besides."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.inspect.views import answer as module
from llm_gateway.inspect.views.answer import (
    answer_lines,
    error_lines,
    outline,
    picture_lines,
    usage_line,
)
from support.pictures import PNG

ENCODED = base64.b64encode(PNG + bytes(34_000)).decode()
WORD = st.sampled_from(
    ["choices", "message", "content", "tool_calls", "function", "arguments", "images", "usage"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=4),
    max_leaves=15,
)


def laid_out(finish: str | None = "stop", **message: Any) -> str:
    choice = {"message": {"role": "assistant", **message}, "finish_reason": finish}
    return "\n".join(answer_lines({"choices": [choice]}))


def call(arguments: str, name: str = "get_weather", id: str = "call_1") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


def test_an_answer_is_its_reasoning_its_text_its_calls_its_end_and_its_tokens() -> None:
    message = {
        "role": "assistant",
        "content": "I'll look.\nAt once.",
        "reasoning_content": "Hm.",
        "tool_calls": [call('{"city": "Oslo"}')],
    }
    usage = {
        "prompt_tokens": 1200,
        "completion_tokens": 340,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 120},
    }
    answer = {
        "model": "m-1",
        "id": "c-1",
        "choices": [{"message": message, "finish_reason": "tool_calls"}],
        "usage": usage,
    }
    assert [*answer_lines(answer)] == [
        "reasoning",
        "  Hm.",
        "",
        "assistant",
        "  I'll look.",
        "  At once.",
        "",
        "tool call get_weather   call_1",
        "  {",
        '    "city": "Oslo"',
        "  }",
        "",
        "finish: tool_calls",
        "",
        "tokens: 1 200 read (800 from a cache), 340 written (120 reasoning)",
        "model: m-1 · id: c-1",
    ]


def test_arguments_that_are_no_json_are_shown_as_they_are_and_that_is_said() -> None:
    text = laid_out(tool_calls=[call('{"city": "Os')])
    assert "(the arguments are no JSON: " in text
    assert '  {"city": "Os' in text.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("", "(no arguments)"), ("[" * 500 + "]" * 500, "(the arguments are nested too deep)")],
)
def test_arguments_that_cannot_be_laid_out_are_said_to_be_so(arguments: str, said: str) -> None:
    assert said in laid_out(tool_calls=[call(arguments)])


def test_a_picture_is_its_kind_and_size() -> None:
    data = {"image_url": {"url": f"data:image/png;base64,{ENCODED}"}}
    there = {"image_url": {"url": "https://example.com/cat.png"}}
    text = laid_out(images=[data, there])
    assert "[picture png 34 KB]" in text
    assert "[picture at https://example.com/cat.png]" in text
    assert ENCODED[:60] not in text


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ({"b64_json": ENCODED}, "[picture png 34 KB]"),
        ({"b64_json": "AAAAAAAA"}, "[picture of an unknown kind 6 B]"),
        ({"b64_json": "!"}, "[no picture: 1 B that are no base64]"),
        ({"url": "https://example.com/cat.png"}, "[picture at https://example.com/cat.png]"),
        ({"b64_json": None}, "[no picture]"),
    ],
)
def test_an_entry_of_an_images_response_is_a_picture(picture: dict[str, Any], said: str) -> None:
    assert [*picture_lines([picture])] == [f"  {said}"]


def test_the_prompt_that_a_picture_was_drawn_from_stands_below_it() -> None:
    lines = [*picture_lines([{"b64_json": ENCODED, "revised_prompt": "A fat cat."}])]
    assert lines[1] == "    drawn from: A fat cat."


def test_every_choice_is_numbered_where_there_are_several() -> None:
    choices = [{"message": {"content": text}, "finish_reason": "stop"} for text in "ab"]
    lines = [*answer_lines({"choices": choices})]
    assert "assistant, choice 1 of 2" in lines
    assert "assistant, choice 2 of 2" in lines


def test_a_refusal_is_named_as_one() -> None:
    assert "  refused: I won't." in laid_out(content=None, refusal="I won't.")


def test_an_answer_that_says_nothing_is_said_to_do_so() -> None:
    assert laid_out(content="", finish=None) == (
        "assistant\n  (nothing was said)\n\nfinish: none was said"
    )


def test_what_else_is_in_a_message_is_shown() -> None:
    assert '"url": "https://a.example"' in laid_out(annotations=[{"url": "https://a.example"}])


def test_content_in_parts_is_shown() -> None:
    assert '"text": "Hi"' in laid_out(content=[{"type": "text", "text": "Hi"}])


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        ({}, ""),
        ({"prompt_tokens": 3}, "tokens: 3 read, 0 written"),
        ({"input_tokens": 3, "output_tokens": 4}, "tokens: 3 read, 4 written"),
        ({"prompt_tokens": "3", "completion_tokens": 4}, "tokens: 0 read, 4 written"),
    ],
)
def test_the_tokens_are_a_line(usage: dict[str, Any], line: str) -> None:
    assert usage_line(usage) == line


def test_an_error_is_its_sentence_and_then_the_rest() -> None:
    error = {"message": "Too many.", "type": "requests", "param": None, "metadata": {"raw": "x"}}
    assert [*error_lines(error)] == [
        "  Too many.",
        "  type: requests",
        "  metadata: {",
        '      "raw": "x"',
        "    }",
    ]
    assert [*error_lines({})] == ["  (nothing was said)"]


def test_long_strings_and_lists_of_json_are_shortened_and_that_is_said() -> None:
    text = outline({"a": "x" * 1000, "b": [*range(150)]})
    assert "[700 more characters]" in text
    assert "… 50 more" in text
    assert '"x": 1' in outline({"x": 1})


def test_json_that_is_nested_without_end_is_said_to_be() -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    assert outline(deep) == "(nested too deep to be shown)"


def test_an_endless_text_is_cut_and_that_is_said() -> None:
    text = laid_out(content="word " * 200_000, tool_calls=[call(json.dumps({"x": "y" * 900_000}))])
    assert len(text) < 3 * module.MAX_TEXT
    assert text.count("more characters") == 2


def test_calls_without_end_are_counted() -> None:
    text = laid_out(tool_calls=[call("{}")] * 500)
    assert text.count("tool call get_weather") == module.MAX_CALLS
    assert "… 400 more tool calls" in text


@settings(max_examples=50)
@given(st.dictionaries(WORD, JSON, max_size=4))
def test_whatever_is_in_an_answer_is_laid_out(answer: dict[str, Any]) -> None:
    lines = [*answer_lines(answer)]
    assert all("\n" not in line for line in lines)
