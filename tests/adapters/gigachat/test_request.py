"""OpenAI's requests become GigaChat's, and whatever becomes of them GigaChat takes."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from llm_gateway.adapters.contract import Adapter
from llm_gateway.adapters.gigachat import KIND
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.calls import make_call, unchanged, whole
from support.gigachat_rules import check_chat_request
from support.openai_requests import chat_requests
from support.openai_shapes import JSONObject
from support.wire_files import cases

HI: JSONObject = {"role": "user", "content": "Hi"}
F: JSONObject = {"type": "function", "function": {"name": "f"}}
G: JSONObject = {"type": "function", "function": {"name": "g"}}
BOTH: JSONObject = {"tools": [F, G]}


def encoded(**fields: Any) -> tuple[JSONObject, list[str]]:
    """What is sent for these fields, beside the model and the messages; what is left out."""
    body: JSONObject = {"model": "m", "messages": [HI], **fields}
    before = unchanged(body)
    adapter = KIND.chat(make_call(body))
    request = adapter.encode()
    assert adapter.encode() == request
    assert body == before
    sent = check_chat_request(orjson.loads(request.body))
    assert (sent.pop("model"), sent.pop("messages")) == ("up-model", [HI])
    return sent, [*adapter.dropped]


def sent(**fields: Any) -> JSONObject:
    """What is sent for these fields, nothing of which is left out."""
    body, dropped = encoded(**fields)
    assert not dropped
    return body


def test_the_request_goes_to_chat_completions() -> None:
    for stream, accept in ((False, "application/json"), (True, "text/event-stream")):
        call = make_call({"model": "m", "messages": [HI], "stream": stream})
        request = KIND.chat(call).encode()
        headers = dict(request.headers)
        assert (request.method, request.url) == ("POST", "http://p.invalid/base/chat/completions")
        assert headers["accept"] == accept
        assert headers["content-type"] == "application/json"
        assert headers["authorization"].startswith("Bearer ***")
        assert len(headers) == len(request.headers)
        assert request.label == call.label


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"temperature": None, "max_tokens": None, "user": None, "reasoning_effort": None}, {}),
        ({"temperature": 0.2}, {"temperature": 0.2}),
        ({"temperature": 2}, {"temperature": 2}),
        ({"temperature": 0}, {"top_p": 0}),
        ({"temperature": 0.0, "top_p": 0.5}, {"top_p": 0}),
        ({"top_p": 0}, {"top_p": 0}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"stream": True}, {"stream": True}),
        ({"stream": False}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"reasoning_effort": "none"}, {}),
        ({"reasoning_effort": "medium"}, {"reasoning_effort": "medium"}),
        ({"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"n": 1, "modalities": ["text"], "logprobs": False, "stop": None, "tools": []}, {}),
    ],
)
def test_settings(fields: JSONObject, expected: JSONObject) -> None:
    assert sent(**fields) == expected


def named(name: str) -> JSONObject:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> JSONObject:
    tools = [named(name) for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("choice", "offered", "function_call", "dropped"),
    [
        (None, ["f", "g"], "auto", []),
        ("auto", ["f", "g"], "auto", []),
        ("none", ["f", "g"], "none", []),
        ("required", ["f", "g"], "auto", ["tool_choice"]),
        (named("g"), ["f", "g"], {"name": "g"}, []),
        (allowed("auto", "g"), ["g"], "auto", []),
        (allowed("auto", "g", "f"), ["f", "g"], "auto", []),
        (allowed("required", "g"), ["f", "g"], {"name": "g"}, []),
        (allowed("required", "g", "g"), ["f", "g"], {"name": "g"}, []),
        (allowed("required", "g", "f"), ["f", "g"], "auto", ["tool_choice"]),
    ],
)
def test_the_choice_of_a_function(
    choice: object, offered: list[str], function_call: object, dropped: list[str]
) -> None:
    body, left_out = encoded(**BOTH, tool_choice=choice)
    assert [function["name"] for function in body["functions"]] == offered
    assert body["function_call"] == function_call
    assert left_out == dropped


def test_one_function_that_is_required_is_named() -> None:
    assert sent(tools=[F], tool_choice="required")["function_call"] == {"name": "f"}


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_without_functions_there_is_no_choice_of_one(choice: str) -> None:
    # The word would let it call functions of its own.
    assert "function_call" not in sent(tool_choice=choice)


def test_a_function_is_described_with_what_its_schema_says_of_itself() -> None:
    parameters = {"type": "object", "description": "A query.", "properties": {}}
    function = {"name": "f", "description": "Looks up.", "parameters": parameters}
    (sent_function,) = sent(tools=[{"type": "function", "function": function}])["functions"]
    assert sent_function == {
        "name": "f",
        "description": "Looks up. A query.",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"name": "n", "schema": {"type": "object"}},
            {"schema": {"title": "n", "type": "object"}},
        ),
        (
            {"name": "n", "description": "d", "schema": {"title": "own"}, "strict": False},
            {"schema": {"title": "own", "description": "d"}, "strict": False},
        ),
        ({"name": "n", "schema": {}, "strict": None}, {"schema": {"title": "n"}}),
    ],
)
def test_a_schema_for_the_answer_goes_bare(spec: JSONObject, expected: JSONObject) -> None:
    wanted = {"type": "json_schema", "json_schema": spec}
    assert sent(response_format=wanted) == {"response_format": {"type": "json_schema", **expected}}


@pytest.mark.parametrize(
    "field",
    [
        {"seed": 1},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"logit_bias": {"1": 1}},
        {"parallel_tool_calls": False},
        {"metadata": {"a": "b"}},
        {"store": True},
        {"service_tier": "flex"},
        {"prompt_cache_key": "k"},
        {"safety_identifier": "s"},
        {"verbosity": "low"},
        {"prediction": {"type": "content", "content": "x"}},
        {"top_k": 5},
        {"made_up": 1},
    ],
)
def test_hints_are_left_out_and_named(field: JSONObject) -> None:
    assert encoded(**field) == ({}, [*field])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": "END"}, "stop"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(fields: JSONObject, param: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        encoded(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "0"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": "1"}, "max_completion_tokens"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"reasoning_effort": 1}, "reasoning_effort"),
        ({"user": 1}, "user"),
        ({"tools": [{**F, "function": {"name": "f", "parameters": {"type": "string"}}}]}, None),
    ],
)
def test_what_makes_no_sense_is_the_clients_fault(fields: JSONObject, param: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        encoded(**fields)
    assert caught.value.param == (param or "tools[0].function.parameters.type")


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case.kind == "gigachat" and case.has("upstream.json")],
    ids=str,
)
def test_what_was_recorded_is_what_gigachat_takes(case: Any) -> None:
    check_chat_request(case.json("upstream.json"))


def prepared(body: JSONObject) -> Adapter:
    """The adapter of a request, its pictures uploaded."""
    adapter = KIND.chat(make_call(body))
    steps = adapter.prepare()
    batch = next(steps, None)
    if batch is not None:
        with pytest.raises(StopIteration):
            steps.send([whole(200, b'{"id":"file-%d"}' % number) for number in range(len(batch))])
    return adapter


@given(chat_requests(without=["n", "logprobs", "top_logprobs", "stop", "https pictures"]))
def test_any_request_becomes_one_that_gigachat_takes_or_is_refused_by_name(
    body: JSONObject,
) -> None:
    try:
        adapter = prepared(body)
    except UpstreamUnsupported as refusal:
        # What is left to refuse is a second picture in a message.
        if not str(refusal.param).endswith(".image_url"):
            raise
        return
    check_chat_request(orjson.loads(adapter.encode().body))


@given(chat_requests())
def test_a_refusal_names_a_field(body: JSONObject) -> None:
    try:
        prepared(body)
    except UpstreamUnsupported as refusal:
        if not refusal.param:
            raise
