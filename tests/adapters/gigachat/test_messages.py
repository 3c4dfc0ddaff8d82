"""Conversations are put in GigaChat's order, and function states go back with their calls."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.gigachat import KIND
from llm_gateway.adapters.gigachat.fields import JSON_INSTRUCTION
from llm_gateway.memory import Memory
from support.calls import make_call
from support.gigachat_rules import check_chat_request
from support.openai_shapes import JSONObject

USER: JSONObject = {"role": "user", "content": "Hi"}


def messages_of(
    *messages: JSONObject, memory: Memory | None = None, **fields: Any
) -> list[JSONObject]:
    """The messages that are sent for these."""
    body = {"model": "m", "messages": [*messages], **fields}
    sent: JSONObject = json.loads(KIND.chat(make_call(body, memory=memory)).encode().body)
    return list(check_chat_request(sent)["messages"])


def called(*ids: str, name: str = "f", content: str | None = None) -> JSONObject:
    function = {"name": name, "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": function} for id in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(id: str, content: str = "{}") -> JSONObject:
    return {"role": "tool", "tool_call_id": id, "content": content}


@pytest.mark.parametrize(
    ("contents", "joined"),
    [(["a"], "a"), (["a", "b"], "a\n\nb"), (["", "a", ""], "a"), ([[]], None), ([""], None)],
)
def test_all_system_messages_are_one_and_the_first(contents: list[Any], joined: str | None) -> None:
    system = [{"role": "system", "content": content} for content in contents]
    first = [] if joined is None else [{"role": "system", "content": joined}]
    assert messages_of(USER, *system) == [*first, USER]
    developer = [{"role": "developer", "content": content} for content in contents]
    assert messages_of(*developer, USER) == [*first, USER]


def test_json_is_asked_for_in_words_where_there_is_no_schema() -> None:
    wanted = {"type": "json_object"}
    instruction = {"role": "system", "content": JSON_INSTRUCTION}
    assert messages_of(USER, response_format=wanted) == [instruction, USER]
    system = {"role": "system", "content": "Be brief."}
    both = {"role": "system", "content": f"Be brief.\n\n{JSON_INSTRUCTION}"}
    assert messages_of(system, USER, response_format=wanted) == [both, USER]


def test_several_calls_become_one_after_another_with_their_results_between() -> None:
    sent = messages_of(USER, called("a", "b", content="Ok"), result("b", '{"n":2}'), result("a"))
    assert [each["role"] for each in sent] == [
        "user", "assistant", "function", "assistant", "function",
    ]  # fmt: skip
    assert [each["content"] for each in sent] == ["Hi", "Ok", "{}", "", '{"n":2}']


def test_ids_may_come_again_in_another_turn() -> None:
    first, second = (called("a"), result("a", '{"n":1}')), (called("a"), result("a", '{"n":2}'))
    sent = messages_of(USER, *first, USER, *second)
    contents = [each["content"] for each in sent if each["role"] == "function"]
    assert contents == ['{"n":1}', '{"n":2}']


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("{}", "{}"),
        ("", '{"result":""}'),
        ("sunny", '{"result":"sunny"}'),
        ("5", '{"result":5}'),
        ("12345678901234567890123", '{"result":12345678901234567890123}'),
        ("[1, 2]", '{"result":[1, 2]}'),
        ("null", '{"result":null}'),
        ('"тепло"', '{"result":"тепло"}'),
        ('say "hi"\n', '{"result":"say \\"hi\\"\\n"}'),
        ("{broken", '{"result":"{broken"}'),
        ("NaN", '{"result":"NaN"}'),
    ],
)
def test_a_result_is_an_object_in_a_string(content: str, sent: str) -> None:
    assert messages_of(USER, called("a"), result("a", content))[-1]["content"] == sent


def test_the_state_of_a_call_goes_back_with_it() -> None:
    memory = Memory()
    memory.keep("p", "a", "state-a")
    memory.keep("other", "b", "not of this provider")
    sent = messages_of(USER, called("a", "b"), result("a"), result("b"), memory=memory)
    assert sent[1]["functions_state_id"] == "state-a"
    assert "functions_state_id" not in sent[3]


def test_the_state_of_an_answer_is_found_in_the_next_turn() -> None:
    memory = Memory()
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = {"model": "m", "messages": [USER], "tools": tools}
    call = {"name": "f", "arguments": {}}
    message = {"role": "assistant", "content": "", "function_call": call, "functions_state_id": "s"}
    reply = {"choices": [{"message": message, "finish_reason": "function_call"}]}
    answer = KIND.chat(make_call(body, memory=memory)).decode(json.dumps(reply).encode())
    said = json.loads(answer)["choices"][0]["message"]
    id = said["tool_calls"][0]["id"]
    assert len(id) <= 40
    assert messages_of(USER, said, result(id), memory=memory)[1]["functions_state_id"] == "s"


def test_names_are_the_same_in_the_history_and_in_the_offer() -> None:
    body = {
        "model": "m",
        "messages": [USER, called("a", name="2nd"), result("a")],
        "tools": [{"type": "function", "function": {"name": "2nd"}}],
    }
    sent = check_chat_request(json.loads(KIND.chat(make_call(body)).encode().body))
    (name,) = {
        sent["functions"][0]["name"],
        sent["messages"][1]["function_call"]["name"],
        sent["messages"][2]["name"],
    }
    assert name != "2nd"
