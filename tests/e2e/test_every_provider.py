"""The official OpenAI SDK gets from every provider what OpenAI's API can say, through mitmdump."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support import behaviours
from support.fleet import TOKEN, Berth, Fleet, open_fleet
from support.pictures import PNG
from support.raw_http import RawConnection, json_request
from support.wire_files import Case, cases

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = (
    "openai",
    "openrouter",
    "groq",
    "anthropic",
    "gemini",
    "cloudflare",
    "cloudflare-openai",
    "cloudflare-gateway",
    "gigachat",
)
UNAUTHORIZED = 401
every_provider = pytest.mark.parametrize("name", NAMES)
USER: Any = [{"role": "user", "content": "Say marigold"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    },
}
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {"answer": {"type": "string"}},
            "required": ["answer"],
            "additionalProperties": False,
        },
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    async with open_fleet(directory, args=["-w", str(directory / "flows")]) as fleet:
        yield fleet
    recorded = (directory / "flows").read_bytes() + fleet.gateway.output().encode()
    assert b"get_weather" in recorded
    for secret in fleet.secrets:
        assert not _forms(secret) & {form for form in _forms(secret) if form in recorded}


def _forms(secret: str) -> set[bytes]:
    encoded = secret.encode()
    return {encoded, quote(secret, safe="").encode(), base64.b64encode(encoded)}


@pytest_asyncio.fixture(loop_scope="module")
async def client(fleet: Fleet) -> AsyncIterator[AsyncOpenAI]:
    async with fleet.client() as client:
        yield client


def fill_in(calls: Any) -> list[Any]:
    """A result for each call."""
    return [
        {"role": "tool", "tool_call_id": call.id, "content": f"sun-{number}"}
        for number, call in enumerate(calls)
    ]


@every_provider
async def test_a_whole_answer(client: AsyncOpenAI, name: str) -> None:
    answer = await client.chat.completions.create(
        model=f"{name}-chat",
        messages=[{"role": "system", "content": "Be short."}, *USER],
        max_completion_tokens=100,
        temperature=0.5,
    )
    [choice] = answer.choices
    assert "marigold" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens > answer.usage.prompt_tokens > 0


@every_provider
async def test_a_stream_with_usage(client: AsyncOpenAI, name: str) -> None:
    stream = await client.chat.completions.create(
        model=f"{name}-chat",
        messages=USER,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "marigold" in text
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert len({chunk.id for chunk in (*chunks, last)}) == 1
    assert len({chunk.created for chunk in (*chunks, last)}) == 1
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks)


@every_provider
async def test_a_stream_has_no_usage_that_was_not_asked_for(client: AsyncOpenAI, name: str) -> None:
    stream = await client.chat.completions.create(model=f"{name}-chat", messages=USER, stream=True)
    chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
@every_provider
async def test_tool_calls_and_their_results_in_a_second_turn(
    client: AsyncOpenAI, fleet: Fleet, name: str, stream: bool
) -> None:
    question: Any = [{"role": "user", "content": "The weather in two places"}]
    common: Any = {"model": f"{name}-chat", "tools": [WEATHER]}
    if stream:
        async with client.chat.completions.stream(messages=question, **common) as events:
            answer: Any = await events.get_final_completion()
    else:
        answer = await client.chat.completions.create(messages=question, **common)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert len(calls) == fleet.berths[name].calls
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert call.function.name == "get_weather"
        assert set(json.loads(call.function.arguments)) == {"place"}
    # As a client that keeps what OpenAI's API has, and nothing else.
    asked = {
        "role": "assistant",
        "content": choice.message.content,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ],
    }
    messages: Any = [*question, asked, *fill_in(calls)]
    final = await client.chat.completions.create(messages=messages, **common)
    assert final.choices[0].finish_reason == "stop"
    for number in range(len(calls)):
        assert f"sun-{number}" in (final.choices[0].message.content or "")


@every_provider
async def test_a_picture_reaches_the_provider(client: AsyncOpenAI, fleet: Fleet, name: str) -> None:
    berth = fleet.berths[name]
    before = len(berth.fake.requests)
    picture = base64.b64encode(PNG).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    content = [{"type": "text", "text": "What is this?"}, part]
    messages: Any = [{"role": "user", "content": content}]
    answer = await client.chat.completions.create(model=f"{name}-chat", messages=messages)
    assert answer.choices[0].message.content
    bodies = [request.body for request in berth.fake.requests[before:]]
    assert any(picture.encode() in body or PNG in body for body in bodies)


@every_provider
async def test_an_answer_in_json_to_a_schema(client: AsyncOpenAI, name: str) -> None:
    answer = await client.chat.completions.create(
        model=f"{name}-chat", messages=USER, response_format=SCHEMA
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"answer"}


@pytest.mark.parametrize("name", ["openai", "openrouter", "gemini", "cloudflare", "gigachat"])
async def test_pictures_are_drawn(client: AsyncOpenAI, name: str) -> None:
    drawn = await client.images.generate(model=f"{name}-image", prompt="A marigold", n=2)
    assert drawn.data is not None
    assert len(drawn.data) == 2
    for picture in drawn.data:
        content = base64.b64decode(picture.b64_json or "")
        assert content.startswith((b"\x89PNG", b"\xff\xd8\xff"))


@pytest.mark.parametrize("name", ["openai", "openrouter", "gemini", "cloudflare", "gigachat"])
async def test_a_picture_may_be_had_as_bytes(fleet: Fleet, name: str) -> None:
    body = {"model": f"{name}-image", "prompt": "A marigold"}
    request = json_request("/image", body, host="localhost", token=TOKEN)
    async with RawConnection(fleet.gateway.port) as connection:
        head, content = await connection.exchange(request)
    assert head.status == 200, content
    signatures = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}
    assert content.startswith(signatures[head.header("content-type") or ""])


@pytest.mark.parametrize("name", ["openai", "gemini"])
async def test_several_answers(client: AsyncOpenAI, name: str) -> None:
    answer = await client.chat.completions.create(model=f"{name}-chat", messages=USER, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


@pytest.mark.parametrize("name", ["groq", "anthropic", "cloudflare", "gigachat"])
async def test_what_would_change_the_answer_is_refused_by_name(
    client: AsyncOpenAI, name: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=f"{name}-chat", messages=USER, n=2)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")


FAILURES = [
    case
    for case in cases()
    if case.has("failure.json") and case.kind in NAMES and case.kind != "cloudflare-gateway"
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", FAILURES, ids=str)
async def test_a_providers_error_reaches_the_client_with_its_meaning(
    client: AsyncOpenAI, fleet: Fleet, case: Case, stream: bool
) -> None:
    berth: Berth = fleet.berths[case.kind]
    failure = case.json("failure.json")
    model = fleet.spare(case.kind)
    berth.fake.script(
        model, behaviours.error_json(failure["status"], failure["body"], _list(failure))
    )
    with pytest.raises(openai.APIStatusError) as raised:
        await client.chat.completions.create(
            model=f"{case.kind}/{model}", messages=USER, stream=stream
        )
    expected = told(case, model)
    assert raised.value.status_code == expected["status"]
    body: Any = raised.value.body
    assert {key: body[key] for key in expected["error"]} == expected["error"]
    headers = raised.value.response.headers
    assert ("retry-after" in headers) == (expected["retry_after"] is not None)
    is_final = expected["retry"] == "elsewhere" and expected["retry_after"] is None
    assert headers.get("x-should-retry") == ("false" if is_final else None)


def told(case: Case, model: str) -> Any:
    """The error of a case as the client has it, from the only target of what it asked for."""
    expected = case.json("error.json")
    failure = case.json("failure.json")
    if expected["retry_after"] is not None and not failure["headers"]:
        expected["error"].pop("message")  # may count down to a time of day
    elif expected["error"]["code"] == "model_not_found":
        message = f"The model `{case.kind}/{model}` does not exist at its provider."
        expected["error"]["message"] = message
    elif case.kind == "gigachat" and failure["status"] == UNAUTHORIZED:
        # Its access tokens may be renewed.
        way = f"gigachat/{model}=upstream_auth_error x2"
        expected["error"]["message"] += f" Tried: {way}."
    return expected


def _list(failure: dict[str, Any]) -> list[tuple[str, str]]:
    fields = failure["headers"].items()
    return [(name, value) for name, value in fields if name.lower() != "content-type"]


async def test_a_refused_access_token_is_replaced_without_the_client_seeing_it(
    client: AsyncOpenAI, fleet: Fleet
) -> None:
    ask: Any = {"model": "gigachat-chat", "messages": USER}
    await client.chat.completions.create(**ask)
    before = fleet.gigachat.token_requests
    await client.chat.completions.create(**ask)
    assert fleet.gigachat.token_requests == before
    fleet.gigachat.expire_tokens()
    response = await client.chat.completions.with_raw_response.create(**ask)
    assert fleet.gigachat.token_requests == before + 1
    assert response.headers["x-ai-proxy-attempts"] == "2"


async def test_what_a_provider_cannot_be_told_is_named_in_the_headers(
    client: AsyncOpenAI,
) -> None:
    response = await client.chat.completions.with_raw_response.create(
        model="anthropic-chat", messages=USER, seed=7, user="somebody"
    )
    assert response.headers["x-ai-proxy-dropped"] == "seed"
    response = await client.chat.completions.with_raw_response.create(
        model="openai-chat", messages=USER, seed=7
    )
    assert "x-ai-proxy-dropped" not in response.headers


async def test_what_providers_list_can_be_asked_for(client: AsyncOpenAI) -> None:
    listed = {model.id: model.owned_by async for model in client.models.list()}
    assert listed["gemini/gemini-2.5-pro"] == "gemini"
    # It has a name in the configuration, which is the one to be listed.
    assert "anthropic/claude-haiku-4-5" not in listed
    assert listed["anthropic-chat"] == "anthropic"
    answer = await client.chat.completions.create(model="gemini/gemini-2.5-pro", messages=USER)
    assert "marigold" in (answer.choices[0].message.content or "")
