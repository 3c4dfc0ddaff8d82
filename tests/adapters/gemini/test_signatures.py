"""Signatures of tool calls are found again, wherever they were kept."""

from typing import Any

import pytest

from llm_gateway.adapters.conversation import ToolCall
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.gemini.fields import FIELDS
from llm_gateway.adapters.gemini.signatures import keep_signature, signature_of
from llm_gateway.errors import RequestError
from llm_gateway.memory import Memory
from support.calls import make_call

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
WHERE = "messages[1].tool_calls[0]"


def brought(content: object) -> ToolCall:
    return ToolCall("call_1", "f", {}, {"extra_content": content})


def found(made: ToolCall, memory: Memory | None = None) -> tuple[str, list[str]]:
    fields = Fields(FIELDS)
    return signature_of(make_call(HI, memory=memory), made, WHERE, fields), fields.dropped


def test_what_was_kept_is_found_by_the_id_of_the_call() -> None:
    memory = Memory()
    keep_signature(make_call(HI, memory=memory), "call_1", "AQID")
    assert found(ToolCall("call_1", "f", {}), memory) == ("AQID", [])
    assert found(ToolCall("call_2", "f", {}), memory) == ("", [])


def test_another_provider_s_is_not() -> None:
    memory = Memory()
    memory.keep("another", "call_1", "AQID")
    assert found(ToolCall("call_1", "f", {}), memory) == ("", [])


def test_what_the_client_is_given_it_may_bring_back() -> None:
    extra = keep_signature(make_call(HI), "call_1", "AQID")
    assert extra == {"extra_content": {"google": {"thought_signature": "AQID"}}}
    assert found(ToolCall("call_1", "f", {}, extra)) == ("AQID", [])


def test_what_was_kept_counts_more_than_what_is_brought() -> None:
    memory = Memory()
    memory.keep("p", "call_1", "AQID")
    assert found(brought({"google": {"thought_signature": "BAUG"}}), memory) == ("AQID", [])


@pytest.mark.parametrize(
    "content", [{}, {"google": {}}, {"google": {"thought_signature": 5}}, {"other": 1}, "x", []]
)
def test_what_else_is_brought_is_left_out_by_name(content: Any) -> None:
    assert found(brought(content)) == ("", [f"{WHERE}.extra_content"])


@pytest.mark.parametrize("signature", ["", "not base64!", "AQI=D", "é"])
def test_what_cannot_be_a_signature_is_the_client_s_mistake(signature: str) -> None:
    with pytest.raises(RequestError) as caught:
        found(brought({"google": {"thought_signature": signature}}))
    assert caught.value.param == f"{WHERE}.extra_content.google.thought_signature"
