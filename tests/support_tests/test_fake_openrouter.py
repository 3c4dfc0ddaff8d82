"""The fake OpenRouter answers in OpenRouter's way and refuses what OpenRouter refuses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types import ImagesResponse

from support.fake_openrouter import CODER, PAINTER, FakeOpenRouter, limited_inside_200
from support.openrouter_rules import Refused, check_chat_request, check_images_request
from support.raw_http import RawConnection, json_request
from support.sdk import openai_transport

KEY = "sk-or-v1-test"
HOST = "provider.test"
USER: Any = {"role": "user", "content": "one two"}
PARAMETERS = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS}}


@pytest.fixture
async def provider() -> AsyncIterator[FakeOpenRouter]:
    async with FakeOpenRouter(KEY) as server:
        yield server


@pytest.fixture
async def sdk(provider: FakeOpenRouter) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key=KEY, max_retries=0, http_client=openai_transport()
    ) as client:
        yield client


async def test_a_whole_answer_names_who_gave_it(sdk: openai.AsyncOpenAI) -> None:
    answer: Any = await sdk.chat.completions.create(model=CODER, messages=[USER])
    assert answer.choices[0].message.content == "You said: one two"
    assert (answer.provider, answer.choices[0].native_finish_reason) == ("Chutes", "stop")
    assert answer.usage.total_tokens == 6


async def stream_of(provider: FakeOpenRouter, **fields: object) -> list[str]:
    body = {"model": CODER, "messages": [USER], "stream": True, **fields}
    async with RawConnection(provider.port) as client:
        path = "/api/v1/chat/completions"
        await client.send(json_request(path, body, host=HOST, token=KEY))
        head = await client.read_head()
        return [event async for event in client.events(head) if event]


async def test_a_stream_repeats_the_role_and_counts_unasked(provider: FakeOpenRouter) -> None:
    events = await stream_of(provider)
    *chunks, done = events
    assert done == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks]
    assert {chunk["choices"][0]["delta"]["role"] for chunk in parsed} == {"assistant"}
    assert [bool(chunk.get("usage")) for chunk in parsed] == [False] * (len(parsed) - 1) + [True]
    assert parsed[-1]["choices"][0]["delta"]["content"] == ""


async def test_comments_come_while_the_model_is_waited_for(provider: FakeOpenRouter) -> None:
    body = {"model": CODER, "messages": [USER], "stream": True}
    async with RawConnection(provider.port) as client:
        _, content = await client.exchange(
            json_request("/api/v1/chat/completions", body, host=HOST, token=KEY)
        )
    assert content.startswith(b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {")


async def test_reasoning_and_calls_of_tools_are_streamed(provider: FakeOpenRouter) -> None:
    events = await stream_of(provider, tools=[TOOL], reasoning_effort="low")
    deltas = [json.loads(each)["choices"][0]["delta"] for each in events[:-1]]
    assert "".join(d.get("reasoning", "") for d in deltas) == "The user said something."
    calls = [call for d in deltas for call in d.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1]


async def test_pictures_come_in_base64(provider: FakeOpenRouter) -> None:
    body = {"model": PAINTER, "prompt": "a dot", "n": 2}
    async with RawConnection(provider.port) as client:
        head, content = await client.exchange(
            json_request("/api/v1/images", body, host=HOST, token=KEY)
        )
    assert head.status == 200
    drawn = ImagesResponse.model_construct(**json.loads(content))
    assert drawn.data is not None
    assert len(drawn.data) == 2


async def test_the_list_tells_what_comes_out_of_models(provider: FakeOpenRouter) -> None:
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=KEY) as client:
        listed: list[Any] = (await client.models.list()).data
    assert {model.id: model.architecture["output_modalities"] for model in listed} == {
        CODER: ["text"],
        PAINTER: ["image", "text"],
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_a_limit_may_come_inside_a_200(
    provider: FakeOpenRouter, sdk: openai.AsyncOpenAI, stream: bool
) -> None:
    provider.script("limited", limited_inside_200(stream=stream))
    if stream:
        with pytest.raises(openai.APIError, match="Provider returned error"):
            async for _ in await sdk.chat.completions.create(
                model="limited", messages=[USER], stream=True
            ):
                pass
        return
    answer: Any = await sdk.chat.completions.create(model="limited", messages=[USER])
    assert (answer.choices, answer.error["code"]) == (None, 429)


async def test_its_errors_have_a_number_for_their_code(
    provider: FakeOpenRouter, sdk: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat.completions.create(model="gpt-0", messages=[USER])
    assert caught.value.body == {"message": "gpt-0 is not a valid model ID", "code": 400}
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key="x", max_retries=0) as other:
        with pytest.raises(openai.AuthenticationError, match=r"User not found\."):
            await other.models.list()


def request(**fields: object) -> dict[str, object]:
    return {"model": CODER, "messages": [USER], **fields}


@pytest.mark.parametrize(
    "body",
    [
        request(provider={"order": ["Chutes"]}, reasoning={"effort": "high"}, top_k=5),
        request(unknown_field=1, models=[CODER]),
        request(modalities=["image", "text"]),
        request(
            messages=[
                USER,
                {"role": "assistant", "content": "x", "reasoning": "r", "reasoning_details": []},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                    ],
                },
            ]
        ),
    ],
)
def test_what_openrouter_takes_beyond_openai_is_taken(body: dict[str, object]) -> None:
    assert check_chat_request(body) == body


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "Invalid JSON"),
        ({"model": CODER}, "Input required"),
        (request(provider={"orders": []}), "provider: Invalid input"),
        (request(reasoning={"effort": "low", "max_tokens": 5}), "reasoning: Invalid input"),
        (request(top_k="5"), "top_k: Invalid input"),
        (request(modalities=["smell"]), "modalities: Invalid input"),
        (request(temperature=3), "Invalid 'temperature'"),
        (request(stop=list("abcde")), "Invalid 'stop'"),
        (request(messages=[{**USER, "x": 1}]), "Unknown parameter"),
        (request(messages=[5]), "expected an object"),
    ],
)
def test_what_openrouter_refuses_is_refused(body: object, text: str) -> None:
    with pytest.raises(Refused) as caught:
        check_chat_request(body)
    assert text in caught.value.body["error"]["message"]
    assert caught.value.body["error"]["code"] == 400


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "Invalid JSON"),
        ({"prompt": "x"}, "model: Required"),
        ({"model": PAINTER}, "prompt: Required"),
        ({"model": PAINTER, "prompt": "x", "response_format": "url"}, "Unrecognized key"),
        ({"model": PAINTER, "prompt": "x", "n": 11}, "n: Invalid input"),
    ],
)
def test_what_openrouter_does_not_draw_is_refused(body: object, text: str) -> None:
    with pytest.raises(Refused, match=text):
        check_images_request(body)
