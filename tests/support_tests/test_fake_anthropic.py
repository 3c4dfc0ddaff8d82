"""The fake of Anthropic refuses what Anthropic refuses, and its own SDK takes its answers."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from support.anthropic_answers import sign
from support.anthropic_rules import VERSION, Refused, check_messages_request
from support.fake_anthropic import FakeAnthropic
from support.openai_shapes import JSONObject
from support.pictures import PNG
from support.raw_http import RawConnection, request_bytes
from support.recording_server import Received, Reply

KEY = "sk-ant-test"
MODEL = "claude-haiku-4-5"
HI = {"role": "user", "content": [{"type": "text", "text": "one two"}]}
TOOL: Any = {
    "name": "look_up",
    "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
}
USE = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
CALLED = {"role": "assistant", "content": [USE]}
ANSWERED = {"role": "user", "content": [RESULT]}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "x"}
SCHEMA: Any = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CLOSED: Any = {**SCHEMA, "additionalProperties": False}


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    """A fake with the key and the model that are used here."""
    async with FakeAnthropic(KEY, models=(MODEL,)) as server:
        yield server


@pytest.fixture
async def client(fake: FakeAnthropic) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The official client, which speaks the newest version by itself."""
    async with anthropic.AsyncAnthropic(base_url=fake.url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


def text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def messages(*turns: JSONObject, **fields: object) -> JSONObject:
    return {"model": MODEL, "max_tokens": 2000, "messages": list(turns) or [HI], **fields}


def said(*blocks: object) -> JSONObject:
    return {"role": "user", "content": list(blocks)}


async def test_it_echoes_and_counts(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(**messages())
    assert (text(message), message.stop_reason) == ("You said: one two", "end_turn")
    assert (message.usage.input_tokens, message.model) == (2, MODEL)


async def test_it_streams_in_several_events(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(**messages()) as stream:
        pieces = [piece async for piece in stream.text_stream]
        whole = await stream.get_final_message()
    assert len(pieces) == 2
    assert ("".join(pieces), whole.stop_reason) == ("You said: one two", "end_turn")


async def test_it_stops_at_the_limit(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(**messages(max_tokens=2))
    assert (text(message), message.stop_reason) == ("You said:", "max_tokens")


async def test_it_calls_two_tools_and_repeats_their_results(
    client: anthropic.AsyncAnthropic,
) -> None:
    async with client.messages.stream(**messages(tools=[TOOL])) as stream:
        message = await stream.get_final_message()
    uses = [block for block in message.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == [("look_up", {"q": "text"})] * 2
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": str(number)}
        for number, use in enumerate(uses)
    ]
    answer = message.to_param()
    after = await client.messages.create(**messages(HI, answer, said(*results), tools=[TOOL]))  # type: ignore[arg-type] # the SDK's own
    assert text(after) == "The results: 0, 1"


async def test_its_thinking_has_to_come_back_unchanged(client: anthropic.AsyncAnthropic) -> None:
    fields: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL]}
    async with client.messages.stream(**messages(**fields)) as stream:
        message = await stream.get_final_message()
    thought, *uses = [block.model_dump(mode="json", exclude_none=True) for block in message.content]
    assert thought["signature"] == sign(MODEL, thought["thinking"])
    back = said(*({"type": "tool_result", "tool_use_id": use["id"]} for use in uses))
    answer = {"role": "assistant", "content": [thought, *uses]}
    await client.messages.create(**messages(HI, answer, back, **fields))
    forged = {"role": "assistant", "content": [{**thought, "thinking": "?"}, *uses]}
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        await client.messages.create(**messages(HI, forged, back, **fields))


async def test_it_answers_in_the_schema_asked_for(client: anthropic.AsyncAnthropic) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": CLOSED}}
    message = await client.messages.create(**messages(output_config=config))
    assert json.loads(text(message)) == {"n": 1}


async def test_it_says_what_it_saw(client: anthropic.AsyncAnthropic) -> None:
    data = base64.b64encode(PNG).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    address = {"type": "url", "url": "https://example.com/a.png"}
    plain = {"type": "text", "media_type": "text/plain", "data": "é"}
    seen = said(
        {"type": "image", "source": source},
        {"type": "image", "source": address},
        {"type": "document", "source": plain},
    )
    message = await client.messages.create(**messages(seen))
    assert text(message) == (
        f"I saw image/png of {len(PNG)} bytes, a picture at https://example.com/a.png, "
        "text/plain of 2 bytes"
    )


async def test_its_models_come_in_pages(fake: FakeAnthropic) -> None:
    fake.script("claude-opus-5", fake.answer)
    async with anthropic.AsyncAnthropic(base_url=fake.url, api_key=KEY) as client:
        assert [model.id async for model in client.models.list(limit=1)] == [MODEL, "claude-opus-5"]
    assert len(fake.requests) == 2


async def test_a_script_takes_the_place_of_the_answer(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic
) -> None:
    async def overloaded(_received: Received, reply: Reply) -> None:
        raise Refused("Overloaded", "overloaded_error", 529)

    fake.script("claude-opus-5", overloaded)
    with pytest.raises(anthropic.InternalServerError, match="Overloaded") as caught:
        await client.messages.create(**messages() | {"model": "claude-opus-5"})
    assert caught.value.status_code == 529


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages", {"x-api-key": None}, 401, "authentication_error"),
        ("POST", "/v1/messages", {"x-api-key": "sk-ant-other"}, 401, "authentication_error"),
        ("POST", "/v1/messages", {"anthropic-version": None}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", {"anthropic-version": "2020"}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", {"content-type": "text/plain"}, 415, "invalid_request_error"),
        ("POST", "/v1/messages", {}, 400, "invalid_request_error"),
        ("GET", "/v1/messages", {}, 405, "invalid_request_error"),
        ("GET", "/v1/models?limit=1001", {}, 400, "invalid_request_error"),
        ("POST", "/v1/complete", {}, 404, "not_found_error"),
    ],
)
async def test_a_wrong_call_is_refused_with_anthropics_error(
    fake: FakeAnthropic,
    method: str,
    path: str,
    headers: dict[str, str | None],
    status: int,
    kind: str,
) -> None:
    standard = {
        "x-api-key": KEY,
        "anthropic-version": VERSION,
        "content-type": "application/json",
    }
    sent = [(name, value) for name, value in {**standard, **headers}.items() if value is not None]
    async with RawConnection(fake.port) as raw:
        head, body = await raw.exchange(request_bytes(method, path, sent, b"{", host="fake"))
    assert head.status == status
    assert json.loads(body)["error"]["type"] == kind


