"""A whole request is read, or refused with a place: whatever JSON a client sends."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway.adapters import conversation
from llm_gateway.adapters.conversation import (
    CONVERSATION_FIELDS,
    Conversation,
    JSONFormat,
    Text,
    Tool,
    ToolChoice,
    UserMessage,
    parse_conversation,
)
from llm_gateway.adapters.fields import Fields, Rule, dropped, refused, translated
from llm_gateway.errors import GatewayError, RequestError, UpstreamUnsupported
from support.any_json import anything, disturbed
from support.calls import unchanged
from support.openai_requests import chat_requests
from support.tables import all_fields, fields_with

MADE_UP = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RULES = st.sampled_from([translated("somehow"), dropped(), refused()])


def test_a_whole_request() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
        "response_format": {"type": "json_object"},
    }
    assert parse_conversation(body, fields_with()) == Conversation(
        (UserMessage((Text("Hi"),), "messages[0]"),),
        (Tool("f", "", None, "tools[0].function"),),
        ToolChoice("required"),
        JSONFormat(),
    )


def test_a_request_of_messages_alone() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    read = parse_conversation(body, fields_with())
    assert (read.tools, read.tool_choice, read.format) == ((), None, None)


def test_without_messages_there_is_no_conversation() -> None:
    with pytest.raises(RequestError, match="messages"):
        parse_conversation({}, fields_with())


def test_everything_for_formats_that_translate_is_here() -> None:
    assert all(hasattr(conversation, name) for name in conversation.__all__)


def test_each_row_stands_for_something_deeper() -> None:
    tops = {row.partition(".")[0] for row in CONVERSATION_FIELDS}
    assert tops == {"messages[]", "tools[]", "tool_choice", "response_format"}
    assert len(set(CONVERSATION_FIELDS)) == len(CONVERSATION_FIELDS)


# Keys and words of the format among anything else, so that values get past the first check.
WORDS = st.sampled_from(
    [
        "role", "content", "type", "text", "image_url", "url", "detail", "input_audio", "data",
        "format", "file", "file_data", "filename", "tool_calls", "id", "function", "name",
        "arguments", "tool_call_id", "refusal", "audio", "reasoning_content", "function_call",
        "parameters", "description", "strict", "custom", "allowed_tools", "mode", "tools",
        "json_schema", "json_object", "schema", "user", "system", "developer", "assistant", "tool",
        "auto", "none", "required", "https://x", "data:image/png;base64,AAAA", "{}", "",
    ]
)  # fmt: skip
VALUES = anything(WORDS)


def outcome(body: dict[str, Any], fields: Fields) -> Conversation | GatewayError:
    """The conversation in a body, or what is said to be wrong with it."""
    try:
        return parse_conversation(body, fields)
    except (RequestError, UpstreamUnsupported) as error:
        return error


def check_parses(body: dict[str, Any], rule: Rule) -> None:
    """A conversation comes of it, or a 400 with a place; the body stays as it is."""
    before = unchanged(body)
    fields = all_fields(rule)
    read = outcome(body, fields)
    if isinstance(read, GatewayError):
        assert read.status == 400
        assert read.param
        assert orjson.loads(read.body())
    else:
        assert read.tool_choice is None or read.tools
        check_written(read)
    assert body == before
    assert all(place.isprintable() for place in fields.dropped)


def check_written(read: Conversation) -> None:
    """What was read can be written again by any format."""
    values = [call.arguments for each in read.messages for call in getattr(each, "calls", ())]
    assert all(orjson.dumps(value) for value in values)
    for each in read.messages:
        for part in each.parts:
            assert isinstance(part, Text) or part.url or part.content


@given(VALUES, VALUES, VALUES, VALUES, RULES)
@MADE_UP
def test_any_json_is_a_conversation_or_a_400(
    messages: object, tools: object, tool_choice: object, response_format: object, rule: Rule
) -> None:
    body = {"messages": messages, "tools": tools, "tool_choice": tool_choice}
    check_parses({**body, "response_format": response_format}, rule)


@given(st.lists(st.dictionaries(WORDS, VALUES, max_size=6), max_size=4), RULES)
@MADE_UP
def test_any_messages_are_a_conversation_or_a_400(
    messages: list[dict[str, Any]], rule: Rule
) -> None:
    check_parses({"messages": messages}, rule)


@given(chat_requests().flatmap(lambda body: disturbed(body, VALUES)), RULES)
@MADE_UP
def test_a_good_request_with_something_strange_in_it_is_a_conversation_or_a_400(
    body: dict[str, Any], rule: Rule
) -> None:
    check_parses(body, rule)


@given(chat_requests())
@MADE_UP
def test_a_good_request_is_a_conversation(body: dict[str, Any]) -> None:
    fields = fields_with()
    read = parse_conversation(body, fields)
    assert len(read.messages) == len(body["messages"])
    assert len(read.tools) == len(body.get("tools", ()))
    assert fields.dropped == []


@pytest.mark.parametrize("levels", [300, 1000])
def test_however_deep_a_client_s_json_is(levels: int) -> None:
    deep = orjson.loads('{"a":' * levels + "1" + "}" * levels)
    bodies: list[dict[str, Any]] = [
        {"messages": [deep]},
        {"messages": [{"role": "user", "content": [deep], "x": deep}]},
        {
            "messages": [],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": deep}}],
        },
        {"messages": [], "response_format": deep, "tool_choice": deep},
    ]
    for body in bodies:
        read = outcome(body, all_fields(dropped()))
        assert isinstance(read, Conversation) or read.status == 400
