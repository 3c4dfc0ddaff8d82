"""Messages are typed by role, and every result of a tool stands by its call."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.fields import dropped, refused
from llm_gateway.adapters.messages import (
    INVALID_ARGUMENTS,
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    read_messages,
)
from llm_gateway.adapters.parts import Media, Text
from llm_gateway.errors import RequestError, UpstreamUnsupported
from llm_gateway.nesting import MAX_DEPTH
from support.tables import fields_with

HI = {"role": "user", "content": "Hi"}


def call(id: object = "c1", name: object = "f", arguments: object = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def called(*calls: object, **more: object) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [*calls], **more}


def result(id: object = "c1", content: object = "42", **more: object) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def read(*messages: object) -> tuple[Message, ...]:
    return read_messages([*messages], fields_with())


def read_arguments(text: str) -> dict[str, Any]:
    message = read(called(call(arguments=text)), result())[0]
    assert isinstance(message, AssistantMessage)
    return message.calls[0].arguments


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "Be brief."},
         SystemMessage((Text("Be brief."),), "messages[0]")),
        ({"role": "developer", "content": "Be brief.", "name": "Boss"},
         SystemMessage((Text("Be brief."),), "messages[0]", name="Boss")),
        (HI, UserMessage((Text("Hi"),), "messages[0]")),
        ({**HI, "name": "Ann"}, UserMessage((Text("Hi"),), "messages[0]", "Ann")),
        ({**HI, "name": None}, UserMessage((Text("Hi"),), "messages[0]")),
        ({"role": "assistant", "content": "Hi"},
         AssistantMessage((Text("Hi"),), (), "messages[0]")),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "name": "Bot"},
         AssistantMessage((Text("No."),), (), "messages[0]", name="Bot")),
        ({"role": "assistant", "content": "", "refusal": "No."},
         AssistantMessage((Text("No."),), (), "messages[0]")),
        ({"role": "assistant"}, AssistantMessage((), (), "messages[0]")),
        ({"role": "assistant", "content": "Hi", "reasoning_content": "Hm."},
         AssistantMessage((Text("Hi"),), (), "messages[0]", "Hm.")),
        ({"role": "assistant", "content": "Hi", "refusal": None, "audio": None,
          "function_call": None, "tool_calls": None, "annotations": [{"type": "url_citation"}]},
         AssistantMessage((Text("Hi"),), (), "messages[0]",
                          extra={"annotations": [{"type": "url_citation"}]})),
    ],
)  # fmt: skip
def test_each_role(message: dict[str, Any], expected: Message) -> None:
    assert read(message) == (expected,)


def test_a_user_may_send_pictures() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://x.invalid"}}
    (message,) = read({"role": "user", "content": [picture]})
    assert message.parts == (Media("", url="https://x.invalid"),)


def test_calls_and_their_results() -> None:
    first, second = call("c1", "f", '{"a": 1}'), {**call("c2", "g"), "index": 1, "new": True}
    messages = read(HI, called(first, second), result("c2", "b"), result("c1", "a"), HI)
    assert messages[1:4] == (
        AssistantMessage(
            (),
            (ToolCall("c1", "f", {"a": 1}), ToolCall("c2", "g", {}, {"new": True})),
            "messages[1]",
        ),
        ToolMessage("c2", "g", (Text("b"),), "messages[2]"),
        ToolMessage("c1", "f", (Text("a"),), "messages[3]"),
    )


def test_the_text_of_a_result_is_all_of_its_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = read(called(call()), result(content=parts))[1]
    assert isinstance(message, ToolMessage)
    assert message.text == "ab"


def test_an_id_may_be_used_again_once_it_is_answered() -> None:
    again = called(call("c1", "g"))
    messages = read(called(call("c1", "f")), result(), again, result())
    assert [each.name for each in messages if isinstance(each, ToolMessage)] == ["f", "g"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("{", {INVALID_ARGUMENTS: "{"}),
        ("[1]", {INVALID_ARGUMENTS: "[1]"}),
        ("null", {INVALID_ARGUMENTS: "null"}),
        ('{"a": NaN}', {INVALID_ARGUMENTS: '{"a": NaN}'}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(
    text: str, expected: dict[str, Any]
) -> None:
    assert read_arguments(text) == expected


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 5000])
def test_arguments_too_deep_to_be_written_again_travel_as_text(levels: int) -> None:
    text = '{"a":' * levels + "1" + "}" * levels
    assert read_arguments(text) == {INVALID_ARGUMENTS: text}


@pytest.mark.parametrize("function", [{"name": "f"}, {"name": "f", "arguments": None}])
def test_a_call_without_arguments_has_none(function: dict[str, Any]) -> None:
    message = read(called({"id": "c1", "function": function}), result())[0]
    assert isinstance(message, AssistantMessage)
    assert message.calls == (ToolCall("c1", "f", {}),)


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ({}, "messages", "invalid_type"),
        (["Hi"], "messages[0]", "invalid_type"),
        ([{}], "messages[0].role", "missing_required_parameter"),
        ([{"role": 1}], "messages[0].role", "invalid_type"),
        ([{"role": "boss", "content": "Hi"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "missing_required_parameter"),
        ([HI, {"role": "system", "content": None}], "messages[1].content", "invalid_type"),
        ([{**HI, "name": 1}], "messages[0].name", "invalid_type"),
        ([{"role": "assistant", "content": 1}], "messages[0].content", "invalid_type"),
        ([{"role": "assistant", "refusal": 1}], "messages[0].refusal", "invalid_type"),
        ([{"role": "assistant", "reasoning_content": []}], "messages[0].reasoning_content",
         "invalid_type"),
        ([{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls", "invalid_type"),
        ([called("c1")], "messages[0].tool_calls[0]", "invalid_type"),
        ([called({**call(), "type": None})], "messages[0].tool_calls[0].type", "invalid_type"),
        ([called({"id": "c1"})], "messages[0].tool_calls[0].function",
         "missing_required_parameter"),
        ([called({"function": {"name": "f"}})], "messages[0].tool_calls[0].id",
         "missing_required_parameter"),
        ([called({"id": "c1", "function": {}})], "messages[0].tool_calls[0].function.name",
         "missing_required_parameter"),
        ([called(call(id=""))], "messages[0].tool_calls[0].id", "invalid_value"),
        ([called(call(name=""))], "messages[0].tool_calls[0].function.name", "invalid_value"),
        ([called(call(arguments={}))], "messages[0].tool_calls[0].function.arguments",
         "invalid_type"),
        ([called(call(), call("c1", "g"))], "messages[0].tool_calls[1].id", "invalid_value"),
        ([called(call())], "messages[0].tool_calls", "invalid_value"),
        ([called(call(), call("c2")), result(), HI], "messages[0].tool_calls", "invalid_value"),
        ([result()], "messages[0].tool_call_id", "invalid_value"),
        ([called(call()), result(), result()], "messages[2].tool_call_id", "invalid_value"),
        ([called(call()), result([])], "messages[1].tool_call_id", "invalid_type"),
        ([called(call()), {"role": "tool", "content": ""}], "messages[1].tool_call_id",
         "missing_required_parameter"),
        ([called(call()), result(content=None)], "messages[1].content", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(messages: object, param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_messages(messages, fields_with())
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "1"}, "messages[0].role"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
         "messages[0].function_call"),
        (called({"id": "c1", "type": "custom", "custom": {"name": "f", "input": ""}}),
         "messages[0].tool_calls[0]"),
    ],
)  # fmt: skip
def test_what_openai_alone_takes_may_be_asked_of_another(
    message: dict[str, Any], param: str
) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        read(message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("message", "key", "pattern"),
    [
        ({**HI, "name": "Ann"}, "name", "messages[].name"),
        ({"role": "system", "content": "", "name": "Ann"}, "name", "messages[].name"),
        ({"role": "assistant", "name": "Ann"}, "name", "messages[].name"),
        ({"role": "assistant", "reasoning_content": "Hm."}, "reasoning_content",
         "messages[].reasoning_content"),
        ({"role": "assistant", "audio": {"id": "a"}}, "audio", "messages[].audio"),
        ({**HI, "new": 1}, "new", "messages[].*"),
        ({**HI, "tool_calls": [call()]}, "tool_calls", "messages[].*"),
        ({"role": "assistant", "images": []}, "images", "messages[].*"),
    ],
)  # fmt: skip
def test_the_table_decides_on_what_not_every_provider_knows(
    message: dict[str, Any], key: str, pattern: str
) -> None:
    fields = fields_with({pattern: dropped()})
    plain = {name: value for name, value in message.items() if name != key}
    assert read_messages([message], fields) == read(plain)
    assert fields.dropped == [f"messages[0].{key}"]
    assert read(message) != read(plain)
    with pytest.raises(UpstreamUnsupported) as caught:
        read_messages([message], fields_with({pattern: refused()}))
    assert caught.value.param == f"messages[0].{key}"


@pytest.mark.parametrize(
    ("made", "place"),
    [
        ({**call(), "new": 1}, "new"),
        ({"id": "c1", "function": {"name": "f", "new": 1}}, "function.new"),
    ],
)
def test_no_key_of_a_call_is_left_out_in_silence(made: dict[str, Any], place: str) -> None:
    fields = fields_with({"messages[].*": dropped()})
    read_messages([called(made), result()], fields)
    assert fields.dropped == [f"messages[0].tool_calls[0].{place}"]


def test_the_name_in_a_result_is_known_from_its_call() -> None:
    fields = fields_with({"messages[].name": dropped()})
    messages = [called(call()), result(name="f"), called(call()), result(name="g")]
    assert [message.extra for message in read_messages(messages, fields)] == [{}] * 4
    assert fields.dropped == ["messages[3].name"]


def test_annotations_of_nothing_are_no_demand() -> None:
    fields = fields_with({"messages[].*": dropped()})
    read_messages([{"role": "assistant", "content": "Hi", "annotations": []}], fields)
    assert fields.dropped == []


def test_a_long_conversation_is_read_in_its_order() -> None:
    messages = [HI, {"role": "assistant", "content": "Ho"}] * 500
    read_all = read_messages(json.loads(json.dumps(messages)), fields_with())
    assert [message.where for message in read_all] == [f"messages[{i}]" for i in range(1000)]