async def test_a_model_it_has_not_is_not_found(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-none"):
        await client.messages.create(**messages() | {"model": "claude-none"})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"n": 1}, "n: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater"),
        ({"messages": []}, "at least one message"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [said()]}, "non-empty content"),
        ({"messages": [{**HI, "name": "x"}]}, "expected role and content"),
        ({"messages": [{"role": "system", "content": HI["content"]}]}, "messages.0.role"),
        ({"messages": [said({"type": "text", "text": " "})]}, "non-whitespace text"),
        ({"messages": [said({"type": "text", "text": "a", "x": 1})]}, "content.0.x: Extra inputs"),
        ({"messages": [said({"type": "audio"})]}, "Input tag 'audio'"),
        ({"messages": [said(USE)]}, "Input tag 'tool_use'"),
        ({"messages": [HI, HI]}, "roles must alternate"),
        ({"messages": [{**HI, "role": "assistant"}]}, "first message must use"),
        ({"messages": [HI, {"role": "assistant", "content": [{"type": "text", "text": "a "}]}]},
         "trailing whitespace"),
        ({"messages": [HI, {"role": "assistant", "content": [THOUGHT]}]}, "cannot be `thinking`"),
        ({"messages": [HI, CALLED]}, "without `tool_result` blocks immediately after: toolu_1"),
        ({"messages": [HI, CALLED, HI]}, "without `tool_result` blocks"),
        ({"messages": [said(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [HI, CALLED, said(*HI["content"], RESULT)]}, "must come before"),
        ({"messages": [HI, CALLED, ANSWERED, CALLED, ANSWERED]}, "ids must be unique"),
        ({"messages": [HI, CALLED, ANSWERED]}, "must define tools"),
        ({"messages": [HI, {"role": "assistant", "content": [{**USE, "id": "a:1"}]}]},
         "content.0.id: String should match pattern"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0.custom.name: String should match"),
        ({"tools": [{**TOOL, "x": 1}]}, "tools.0.custom.x: Extra inputs"),
        ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
        ({"tools": [{**TOOL, "input_schema": {}}]}, "input_schema.type"),
        ({"tools": [{**TOOL, "input_schema": {"type": "object", "anyOf": []}}]}, "top level"),
        ({"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"é": {}}}}]},
         "input_schema.properties: String should match"),
        ({"tools": [{**TOOL, "strict": True}]}, "'additionalProperties' must be false"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found"),
        ({"stop_sequences": ["\n"]}, "stop_sequences.0"),
        ({"system": [{"type": "text", "text": ""}]}, "system.0: text content blocks"),
        ({"metadata": {"user": "u"}}, "metadata.user: Extra inputs"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": 1, "top_p": 0.5}, "cannot both be specified"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, "at least 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "less than max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.5},
         "only be set to 1 when thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL],
          "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL],
          "messages": [HI, CALLED, ANSWERED]}, "but found `tool_use`"),
        ({"thinking": {"type": "adaptive"}}, "thinking.type.adaptive"),
        ({"output_config": {"effort": "high"}}, "does not support effort 'high'"),
        ({"model": "claude-opus-5", "temperature": 1}, "`temperature` is deprecated"),
        ({"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}},
         "forced tool use is not supported"),
        ({"model": "claude-opus-5", "thinking": {"type": "disabled"},
          "output_config": {"effort": "max"}}, "is not supported with effort 'max'"),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "must be false"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"title": "x"}}}},
         "Schema type is required"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer",
          "minimum": 1}}}}, "['minimum'] are not supported"),
    ],
)  # fmt: skip
def test_what_anthropic_refuses_is_refused(fields: JSONObject, says: str) -> None:
    with pytest.raises(Refused) as caught:
        check_messages_request(messages() | fields)
    assert says in str(caught.value)


def test_the_newest_version_knows_no_sampling() -> None:
    body = messages(temperature=0.5)
    assert check_messages_request(body) == body
    with pytest.raises(Refused, match="temperature: Extra inputs are not permitted"):
        check_messages_request(body, "2026-10-21")
