"""The whole request: limits, instructions, formats, stops, and what is reported as left out."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.adapters.anthropic.request import JSON_ONLY
from llm_gateway.adapters.contract import Adapter
from llm_gateway.errors import RequestError, UpstreamUnsupported
from llm_gateway.memory import Memory
from support.anthropic_models import MODELS
from support.anthropic_rules import check_messages_request
from support.calls import make_call, unchanged
from support.wire_files import Case, cases

JSONObject = dict[str, Any]
HI = [{"role": "user", "content": "Hi"}]
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: list[JSONObject] = [
    *HI,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "toolu_1", "content": "42"},
]
TOOLS = [{"type": "function", "function": {"name": "f"}}]
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
OLD, NEW = "claude-haiku-4-5", "claude-opus-5"


def adapter(model: str = "up-model", memory: Memory | None = None, **fields: Any) -> Adapter:
    body = {"model": "m", "messages": HI, **fields}
    return KIND.chat(make_call(body, model=model, memory=memory))


def sent(each: Adapter) -> JSONObject:
    """The request, which Anthropic takes."""
    body = check_messages_request(json.loads(each.encode().body))
    return {key: value for key, value in body.items() if key != "model"}


def remembering(model: str) -> Memory:
    """A memory of the thinking that led to the call."""
    memory = Memory()
    reply = {"type": "message", "content": [THOUGHT, USE], "stop_reason": "tool_use"}
    adapter(model, memory).decode(json.dumps(reply).encode())
    return memory


@pytest.mark.parametrize("case", [c for c in cases() if c.kind == "anthropic"], ids=str)
def test_anthropic_takes_every_recorded_request(case: Case) -> None:
    if case.has("upstream.json"):
        check_messages_request(case.json("upstream.json"))


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, 32_000),
        ({"max_tokens": None}, 32_000),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"max_completion_tokens": 7, "max_tokens": None}, 7),
    ],
)
def test_the_limit_is_the_clients_or_the_default(fields: JSONObject, limit: int) -> None:
    assert sent(adapter(**fields))["max_tokens"] == limit


def test_a_limit_of_zero_is_the_clients_own() -> None:
    assert json.loads(adapter(max_tokens=0).encode().body)["max_tokens"] == 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("effort", [None, "none", "minimal", "low", "medium", "high", "xhigh"])
def test_each_model_is_sent_what_it_takes(model: str, effort: str | None) -> None:
    fields: JSONObject = {"temperature": 0.3, "top_p": 0.9, "top_k": 3, "reasoning_effort": effort}
    sent(adapter(model, **fields))
    sent(adapter(model, tools=TOOLS, **fields))
    sent(adapter(model, messages=CALLED, **fields))


def test_stops_of_white_space_are_left_out_by_their_place() -> None:
    listed = adapter(stop=["\n", "END", ""])
    assert sent(listed)["stop_sequences"] == ["END"]
    assert listed.dropped == ("stop[0]", "stop[2]")
    single = adapter(stop="\n\n")
    assert "stop_sequences" not in sent(single)
    assert single.dropped == ("stop",)


def test_json_of_no_schema_is_asked_for_in_the_instructions() -> None:
    plain = adapter(response_format={"type": "json_object"})
    assert sent(plain)["system"] == [{"type": "text", "text": JSON_ONLY}]
    nameless = adapter(response_format={"type": "json_schema", "json_schema": {"name": "n"}})
    assert sent(nameless) == sent(plain)
    assert (plain.dropped, nameless.dropped) == ((), ())


def test_a_schema_keeps_its_own_title_and_description() -> None:
    schema = {"title": "T", "type": "integer"}
    spec = {"name": "n", "description": "D", "schema": schema}
    wanted = adapter(response_format={"type": "json_schema", "json_schema": spec})
    made = sent(wanted)["output_config"]["format"]["schema"]
    assert made == {"title": "T", "description": "D", "type": "integer"}


def test_effort_and_format_stand_together() -> None:
    spec = {"name": "n", "schema": {"type": "integer"}}
    both = adapter(
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": spec},
    )
    assert sent(both)["output_config"].keys() == {"effort", "format"}


def test_a_schema_with_free_keys_is_refused() -> None:
    spec = {"name": "n", "schema": {"type": "object"}}
    with pytest.raises(UpstreamUnsupported) as caught:
        adapter(response_format={"type": "json_schema", "json_schema": spec}).encode()
    assert caught.value.param == "response_format.json_schema.schema"


@pytest.mark.parametrize("model", [OLD, NEW])
def test_thinking_comes_back_with_the_results(model: str) -> None:
    each = adapter(model, remembering(model), messages=CALLED, tools=TOOLS, reasoning_effort="high")
    assert sent(each)["messages"][1]["content"] == [THOUGHT, USE]
    assert each.dropped == ()


def test_an_older_model_whose_thinking_is_lost_does_not_think() -> None:
    each = adapter(OLD, messages=CALLED, tools=TOOLS, reasoning_effort="high", temperature=0.3)
    body = sent(each)
    assert "thinking" not in body
    assert body["temperature"] == 0.3
    assert each.dropped == ("reasoning_effort",)


def test_a_newer_model_thinks_on() -> None:
    each = adapter(NEW, messages=CALLED, tools=TOOLS, reasoning_effort="high")
    assert sent(each)["thinking"]["type"] == "adaptive"
    assert each.dropped == ()


def test_an_older_model_that_has_to_call_a_tool_does_not_think() -> None:
    each = adapter(OLD, tools=TOOLS, tool_choice="required", reasoning_effort="high")
    assert "thinking" not in sent(each)
    assert each.dropped == ("reasoning_effort",)


@pytest.mark.parametrize(
    ("model", "effort"), [(OLD, None), (OLD, "none"), (NEW, "none"), ("claude-opus-4-8", None)]
)
def test_without_thinking_none_comes_back(model: str, effort: str | None) -> None:
    each = adapter(model, remembering(model), messages=CALLED, tools=TOOLS, reasoning_effort=effort)
    assert sent(each)["messages"][1]["content"] == [USE]


@pytest.mark.parametrize(("model", "effort"), [(NEW, None), ("claude-opus-5-5", "none")])
def test_where_a_model_may_think_it_comes_back(model: str, effort: str | None) -> None:
    each = adapter(model, remembering(model), messages=CALLED, tools=TOOLS, reasoning_effort=effort)
    assert sent(each)["messages"][1]["content"] == [THOUGHT, USE]


def test_a_call_without_a_result_is_refused_by_its_place() -> None:
    with pytest.raises(RequestError) as caught:
        adapter(messages=CALLED[:2]).encode()
    assert (caught.value.status, caught.value.param) == (400, "messages[1].tool_calls")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": "7"}, "max_tokens"),
        ({"user": 7}, "user"),
        ({"stop": 7}, "stop"),
        ({"reasoning_effort": "ultra"}, "reasoning_effort"),
        ({"parallel_tool_calls": 1, "tools": TOOLS}, "parallel_tool_calls"),
    ],
)
def test_wrong_values_are_refused_by_name(fields: JSONObject, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        adapter(**fields).encode()
    assert (caught.value.status, caught.value.param) == (400, param)


def test_the_clients_body_is_left_alone() -> None:
    body = {"model": "m", "messages": CALLED, "tools": TOOLS, "stop": ["\n"], "temperature": 2}
    before = unchanged(body)
    KIND.chat(make_call(body, memory=remembering("up-model"))).encode()
    assert body == before
