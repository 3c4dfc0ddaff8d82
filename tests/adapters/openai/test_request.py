"""What a dialect's table says becomes of what stands deeper in a request, and of the request."""

from typing import Any

import pytest

from llm_gateway.adapters.fields import PASSED, Rule, dropped, refused, renamed, translated
from llm_gateway.adapters.openai.dialects import FIELDS, OPENAI, Dialect
from llm_gateway.adapters.openai.request import encode
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.calls import unchanged

JSONObject = dict[str, Any]

OUT = dropped()
STRICT = {
    **FIELDS,
    "messages[].*": OUT,
    "tools[].*": OUT,
    "messages[].content[].cache_control": OUT,
    "*": OUT,
}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
LINKED = {"type": "image_url", "image_url": {"url": "HTTPS://p.invalid/a.png"}}


def sent(body: JSONObject, dialect: Dialect) -> tuple[JSONObject, list[str]]:
    """What is sent, and what is left out; the body stays as it is."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **body}
    before = unchanged(body)
    found, left_out = encode(body, "up", dialect)
    assert encode(body, "up", dialect) == (found, left_out)
    assert body == before
    assert found.pop("model") == "up"
    return found, left_out


def message_sent(message: JSONObject, dialect: Dialect) -> tuple[JSONObject, list[str]]:
    found, left_out = sent({"messages": [message]}, dialect)
    [only] = found["messages"]
    return only, left_out


def with_rows(**rows: Rule) -> Dialect:
    return Dialect({**FIELDS, **rows})


def with_row(name: str, rule: Rule) -> Dialect:
    return Dialect({**FIELDS, name: rule})


@pytest.mark.parametrize("messages", [[{"role": "odd", "content": 5}], [{"role": "user"}]])
def test_a_dialect_that_passes_all_passes_what_is_malformed(messages: list[Any]) -> None:
    body = {"messages": messages, "tools": 5, "tool_choice": [], "response_format": "x", "new": 1}
    assert sent(body, OPENAI) == (body, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": 5},
        {"tools": [5, {"type": "function"}, {"type": "function", "function": 5}]},
        {"tool_choice": [], "response_format": 5},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": 5}},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [5, {"type": "image_url"}, {"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": 5}]},
        {"messages": [{"role": "assistant", "tool_calls": [5, {"id": 5}, {"function": 5}]}]},
        {"messages": [{"role": "tool", "tool_call_id": 5, "content": None}]},
    ],
)
def test_what_is_malformed_is_left_to_the_provider(fields: JSONObject) -> None:
    dialect = Dialect(STRICT, call_id=str.upper, roles={"a": "b"}, values={"tools": {}})
    found, left_out = sent(fields, dialect)
    assert found == {"messages": [{"role": "user", "content": "Hi"}], **fields}
    assert left_out == []


def test_fields_are_renamed_and_left_out_as_the_table_says() -> None:
    dialect = with_rows(seed=renamed("random_seed"), user=OUT)
    found, left_out = sent({"seed": 1, "user": "u", "top_p": 1}, dialect)
    assert (found["random_seed"], found["top_p"], left_out) == (1, 1, ["user"])
    assert not found.keys() & {"seed", "user"}


def test_a_field_that_is_refused_is_named() -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        sent({"n": 2}, with_rows(n=refused("one is all")))
    assert caught.value.param == "n"
    assert "one is all" in caught.value.message


def test_a_field_under_both_of_its_names_is_the_client_s_mistake() -> None:
    dialect = with_rows(max_completion_tokens=renamed("max_tokens"))
    with pytest.raises(RequestError, match="not both"):
        sent({"max_completion_tokens": 1, "max_tokens": 2}, dialect)
    found, _ = sent({"max_completion_tokens": 1, "max_tokens": None}, dialect)
    assert found["max_tokens"] == 1


def test_the_option_of_counting_is_not_sent_to_those_who_count_anyway() -> None:
    dialect = Dialect({**FIELDS, "stream_options": translated("counted")}, counts_anyway=True)
    found, left_out = sent({"stream": True, "stream_options": {"include_usage": True}}, dialect)
    assert "stream_options" not in found
    assert left_out == []


@pytest.mark.parametrize(
    ("value", "expected"), [("minimal", "low"), ("high", "high"), (5, 5), (None, None)]
)
def test_values_are_mapped(value: object, expected: object) -> None:
    dialect = Dialect(values={"reasoning_effort": {"minimal": "low"}})
    found, _ = sent({"reasoning_effort": value}, dialect)
    assert found["reasoning_effort"] == expected


def test_roles_are_mapped() -> None:
    dialect = Dialect(roles={"developer": "system"})
    found, _ = message_sent({"role": "developer", "content": "Be brief."}, dialect)
    assert found == {"role": "system", "content": "Be brief."}


def test_ids_of_calls_are_mapped_in_calls_and_results() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    found, _ = sent({"messages": messages}, Dialect(call_id=str.upper))
    assert found["messages"][0]["tool_calls"][0]["id"] == "A"
    assert found["messages"][1]["tool_call_id"] == "A"


MESSAGES: list[tuple[JSONObject, JSONObject, list[str]]] = [
    ({"name": "Bob"}, {"name": "Bob"}, []),
    ({"x": 1}, {}, ["messages[0].x"]),
    ({"x": None, "y": ""}, {}, []),
    ({"name": None}, {}, []),
    ({"annotations": []}, {}, []),
    ({"annotations": [{"type": "url_citation"}]}, {}, ["messages[0].annotations"]),
    ({"refusal": None}, {}, []),
    ({"refusal": "No."}, {}, ["messages[0].refusal"]),
]


@pytest.mark.parametrize(("more", "expected", "left_out"), MESSAGES)
def test_keys_of_messages_that_are_unknown_are_left_out(
    more: JSONObject, expected: JSONObject, left_out: list[str]
) -> None:
    plain = {"role": "assistant", "content": "Hi"}
    assert message_sent({**plain, **more}, Dialect(STRICT)) == ({**plain, **expected}, left_out)


def test_names_of_keys_that_a_client_made_up_are_made_printable() -> None:
    message = {"role": "user", "content": "Hi", "a\r\nb": 1, "x" * 100: 2}
    _, left_out = message_sent(message, with_row("messages[].*", OUT))
    assert left_out == ["messages[0].a??b", f"messages[0].{'x' * 64}…"]


@pytest.mark.parametrize("content", [None, "", []])
def test_a_refusal_that_is_all_that_was_said_is_text(content: object) -> None:
    said = {"role": "assistant", "content": content, "refusal": "No."}
    found = {"role": "assistant", "content": "No."}
    assert message_sent(said, Dialect(STRICT)) == (found, [])
    assert message_sent(said, OPENAI) == (said, [])


def test_a_refusal_among_the_parts_is_text() -> None:
    said = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    found, left_out = message_sent(said, Dialect(STRICT))
    assert found["content"] == [{"type": "text", "text": "No."}]
    assert left_out == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"reasoning_content": "Hm"}, {"reasoning": "Hm"}),
        ({"reasoning_content": "Hm", "reasoning": "Hm"}, {"reasoning": "Hm"}),
        ({"reasoning": "Hm", "reasoning_content": "Hm"}, {"reasoning": "Hm"}),
        ({"reasoning_content": "Hm", "reasoning": ""}, {"reasoning": "Hm"}),
        ({"reasoning_content": ""}, {}),
        ({"reasoning_content": None}, {}),
    ],
)
def test_reasoning_goes_back_under_one_name(more: JSONObject, expected: JSONObject) -> None:
    rows = {"messages[].reasoning_content": renamed("reasoning"), "messages[].reasoning": PASSED}
    plain = {"role": "assistant", "content": "Hi"}
    dialect = Dialect({**STRICT, **rows})
    assert message_sent({**plain, **more}, dialect) == ({**plain, **expected}, [])


def test_keys_of_calls_that_are_unknown_are_left_out_and_numbers_without_a_word() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "tool_calls": [{**call, "index": 0, "extra_content": {"a": 1}}]}
    found, left_out = message_sent(said, Dialect(STRICT))
    assert found["tool_calls"] == [call]
    assert left_out == ["messages[0].tool_calls[0].extra_content"]


def test_keys_of_parts_that_are_unknown_are_left_out() -> None:
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    found, left_out = message_sent({"role": "user", "content": [part]}, Dialect(STRICT))
    assert found["content"] == [{"type": "text", "text": "Hi"}]
    assert left_out == ["messages[0].content[0].cache_control"]


@pytest.mark.parametrize(
    ("part", "scheme", "place"),
    [
        (PICTURE, "data:", "image_url.url"),
        (LINKED, "https:", "image_url.url"),
    ],
)
def test_pictures_are_refused_by_where_they_are(part: JSONObject, scheme: str, place: str) -> None:
    row = f"messages[].content[].image_url ({scheme})"
    message = {"role": "user", "content": [{"type": "text", "text": "?"}, part]}
    with pytest.raises(UpstreamUnsupported) as caught:
        message_sent(message, with_row(row, refused()))
    assert caught.value.param == f"messages[0].content[1].{place}"
    found, left_out = message_sent(message, with_row(row, OUT))
    assert found["content"] == message["content"][:1]
    assert left_out == [f"messages[0].content[1].{place}"]


def test_a_picture_s_detail_may_be_left_out() -> None:
    dialect = with_row("messages[].content[].image_url.detail", OUT)
    found, left_out = message_sent({"role": "user", "content": [PICTURE]}, dialect)
    url = PICTURE["image_url"]["url"]  # type: ignore[index] # of the picture above
    assert found["content"] == [{"type": "image_url", "image_url": {"url": url}}]
    assert left_out == ["messages[0].content[0].image_url.detail"]


@pytest.mark.parametrize("kind", ["input_audio", "file"])
def test_sounds_and_files_are_refused_by_name(kind: str) -> None:
    message = {"role": "user", "content": [{"type": kind, kind: {"data": "x"}}]}
    with pytest.raises(UpstreamUnsupported) as caught:
        message_sent(message, with_row(f"messages[].content[].{kind}", refused()))
    assert caught.value.param == f"messages[0].content[0].{kind}"


TOOL: JSONObject = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}


def test_strictness_and_unknown_keys_of_tools_are_left_out() -> None:
    tool = {**TOOL, "x": 1, "function": {**TOOL["function"], "y": 2}}
    rows = {**STRICT, "tools[].function.strict": OUT}
    found, left_out = sent({"tools": [tool]}, Dialect(rows))
    assert found["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert left_out == ["tools[0].x", "tools[0].function.y", "tools[0].function.strict"]


def test_custom_tools_are_refused_or_left_out() -> None:
    custom = {"type": "custom", "custom": {"name": "x"}}
    with pytest.raises(UpstreamUnsupported) as caught:
        sent({"tools": [TOOL, custom]}, with_row("tools[].custom", refused()))
    assert caught.value.param == "tools[1]"
    found, left_out = sent({"tools": [custom, TOOL]}, with_row("tools[].custom", OUT))
    assert (found["tools"], left_out) == ([TOOL], ["tools[0]"])


def test_a_choice_among_allowed_tools_is_refused_or_left_out() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}
    with pytest.raises(UpstreamUnsupported) as caught:
        sent({"tool_choice": choice}, with_row("tool_choice.allowed_tools", refused()))
    assert caught.value.param == "tool_choice"
    found, left_out = sent({"tool_choice": choice}, with_row("tool_choice.allowed_tools", OUT))
    assert "tool_choice" not in found
    assert left_out == ["tool_choice"]


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_a_format_of_the_answer_is_refused_or_left_out(kind: str) -> None:
    wanted = {"type": kind, "json_schema": {"name": "s", "schema": {}}}
    row = f"response_format.{kind}"
    with pytest.raises(UpstreamUnsupported) as caught:
        sent({"response_format": wanted}, with_row(row, refused()))
    assert caught.value.param == "response_format"
    found, left_out = sent({"response_format": wanted}, with_row(row, OUT))
    assert "response_format" not in found
    assert left_out == ["response_format"]


def test_a_schema_s_strictness_may_be_left_out() -> None:
    schema = {"name": "s", "schema": {}}
    wanted = {"type": "json_schema", "json_schema": {**schema, "strict": True}}
    dialect = with_row("response_format.json_schema.strict", OUT)
    found, left_out = sent({"response_format": wanted}, dialect)
    assert found["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert left_out == ["response_format.json_schema.strict"]
