"""A chat request's settings, each where Gemini wants it."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.gemini import KIND
from llm_gateway.errors import RequestError, Retry, UpstreamUnsupported
from support.calls import make_call
from support.openai_shapes import JSONObject

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"type": "function", "function": {"name": "f"}}
JSON_MODE = {"type": "json_object"}
LEADING_NOWHERE = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"$ref": "#/$defs/a"}},
}


def sent(model: str = "up-model", **fields: Any) -> tuple[JSONObject, tuple[str, ...]]:
    adapter = KIND.chat(make_call({**HI, **fields}, model=model))
    body: JSONObject = json.loads(adapter.encode().body)
    return body, adapter.dropped


def config(model: str = "up-model", **fields: Any) -> JSONObject:
    body, dropped = sent(model, **fields)
    assert dropped == ()
    settings: JSONObject = body.get("generationConfig", {})
    return settings


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-3-pro", False, "gemini-3-pro:generateContent"),
        ("gemini-3-pro", True, "gemini-3-pro:streamGenerateContent?alt=sse"),
        ("models/gemini-3-pro", False, "gemini-3-pro:generateContent"),
    ],
)
def test_the_model_and_the_method_stand_in_the_path(model: str, stream: bool, path: str) -> None:
    request = KIND.chat(make_call({**HI, "stream": stream}, model=model)).encode()
    assert request.url == f"http://p.invalid/base/models/{path}"
    assert request.method == "POST"
    assert dict(request.headers)["accept"] == (
        "text/event-stream" if stream else "application/json"
    )


def test_a_plain_request_holds_nothing_but_the_contents() -> None:
    assert sent() == ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, ())


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"topP": 0.5, "topK": 3}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_completion_tokens": 6, "max_tokens": None}, {"maxOutputTokens": 6}),
        ({"max_completion_tokens": 6, "max_tokens": 6}, {"maxOutputTokens": 6}),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": 2**31 + 7}, {"seed": 7}),
        ({"seed": -1}, {"seed": 2**31 - 1}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"n": 1}, {}),
        ({"presence_penalty": -1.5}, {"presencePenalty": -1.5}),
        ({"frequency_penalty": 0.5}, {"frequencyPenalty": 0.5}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False, "top_logprobs": 0}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"temperature": None, "stop": None, "n": None, "logprobs": None, "seed": None}, {}),
    ],
)  # fmt: skip
def test_each_setting_has_its_place(fields: JSONObject, settings: JSONObject) -> None:
    assert config(**fields) == settings


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
    ],
)
def test_thinking_is_asked_for_in_the_model_s_own_way(
    model: str, effort: str, thinking: JSONObject
) -> None:
    assert config(model, reasoning_effort=effort) == {"thinkingConfig": thinking}


def test_an_effort_is_left_out_for_a_model_that_does_not_think() -> None:
    body, dropped = sent("gemini-2.0-flash", reasoning_effort="low")
    assert "generationConfig" not in body
    assert dropped == ("reasoning_effort",)
    assert sent("gemini-2.0-flash", reasoning_effort="none")[1] == ()


def test_an_answer_in_json_may_follow_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    spec = {"name": "n", "schema": schema, "strict": True}
    assert config(response_format=JSON_MODE) == {"responseMimeType": "application/json"}
    assert config(response_format={"type": "json_schema", "json_schema": spec}) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


@pytest.mark.parametrize(
    ("own", "said"), [(None, "Outer"), ("", "Outer"), ("Inner", "Outer\nInner")]
)
def test_the_description_of_a_schema_joins_its_own(own: str | None, said: str) -> None:
    schema = {"type": "object", **({} if own is None else {"description": own})}
    spec = {"name": "n", "description": "Outer", "schema": schema}
    sent_schema = config(response_format={"type": "json_schema", "json_schema": spec})
    assert sent_schema["responseJsonSchema"]["description"] == said


def test_json_beside_functions_is_for_models_since_gemini_3() -> None:
    assert sent("gemini-3-flash", response_format=JSON_MODE, tools=[TOOL])[1] == ()
    with pytest.raises(UpstreamUnsupported) as caught:
        sent("gemini-2.5-flash", response_format=JSON_MODE, tools=[TOOL])
    assert (caught.value.param, caught.value.retry) == ("response_format", Retry.ELSEWHERE)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"stop": 5}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"n": "2"}, "n"),
        ({"logprobs": 2}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        (
            {"response_format": LEADING_NOWHERE},
            "response_format.json_schema.schema",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_client_s_is_named(fields: JSONObject, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        sent(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_tool_call_without_result_is_the_client_s_mistake() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    with pytest.raises(RequestError) as caught:
        sent(messages=messages)
    assert caught.value.param == "messages[1].tool_calls"


def test_hints_are_left_out_and_reported() -> None:
    body, dropped = sent(user="u", metadata={"a": "b"}, logit_bias={"1": 2}, made_up=1)
    assert body == sent()[0]
    assert dropped == ("user", "metadata", "logit_bias", "made_up")


def test_a_stop_of_nothing_is_left_out_and_reported() -> None:
    body, dropped = sent(stop=["", "a"])
    assert (body["generationConfig"], dropped) == ({"stopSequences": ["a"]}, ("stop[0]",))
    body, dropped = sent(stop="")
    assert (body, dropped) == (sent()[0], ("stop",))


def test_functions_that_must_not_be_called_do_not_keep_older_models_from_json() -> None:
    fields: JSONObject = {"response_format": JSON_MODE, "tools": [TOOL], "tool_choice": "none"}
    body, dropped = sent("gemini-2.5-flash", **fields)
    assert body == sent("gemini-2.5-flash", response_format=JSON_MODE)[0]
    assert dropped == ("tools",)
    body, dropped = sent("gemini-3-flash", **fields)
    assert ("tools" in body, dropped) == (True, ())


def test_it_is_the_same_each_time() -> None:
    adapter = KIND.chat(make_call({**HI, "user": "u", "n": 2}))
    assert adapter.encode() == adapter.encode()
    assert adapter.dropped == ("user",)
