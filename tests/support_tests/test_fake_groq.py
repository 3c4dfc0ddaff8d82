"""The fake Groq takes what the official SDK sends, and answers and refuses in Groq's way."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import groq
import pytest

from support.fake_groq import GPT_OSS, LLAMA, RETIRED, FakeGroq
from support.groq_rules import Refused, check_chat_request
from support.pictures import PNG
from support.sdk import transport

KEY = "gsk_test"
USER: Any = {"role": "user", "content": "one two"}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: Any = {"role": "assistant", "tool_calls": [CALL]}
PARAMETERS = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS}}


@pytest.fixture
async def provider() -> AsyncIterator[FakeGroq]:
    async with FakeGroq(KEY) as server:
        yield server


@pytest.fixture
async def sdk(provider: FakeGroq) -> AsyncIterator[groq.AsyncGroq]:
    async with groq.AsyncGroq(
        base_url=provider.url, api_key=KEY, max_retries=0, http_client=transport()
    ) as client:
        yield client


async def test_a_whole_answer_repeats_the_text_and_counts(sdk: groq.AsyncGroq) -> None:
    answer = await sdk.chat.completions.create(model=LLAMA, messages=[USER])
    assert answer.choices[0].message.content == "You said: one two"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4)


async def test_a_stream_counts_in_x_groq_alone(sdk: groq.AsyncGroq) -> None:
    stream = await sdk.chat.completions.create(model=LLAMA, messages=[USER], stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "You said: one two"
    assert all(chunk.usage is None for chunk in chunks)
    last = chunks[-1].x_groq
    assert last is not None
    assert last.usage is not None
    assert last.usage.total_tokens == 6


async def test_two_tools_are_called_whole_in_one_delta(sdk: groq.AsyncGroq) -> None:
    stream = await sdk.chat.completions.create(
        model=LLAMA, messages=[USER], tools=[TOOL], stream=True
    )
    [calls] = [c.choices[0].delta.tool_calls async for c in stream if c.choices[0].delta.tool_calls]
    functions = [call.function for call in calls]
    assert [call.index for call in calls] == [0, 1]
    assert [each.arguments for each in functions if each is not None] == ['{"q": "one two"}'] * 2


async def test_results_of_tools_are_repeated(sdk: groq.AsyncGroq) -> None:
    result: Any = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    answer = await sdk.chat.completions.create(
        model=LLAMA, messages=[USER, CALLED, result], tools=[TOOL]
    )
    assert answer.choices[0].message.content == "The tools said: sunny"


async def test_it_says_what_picture_it_saw(sdk: groq.AsyncGroq) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    part: Any = {"type": "image_url", "image_url": {"url": url}}
    answer = await sdk.chat.completions.create(
        model=LLAMA, messages=[{"role": "user", "content": [part]}]
    )
    assert answer.choices[0].message.content == f"I see image/png of {len(PNG)} bytes"


@pytest.mark.parametrize(
    ("wanted", "content"),
    [
        ({"type": "json_object"}, '{"said": "one two json"}'),
        (
            {"type": "json_schema", "json_schema": {"name": "s", "schema": PARAMETERS}},
            '{"q": "one two json"}',
        ),
    ],
)
async def test_json_is_written_where_it_is_asked_for(
    sdk: groq.AsyncGroq, wanted: Any, content: str
) -> None:
    answer = await sdk.chat.completions.create(
        model=LLAMA,
        messages=[{"role": "user", "content": "one two json"}],
        response_format=wanted,
    )
    assert answer.choices[0].message.content == content


async def test_it_thinks_aloud_where_it_can(sdk: groq.AsyncGroq) -> None:
    answer = await sdk.chat.completions.create(
        model=GPT_OSS, messages=[USER], reasoning_effort="low"
    )
    message: Any = answer.choices[0].message
    assert message.reasoning == "The user said something."


async def test_reasoning_in_the_history_is_refused_by_models_that_do_not_think(
    sdk: groq.AsyncGroq,
) -> None:
    history: Any = [USER, {"role": "assistant", "content": "Hm", "reasoning": "x"}, USER]
    await sdk.chat.completions.create(model=GPT_OSS, messages=history)
    with pytest.raises(groq.BadRequestError, match="reasoning is not supported with this model"):
        await sdk.chat.completions.create(model=LLAMA, messages=history)


async def test_the_list_holds_models_that_are_no_longer_active(sdk: groq.AsyncGroq) -> None:
    listed: list[Any] = (await sdk.models.list()).data
    assert {model.id: model.active for model in listed} == {
        LLAMA: True,
        GPT_OSS: True,
        RETIRED: False,
        "whisper-large-v3": True,
    }


async def test_a_wrong_key_and_an_unknown_model_are_refused(provider: FakeGroq) -> None:
    async with groq.AsyncGroq(base_url=provider.url, api_key="x", max_retries=0) as client:
        with pytest.raises(groq.AuthenticationError) as caught:
            await client.models.list()
    assert caught.value.body == {
        "error": {
            "message": "Invalid API Key",
            "type": "invalid_request_error",
            "code": "invalid_api_key",
        }
    }
    async with groq.AsyncGroq(base_url=provider.url, api_key=KEY, max_retries=0) as client:
        with pytest.raises(groq.NotFoundError, match="The model `gpt-0` does not exist"):
            await client.chat.completions.create(model="gpt-0", messages=[USER])


def request(**fields: object) -> dict[str, object]:
    return {"model": LLAMA, "messages": [USER], **fields}


def after_user(message: object) -> dict[str, object]:
    return request(messages=[USER, message])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "could not parse"),
        (request(messages=[]), "minimum number of items"),
        (request(stream=True, stream_options={}), "property 'stream_options' is unsupported"),
        (request(verbosity="low"), "property 'verbosity' is unsupported"),
        (request(temperature="1"), "'temperature'"),
        (request(reasoning_effort="xhigh"), "'reasoning_effort'"),
        (request(logprobs=True), "`logprobs` is not supported"),
        (request(logit_bias={"1": 1}), "`logit_bias` is not supported"),
        (request(store=True), "`store` is not supported"),
        (request(n=2), "'n' : number must be at most 1"),
        (request(stop=list("abcde")), "'stop'"),
        (request(messages=[{"role": "bot", "content": "x"}]), "discriminator property 'role'"),
        (request(messages=[{**USER, "name": "Bob"}]), "property 'name' is unsupported"),
        (after_user({"role": "assistant"}), "property 'content' is missing"),
        (
            after_user({"role": "assistant", "content": "x", "reasoning_content": "y"}),
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : "
            "property 'reasoning_content' is unsupported)]",
        ),
        (after_user({"role": "assistant", "content": "x", "refusal": None}), "'refusal'"),
        (after_user(CALLED), "did not have response messages: c1"),
        (request(response_format={"type": "json_object"}), "must contain the word 'json'"),
        (request(tools=[TOOL] * 129), "maximum number of items is 128"),
        (request(tools=[{"type": "function", "function": {"name": "a b"}}]), "function name"),
        (request(tool_choice="required"), "tools are missing"),
        (
            request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "other"}}),
            "not in the list of tools",
        ),
        (request(tools=[TOOL], reasoning_format="raw"), "reasoning_format"),
    ],
)
def test_what_groq_refuses_is_refused_with_an_error_of_groq_s(body: object, text: str) -> None:
    with pytest.raises(Refused) as caught:
        check_chat_request(body)
    assert text in caught.value.body["error"]["message"]
    assert caught.value.body["error"]["type"] == "invalid_request_error"


def picture(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([picture("https://p.invalid/a.png")] * 6, 400),
        ([picture("file:///etc/passwd")], 400),
        ([picture("data:image/png;base64," + "A" * 6_000_000)], 413),
    ],
)
def test_pictures_have_their_limits(parts: list[object], status: int) -> None:
    with pytest.raises(Refused) as caught:
        check_chat_request(request(messages=[{"role": "user", "content": parts}]))
    assert caught.value.status == status
