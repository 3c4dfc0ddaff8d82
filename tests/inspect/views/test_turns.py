"""A request's messages, tools and settings are found in every format."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views.turns import settings_of, tools_of, turns_of, weight_of_tools
from support.any_json import anything
from support.wire_files import DATA, Case

WORDS = st.sampled_from(
    [
        "messages",
        "role",
        "content",
        "tool_calls",
        "function",
        "name",
        "contents",
        "parts",
        "tools",
        "system",
        "prompt",
        "systemInstruction",
        "tool_call_id",
        "function_call",
        "functions",
        "parameters",
        "properties",
        "required",
        "tool",
        "generationConfig",
        "response_format",
        "attachments",
        "images",
        "audio",
        "reasoning_content",
        "refusal",
        "functionDeclarations",
    ]
)


def said(body: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (turn.role, [(piece.tag, piece.text) for piece in turn.pieces]) for turn in turns_of(body)
    ]


def test_openais_results_name_the_function_that_they_answer() -> None:
    messages = [
        {"role": "user", "content": "Hi", "name": "Ann"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "assistant", "refusal": "No.", "audio": {"id": "a1"}},
    ]
    assert said({"messages": messages}) == [
        ("user Ann", [("", "Hi")]),
        ("assistant", [("thinking", "Hm"), ("call", "f() · c1"), ("call", "g(x  ← no JSON) · c2")]),
        ("tool", [("result of f · c1", "1")]),
        ("assistant", [("refusal", "No."), ("sound", '{"id":"a1"}')]),
    ]


def test_anthropics_results_stand_in_the_users_messages_and_the_system_before_them() -> None:
    body = Case("anthropic", DATA / "anthropic" / "tool-results").json("upstream.json")
    assert said({**body, "system": [{"type": "text", "text": "Be brief."}]}) == [
        ("system", [("", "Be brief.")]),
        ("user", [("", "Weather?")]),
        (
            "assistant",
            [
                ("", "I'll look."),
                ("call", 'get_weather(city: "Oslo") · functions_get_0_019a016c'),
                ("call", "now() · call_b"),
                ("call", 'now(INVALID_JSON: "oops") · call_c'),
            ],
        ),
        (
            "user",
            [
                ("result of get_weather · functions_get_0_019a016c", "Rain\nWind"),
                ("result of now · call_b", "(nothing)"),
                ("result of now · call_c", "noon"),
                ("", "And?"),
            ],
        ),
    ]


def test_geminis_contents_are_turns() -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "model", "parts": [{"text": "Hm", "thought": True}, {"text": "x"}]}],
    }
    assert said(body) == [
        ("system", [("", "Be brief.")]),
        ("model", [("thinking", "Hm"), ("", "x")]),
    ]


def test_gigachats_results_name_their_function() -> None:
    messages = [
        {"role": "user", "content": "Hi", "attachments": ["f1"]},
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": {"a": 1}}},
        {"role": "function", "name": "f", "content": '{"r":1}'},
    ]
    assert said({"messages": messages}) == [
        ("user", [("", "Hi"), ("files of the provider's", '["f1"]')]),
        ("assistant", [("call", "f(a: 1)")]),
        ("function", [("result of f", '{"r":1}')]),
    ]


def test_a_prompt_is_a_turn() -> None:
    assert said({"prompt": "A cat", "size": "512x512"}) == [("prompt", [("", "A cat")])]


@pytest.mark.parametrize(
    "tools",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "description": "D."}}]},
        {"tools": [{"name": "f", "description": "D.", "input_schema": {}}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "description": "D."}]}]},
        {"functions": [{"name": "f", "description": "D."}]},
    ],
    ids=["openai", "anthropic", "gemini", "gigachat"],
)
@pytest.mark.parametrize("place", ["parameters", "input_schema", "parametersJsonSchema"])
def test_tools_have_their_parameters(tools: dict[str, Any], place: str) -> None:
    schema = {"properties": {"a": {}, "b": {}}, "required": ["a"]}
    [entry] = next(iter(tools.values()))
    inner = entry.get("function") or (entry.get("functionDeclarations") or [entry])[0]
    inner |= {"input_schema": {}, place: schema}
    [tool] = tools_of(tools)
    assert (tool.name, tool.description, tool.parameters) == ("f", "D.", ("a", "b?"))
    assert weight_of_tools(tools)[0] > 20


def test_a_tool_of_the_providers_own_goes_by_its_type() -> None:
    names = [tool.name for tool in tools_of({"tools": [{"type": "web_search"}, {"x": {}}]})]
    assert names == ["web_search", "x"]


def test_settings_are_all_that_is_neither_turn_nor_tool() -> None:
    body = {
        "model": "m",
        "messages": [],
        "temperature": 0.5,
        "seed": None,
        "response_format": {"type": "json_schema", "json_schema": {"name": "Answer", "schema": {}}},
        "generationConfig": {"topK": 3},
    }
    assert settings_of(body) == [
        ("temperature", "0.5"),
        ("response_format", "json_schema Answer"),
        ("topK", "3"),
    ]


@given(st.dictionaries(WORDS, anything(WORDS), max_size=5))
def test_no_body_is_too_strange(body: dict[str, Any]) -> None:
    assert all(turn.bytes > 0 for turn in turns_of(body))
    assert all(isinstance(tool.name, str) for tool in tools_of(body))
    assert all(isinstance(text, str) for _, text in settings_of(body))
