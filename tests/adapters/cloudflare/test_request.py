"""Requests in Workers AI's own form: flat content, complete tools, no values it refuses."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.cloudflare.fields import DEFAULT_MAX_TOKENS, FIELDS
from llm_gateway.adapters.cloudflare.request import chat_body, max_tokens_of
from llm_gateway.adapters.fields import Fields
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.calls import make_call
from support.cloudflare_rules import check_chat
from support.openai_shapes import JSONObject
from support.wire_files import cases

HI = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g", "h")]
CALLED = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}],
}
SENT = [case for case in cases() if case.kind == "cloudflare" and case.has("upstream.json")]


def body_of(model: str = "up-model", **fields: Any) -> JSONObject:
    """What is sent for a request with these fields."""
    call = make_call({"model": "m", "messages": HI, **fields}, model=model)
    return check_chat(chat_body(call, Fields(FIELDS)))


@pytest.mark.parametrize("case", SENT, ids=str)
def test_every_recorded_request_is_one_that_workers_ai_takes(case: Any) -> None:
    check_chat(case.json("upstream.json"))


def test_without_a_limit_a_larger_one_is_sent_than_the_provider_has() -> None:
    assert body_of()["max_tokens"] == DEFAULT_MAX_TOKENS
    assert body_of(max_tokens=None)["max_tokens"] == DEFAULT_MAX_TOKENS


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_completion_tokens": 6, "max_tokens": 5}, 6),
        ({"max_completion_tokens": None, "max_tokens": 5}, 5),
    ],
)
def test_the_newer_limit_goes_before_the_older(fields: JSONObject, limit: int) -> None:
    assert body_of(**fields)["max_tokens"] == limit
    assert max_tokens_of(fields) == limit


@pytest.mark.parametrize(
    ("seed", "sent"),
    [
        (1, 1),
        (9_999_999_999, 9_999_999_999),
        (0, 1),
        (-1, 9_999_999_999),
        (10_000_000_000, 2),
        (2**63 - 1, (2**63 - 1) % 9_999_999_999 + 1),
    ],
)
def test_a_seed_is_brought_into_the_range_that_is_taken(seed: int, sent: int) -> None:
    assert body_of(seed=seed)["seed"] == sent


@pytest.mark.parametrize(("top_p", "sent"), [(0, 0.001), (0.001, 0.001), (0.5, 0.5), (1, 1)])
def test_top_p_has_a_least_value(top_p: float, sent: float) -> None:
    assert body_of(top_p=top_p)["top_p"] == sent


@pytest.mark.parametrize(
    ("effort", "sent"),
    [
        ("none", None),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "high"),
    ],
)
def test_the_effort_is_one_that_the_models_know(effort: str, sent: str | None) -> None:
    assert body_of(reasoning_effort=effort)["reasoning_effort"] == sent


def test_nulls_are_not_sent() -> None:
    names = ("temperature", "seed", "top_p", "tools", "tool_choice", "response_format", "lora")
    nulls: JSONObject = dict.fromkeys(names)
    assert body_of(**nulls) == body_of()


@pytest.mark.parametrize(
    "name", ["temperature", "top_p", "seed", "top_k", "max_tokens", "frequency_penalty"]
)
@pytest.mark.parametrize("value", ["1", True, [1], {}])
def test_a_setting_of_the_wrong_type_is_the_clients_fault(name: str, value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        body_of(**{name: value})
    assert (caught.value.status, caught.value.param) == (400, name)


def test_settings_of_its_own_are_passed() -> None:
    own: JSONObject = {"lora": "mine", "raw": True, "repetition_penalty": 1.5}
    assert body_of(**own) == {**body_of(), **own}


@pytest.mark.parametrize(
    ("fields", "streamed"),
    [
        ({}, True),
        ({"response_format": {"type": "text"}}, True),
        ({"response_format": {"type": "json_object"}}, False),
        ({"model": "@cf/openai/gpt-oss-120b"}, False),
        ({"model": "@cf/openai/gpt-oss-20b"}, False),
    ],
)
def test_a_stream_is_asked_for_only_where_there_are_some(
    fields: JSONObject, streamed: bool
) -> None:
    assert body_of(stream=True, **fields).get("stream", False) is streamed
    assert "stream" not in body_of(**fields)


@pytest.mark.parametrize(
    ("choice", "offered", "chosen"),
    [
        (None, "fgh", None),
        ("auto", "fgh", None),
        ("none", "", None),
        ("required", "fgh", "required"),
        (
            {"type": "function", "function": {"name": "g"}},
            "g",
            {"type": "function", "function": {"name": "g"}},
        ),
        ({"mode": "auto", "tools": "gh"}, "gh", "auto"),
        ({"mode": "required", "tools": "fh"}, "fh", "required"),
        (
            {"mode": "required", "tools": "h"},
            "h",
            {"type": "function", "function": {"name": "h"}},
        ),
    ],
)
def test_only_what_may_be_called_is_offered(choice: Any, offered: str, chosen: object) -> None:
    if isinstance(choice, dict) and "mode" in choice:
        tools = [{"type": "function", "function": {"name": name}} for name in choice["tools"]]
        choice = {"type": "allowed_tools", "allowed_tools": {**choice, "tools": tools}}
    body = body_of(tools=TOOLS, tool_choice=choice)
    assert "".join(tool["function"]["name"] for tool in body.get("tools", ())) == offered
    assert body.get("tool_choice") == chosen


def test_a_tool_gets_the_description_and_the_schema_that_are_required() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"required": ["a"]}}}]
    assert body_of(tools=tools)["tools"][0]["function"] == {
        "name": "f",
        "description": "",
        "parameters": {"type": "object", "properties": {}, "required": ["a"]},
    }


def test_a_schema_keeps_its_own_title_and_description() -> None:
    schema = {"type": "object", "title": "T", "description": "D"}
    spec = {"name": "n", "description": "d", "schema": schema}
    body = body_of(response_format={"type": "json_schema", "json_schema": spec})
    assert body["response_format"]["json_schema"] == schema


def test_json_without_a_schema_is_any_object() -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "n"}}
    assert body_of(response_format=format_)["response_format"] == {"type": "json_object"}


def test_what_the_model_thought_goes_back_under_the_name_it_knows() -> None:
    said = {"role": "assistant", "content": "4", "reasoning_content": "2 and 2."}
    assert body_of(messages=[*HI, said, *HI])["messages"][1] == {
        "role": "assistant",
        "content": "4",
        "reasoning": "2 and 2.",
    }


def test_a_call_without_arguments_is_sent_with_an_empty_object() -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    sent = body_of(messages=[*HI, CALLED, result])["messages"]
    assert sent[1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    assert sent[2] == {"role": "tool", "name": "f", "tool_call_id": "c1", "content": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": ["END"]}, "stop"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(fields: JSONObject, param: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        body_of(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.invalid/a.png"}}, ".image_url.url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, ".input_audio"),
        ({"type": "file", "file": {"file_data": "data:a/b;base64,AAAA"}}, ".file"),
    ],
)
def test_media_that_it_does_not_take_is_refused_by_place(part: JSONObject, param: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        body_of(messages=[{"role": "user", "content": [part]}])
    assert caught.value.param == f"messages[0].content[0]{param}"


def test_hints_are_left_out_and_noted() -> None:
    message = {"role": "user", "content": "Hi", "name": "kari"}
    body = {"model": "m", "messages": [message], "user": "u", "store": True, "verbosity": "low"}
    fields = Fields(FIELDS)
    assert json.dumps(chat_body(make_call(body), fields)) == json.dumps(body_of())
    assert sorted(fields.dropped) == ["messages[0].name", "store", "user", "verbosity"]
