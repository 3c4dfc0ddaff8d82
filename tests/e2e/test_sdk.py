"""The official OpenAI SDK, sync and async, talks to a provider through the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam

from support import behaviours
from support.echo import echo
from support.openai_shapes import CALL_ID, CREATED, error_body
from support.recording_server import Handler
from support.scene import KEY, MODEL, SPARES, TOKEN, Scene
from support.sdk import openai_transport

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER: Any = [{"role": "user", "content": "Hello, gateway"}]
TOOLS: list[ChatCompletionToolParam] = [
    {
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
]


def sync_client(scene: Scene, token: str = TOKEN) -> OpenAI:
    return OpenAI(base_url=scene.base_url, api_key=token, max_retries=0, timeout=10)


@pytest.fixture
async def client(scene: Scene) -> AsyncIterator[AsyncOpenAI]:
    scene.provider.script(MODEL, echo)
    async with AsyncOpenAI(
        base_url=scene.base_url,
        api_key=TOKEN,
        max_retries=0,
        timeout=10,
        http_client=openai_transport(),
    ) as client:
        yield client


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def test_a_whole_answer(client: AsyncOpenAI, scene: Scene) -> None:
    answer = await client.chat.completions.create(
        model=MODEL, messages=USER, temperature=0.5, max_completion_tokens=100, seed=7
    )
    assert answer.choices[0].message.content == "You said: Hello, gateway"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4)
    assert answer.created == CREATED
    assert answer._request_id is not None
    assert scene.provider.requests[-1].json == {
        "model": MODEL,
        "messages": USER,
        "temperature": 0.5,
        "max_completion_tokens": 100,
        "seed": 7,
    }


async def test_the_provider_gets_its_own_key_and_never_the_clients(
    client: AsyncOpenAI, scene: Scene
) -> None:
    await client.chat.completions.create(model=MODEL, messages=USER)
    received = scene.provider.requests[-1]
    assert received.header("authorization") == f"Bearer {KEY}"
    assert TOKEN not in str(received.headers)
    assert not [name for name, _ in received.headers if name.lower().startswith("x-stainless")]


async def test_a_stream(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model=MODEL, messages=USER, stream=True)
    chunks = [chunk async for chunk in stream]
    assert text_of(chunks) == "You said: Hello, gateway"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


async def test_a_stream_with_usage(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=USER, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = [chunk async for chunk in stream]
    assert text_of(chunks) == "You said: Hello, gateway"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 6


async def test_a_tool_call_and_its_result(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=MODEL, messages=USER, tools=TOOLS, tool_choice="auto"
    )
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert (call.id, call.function.name) == (CALL_ID, "get_weather")
    assert call.function.arguments == '{"place": "Hello, gateway"}'
    asked: Any = message.to_dict()
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    final = await client.chat.completions.create(
        model=MODEL, messages=[*USER, asked, result], tools=TOOLS
    )
    assert final.choices[0].message.content == "The tools said: Rain."


async def test_a_streamed_tool_call(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model=MODEL, messages=USER, tools=TOOLS) as stream:
        kinds = [event.type async for event in stream]
        answer = await stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert (calls[0].id, calls[0].function.name) == (CALL_ID, "get_weather")
    assert calls[0].function.arguments == '{"place": "Hello, gateway"}'


async def test_the_models_list(client: AsyncOpenAI) -> None:
    listed = {model.id: model.owned_by async for model in client.models.list()}
    assert listed == {MODEL: "fake", "BIG": "llm-gateway"} | dict.fromkeys(SPARES, "fake")


@pytest.mark.parametrize("name", [MODEL, "BIG", f"fake/{MODEL}"])
async def test_any_name_that_can_be_asked_for_can_be_retrieved(
    client: AsyncOpenAI, name: str
) -> None:
    assert (await client.models.retrieve(name)).id == name
    answer = await client.chat.completions.create(model=name, messages=USER)
    assert answer.model == MODEL


async def test_an_unknown_model(client: AsyncOpenAI, scene: Scene) -> None:
    before = len(scene.provider.requests)
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="gpt-none", messages=USER, stream=True)
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    assert refused.value.request_id is not None
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-none")
    assert len(scene.provider.requests) == before


async def test_a_wrong_token(scene: Scene) -> None:
    before = len(scene.provider.requests)
    async with AsyncOpenAI(base_url=scene.base_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(model=MODEL, messages=USER, stream=True)
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    assert len(scene.provider.requests) == before


FAILURES: dict[str, tuple[Handler, type[openai.APIStatusError], int]] = {
    "400": (behaviours.error_json(400, error_body("bad")), openai.BadRequestError, 400),
    "401": (
        behaviours.error_json(401, error_body("no", code="invalid_api_key")),
        openai.InternalServerError,
        502,
    ),
    "403": (behaviours.error_json(403, error_body("no")), openai.InternalServerError, 502),
    "429": (behaviours.error_json(429, error_body("slow down")), openai.RateLimitError, 429),
    "500": (behaviours.error_json(500), openai.InternalServerError, 500),
    "503": (behaviours.error_json(503, "<html>"), openai.InternalServerError, 503),
    "reset": (behaviours.closes_before_head("reset"), openai.InternalServerError, 502),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_providers_failure_has_the_sdks_class(
    client: AsyncOpenAI, scene: Scene, name: str, stream: bool
) -> None:
    handler, expected, status = FAILURES[name]
    model = scene.spare()
    scene.provider.script(model, handler)
    with pytest.raises(expected) as refused:
        await client.chat.completions.create(model=model, messages=USER, stream=stream)
    assert refused.value.status_code == status
    assert type(refused.value) is expected
    assert KEY not in str(refused.value)


async def test_the_providers_words_about_the_request_reach_the_client(
    client: AsyncOpenAI, scene: Scene
) -> None:
    error = error_body("Too long.", param="messages", code="context_length_exceeded")
    scene.provider.script(MODEL, behaviours.error_json(400, error))
    with pytest.raises(openai.BadRequestError, match=r"Too long\.") as refused:
        await client.chat.completions.create(model=MODEL, messages=USER)
    assert refused.value.body == error["error"]


async def test_retry_after_reaches_the_client(client: AsyncOpenAI, scene: Scene) -> None:
    handler = behaviours.error_json(429, error_body("slow"), [("retry-after", "7")])
    model = scene.spare()
    scene.provider.script(model, handler)
    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=model, messages=USER)
    assert refused.value.response.headers["retry-after"] == "7"
    assert refused.value.response.headers["retry-after-ms"] == "7000"


async def test_a_stream_that_dies_raises_in_the_sdk(client: AsyncOpenAI, scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.dies_after(2, "reset"))
    stream = await client.chat.completions.create(model=MODEL, messages=USER, stream=True)
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIError, match="broke"):
        await collect(stream, chunks)
    assert text_of(chunks) == "Hello, gateway#1 Hello, gateway#2 "


async def collect[T](stream: AsyncIterator[T], seen: list[T]) -> None:
    async for item in stream:
        seen.append(item)


async def test_a_noisy_stream_does_not_break_the_sdk(client: AsyncOpenAI, scene: Scene) -> None:
    scene.provider.script(MODEL, behaviours.noisy_stream(3))
    stream = await client.chat.completions.create(model=MODEL, messages=USER, stream=True)
    chunks = [chunk async for chunk in stream]
    assert text_of(chunks) == "Hello, gateway#1 Hello, gateway#2 Hello, gateway#3 "


def whole(client: OpenAI) -> str | None:
    return client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content


def streamed(client: OpenAI) -> str:
    return text_of([*client.chat.completions.create(model=MODEL, messages=USER, stream=True)])


def called(client: OpenAI) -> str:
    with client.chat.completions.stream(model=MODEL, messages=USER, tools=TOOLS) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
        return calls[0].function.arguments if calls else ""


def counted(client: OpenAI) -> str:
    chunks: Iterator[ChatCompletionChunk] = iter(
        client.chat.completions.create(
            model=MODEL, messages=USER, stream=True, stream_options={"include_usage": True}
        )
    )
    usage = [*chunks][-1].usage
    return str(usage and usage.total_tokens)


def listed(client: OpenAI) -> str:
    return ",".join(model.id for model in client.models.list())


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (whole, "You said: Hello, gateway"),
        (streamed, "You said: Hello, gateway"),
        (called, '{"place": "Hello, gateway"}'),
        (counted, "6"),
        (listed, ",".join([MODEL, *SPARES, "BIG"])),
    ],
)
async def test_the_sync_client(scene: Scene, call: Callable[[OpenAI], str], expected: str) -> None:
    scene.provider.script(MODEL, echo)
    with sync_client(scene) as client:
        assert await asyncio.to_thread(call, client) == expected


async def test_the_sync_client_with_a_wrong_token(scene: Scene) -> None:
    with sync_client(scene, "wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await asyncio.to_thread(streamed, client)
        with pytest.raises(openai.AuthenticationError):
            await asyncio.to_thread(listed, client)


async def test_the_sync_client_and_an_unknown_model(scene: Scene) -> None:
    with sync_client(scene) as client, pytest.raises(openai.NotFoundError):
        await asyncio.to_thread(client.models.retrieve, "gpt-none")
