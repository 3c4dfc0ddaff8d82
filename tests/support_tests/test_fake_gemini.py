"""The fake Gemini takes what Google's own SDK sends, and refuses what Google refuses."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import errors, types
from google.genai.client import AsyncClient

from support.fake_gemini import FakeGemini
from support.gemini_rules import Refused, check_generate_request
from support.openai_shapes import JSONObject
from support.pictures import PNG
from support.recording_server import Received, Reply
from support.sdk import transport

MODEL = "gemini-3-pro"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather in a city.",
    parameters_json_schema={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    },
)
TOOLS: types.ToolListUnion = [types.Tool(function_declarations=[WEATHER])]


@pytest.fixture
async def fake() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as server:
        yield server


@asynccontextmanager
async def client_of(fake: FakeGemini) -> AsyncIterator[AsyncClient]:
    # Without a client of httpx the SDK makes one of aiohttp's, in a way that aiohttp warns of.
    async with transport() as http:
        options = types.HttpOptions(
            base_url=fake.url, api_version="v1beta", httpx_async_client=http
        )
        yield genai.Client(api_key="AIza-test", http_options=options).aio


async def ask(
    fake: FakeGemini,
    contents: types.ContentListUnion,
    config: types.GenerateContentConfig | None = None,
    model: str = MODEL,
) -> types.GenerateContentResponse:
    async with client_of(fake) as client:
        return await client.models.generate_content(model=model, contents=contents, config=config)


def parts_of(answer: types.GenerateContentResponse) -> list[types.Part]:
    assert answer.candidates is not None
    content = answer.candidates[0].content
    assert content is not None
    assert content.parts is not None
    return content.parts


async def test_it_repeats_the_last_words_of_the_user_and_counts_them(fake: FakeGemini) -> None:
    answer = await ask(fake, "Hi there")
    assert answer.text == "Hi there"
    assert answer.model_version == MODEL
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.total_token_count == 10


async def test_its_streams_come_in_words_and_end_with_a_reason(fake: FakeGemini) -> None:
    async with client_of(fake) as client:
        stream = await client.models.generate_content_stream(model=MODEL, contents="one two three")
        events = [event async for event in stream]
    assert [event.text for event in events] == ["one ", "two ", "three"]
    reasons = [event.candidates[0].finish_reason for event in events if event.candidates]
    assert reasons == [None, None, types.FinishReason.STOP]


async def test_a_stream_without_alt_sse_is_a_list(fake: FakeGemini) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "a b"}]}]}
    url = f"{fake.base_url}/models/{MODEL}:streamGenerateContent"
    async with aiohttp.ClientSession(headers={"x-goog-api-key": "AIza-test"}) as session:
        reply = await (await session.post(url, json=body)).json()
    assert isinstance(reply, list)
    assert len(reply) == 2


async def test_it_calls_functions_signs_the_call_and_tells_what_they_gave(
    fake: FakeGemini,
) -> None:
    config = types.GenerateContentConfig(
        tools=TOOLS,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    question = types.Content(role="user", parts=[types.Part(text="Compare two cities")])
    asked = await ask(fake, [question], config)
    first, second = parts_of(asked)
    assert first.thought_signature is not None
    assert second.thought_signature is None
    assert first.function_call is not None
    assert first.function_call.args == {"city": "text", "days": 2}
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id, name="get_weather", response={"sky": "blue"}
            )
        )
        for part in (first, second)
        if part.function_call
    ]
    turns = [
        question,
        types.Content(role="model", parts=[first, second]),
        types.Content(role="user", parts=results),
    ]
    told = await ask(fake, turns, config)
    assert told.text == 'The results: [{"sky": "blue"}, {"sky": "blue"}]'


async def test_it_fills_in_a_schema(fake: FakeGemini) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"enum": ["a"]}}}
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=schema
    )
    assert json.loads((await ask(fake, "Fill in", config)).text or "") == {"n": 1, "s": "a"}


async def test_it_tells_what_picture_it_saw(fake: FakeGemini) -> None:
    picture = types.Part.from_bytes(data=PNG, mime_type="image/png")
    answer = await ask(fake, [picture, types.Part(text="What is this?")])
    assert answer.text == f"I see image/png, {len(PNG)} bytes."


async def test_it_draws(fake: FakeGemini) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="16:9")
    )
    _, picture = parts_of(await ask(fake, "A dot", config, "gemini-2.5-flash-image"))
    assert picture.inline_data is not None
    assert picture.inline_data.data == PNG


async def test_it_thinks_aloud_when_asked_to(fake: FakeGemini) -> None:
    thinking = types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW, include_thoughts=True)
    answer = await ask(fake, "Hi", types.GenerateContentConfig(thinking_config=thinking))
    thought, text = parts_of(answer)
    assert (thought.thought, text.text) == (True, "Hi")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.thoughts_token_count == 5


async def test_it_lists_its_models_in_pages() -> None:
    async with FakeGemini(page=3) as fake, client_of(fake) as client:
        names = [model.name async for model in await client.models.list()]
    assert "models/gemini-3-pro" in names
    assert "models/text-embedding-004" in names
    assert len(names) == 8


@pytest.mark.parametrize(
    ("key", "status", "reason"),
    [("AIza-wrong", 400, "API_KEY_INVALID"), (None, 403, None)],
)
async def test_it_refuses_a_wrong_key(
    fake: FakeGemini, key: str | None, status: int, reason: str | None
) -> None:
    headers = {} if key is None else {"x-goog-api-key": key}
    async with aiohttp.ClientSession(headers=headers) as session:
        reply = await session.get(f"{fake.base_url}/models")
        error = (await reply.json())["error"]
    assert (reply.status, error["code"]) == (status, status)
    assert [detail["reason"] for detail in error.get("details", [])] == ([reason] if reason else [])


async def test_it_does_not_know_every_model(fake: FakeGemini) -> None:
    with pytest.raises(errors.ClientError, match="models/gpt-5 is not found") as caught:
        await ask(fake, "Hi", model="gpt-5")
    assert caught.value.code == 404


async def test_a_model_can_be_scripted(fake: FakeGemini) -> None:
    async def busy(_received: Received, reply: Reply) -> None:
        await reply.json(503, {"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}})

    fake.script("busy", busy)
    with pytest.raises(errors.ServerError, match="Busy"):
        await ask(fake, "Hi", model="busy")


async def test_it_wants_the_signature_it_gave_and_no_other(fake: FakeGemini) -> None:
    call = types.FunctionCall(id="a", name="f", args={})
    made = types.Part(function_call=call, thought_signature=b"made up")
    given = types.FunctionResponse(id="a", name="f", response={})
    turns = [
        types.Content(role="user", parts=[types.Part(text="Hi")]),
        types.Content(role="model", parts=[made]),
        types.Content(role="user", parts=[types.Part(function_response=given)]),
    ]
    with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
        await ask(fake, turns)


USER = {"role": "user", "parts": [{"text": "Hi"}]}
SAID = {"role": "model", "parts": [{"text": "Hello"}]}
CALLED: JSONObject = {
    "role": "model",
    "parts": [{"functionCall": {"id": "a", "name": "f"}, "thoughtSignature": "c2lnbmVk"}],
}
GIVEN: JSONObject = {
    "role": "user",
    "parts": [{"functionResponse": {"id": "a", "name": "f", "response": {}}}],
}
F: JSONObject = {"functionDeclarations": [{"name": "f"}]}


def calling(mode: str, *names: str) -> JSONObject:
    return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": [*names]}}


def with_schema(schema: JSONObject) -> JSONObject:
    function = {"name": "f", "parametersJsonSchema": schema}
    return {"contents": [USER], "tools": [{"functionDeclarations": [function]}]}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"contents": []},
        {"contents": [USER], "colour": "red"},
        {"contents": [{"role": "user", "parts": [{"text": "a", "inlineData": {}}]}]},
        {"contents": [{"role": "user", "parts": []}]},
        {"contents": [{"role": "user", "parts": [{"text": ""}]}]},
        {"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]},
        {"contents": [SAID]},
        {"contents": [USER, USER]},
        {"contents": [USER, SAID, SAID]},
        {"contents": [USER, CALLED]},
        {"contents": [USER, CALLED, USER]},
        {"contents": [USER, GIVEN]},
        {"contents": [USER, SAID, CALLED, GIVEN]},
        {"contents": [USER, {**CALLED, "parts": [{"functionCall": {"name": "f"}}]}, GIVEN]},
        {"contents": [USER, {**CALLED, "parts": CALLED["parts"] * 2}, GIVEN]},
        {"contents": [USER, CALLED, {**GIVEN, "parts": [*GIVEN["parts"], {"text": "a"}]}]},
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "text/html;x"}}]}]},
        {"contents": [{"role": "user", "parts": [{"fileData": {"fileUri": "https://a.invalid"}}]}]},
        {"contents": [USER], "systemInstruction": {"parts": []}},
        {"contents": [USER], "tools": [{"functionDeclarations": [{"name": "9lives"}]}]},
        {"contents": [USER], "tools": [F, F]},
        {"contents": [USER], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        {
            "contents": [USER],
            "tools": [F],
            "toolConfig": calling("AUTO", "f"),
        },
        {
            "contents": [USER],
            "tools": [F],
            "toolConfig": calling("ANY", "g"),
        },
        with_schema({"$ref": "#/$defs/a"}),
        with_schema({"type": "object", "properties": {}}),
        with_schema({"properties": {"a": {"const": 1}}}),
        {"contents": [USER], "generationConfig": {"temperature": 3}},
        {"contents": [USER], "generationConfig": {"seed": 2**31}},
        {"contents": [USER], "generationConfig": {"logprobs": 1}},
        {"contents": [USER], "generationConfig": {"stopSequences": [""]}},
        {"contents": [USER], "generationConfig": {"responseJsonSchema": {}}},
        {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingLevel": "MUCH"}}},
        {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}},
        {
            "contents": [USER],
            "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}},
        },
        {"contents": [USER], "generationConfig": {"imageConfig": {"imageSize": "8K"}}},
    ],
)  # fmt: skip
def test_the_rules_refuse_what_gemini_refuses(body: Any) -> None:
    with pytest.raises(Refused) as caught:
        check_generate_request(body)
    assert caught.value.body["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-2.5-flash", {"thinkingConfig": {"thinkingLevel": "LOW"}}),
        ("gemini-2.5-pro", {"thinkingConfig": {"thinkingBudget": 0}}),
        ("gemini-2.0-flash", {"thinkingConfig": {"thinkingBudget": 0}}),
        ("gemini-2.5-flash-image", {"thinkingConfig": {"thinkingBudget": 0}}),
        ("gemini-2.5-flash", {"responseMimeType": "application/json"}),
    ],
)
def test_the_rules_know_what_a_model_cannot_do(model: str, config: JSONObject) -> None:
    with pytest.raises(Refused):
        check_generate_request(
            {"contents": [USER], "tools": [F], "generationConfig": config}, model
        )


def test_the_rules_take_what_gemini_takes() -> None:
    picture = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": picture}]},
            CALLED,
            GIVEN,
            USER,
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [F],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 1,
            "responseLogprobs": True,
            "logprobs": 2,
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
            "imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"},
        },
    }
    assert check_generate_request(body) == body
