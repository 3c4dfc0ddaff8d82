"""Whole conversations with a server as strict as Anthropic's, over HTTP."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.adapters.contract import Site
from llm_gateway.errors import UpstreamAuthError, UpstreamRejected
from llm_gateway.memory import Memory
from support.calls import feed_all, make_call
from support.fake_anthropic import FakeAnthropic
from support.openai_promises import put_together
from support.pictures import PNG

JSONObject = dict[str, Any]
KEY = "sk-ant-test"
MODELS = ("claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5", "claude-opus-5-5")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "files.read",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
        },
    }
]


class Client:
    """Sends what adapters encode, with the key, and reads the answers with them."""

    def __init__(self, fake: FakeAnthropic, http: aiohttp.ClientSession) -> None:
        self.key = KEY
        self._fake = fake
        self._http = http
        self._memory = Memory()

    async def ask(self, model: str, *messages: JSONObject, **fields: Any) -> JSONObject:
        """The message that answers; a streamed one is put together."""
        site = Site(self._fake.base_url, (("x-api-key", self.key), *KIND.defaults.headers))
        body = {"model": "m", "messages": list(messages), **fields}
        adapter = KIND.chat(make_call(body, site=site, model=model, memory=self._memory))
        request = adapter.encode()
        async with self._http.post(
            request.url, data=request.body, headers=dict(request.headers)
        ) as response:
            content = await response.read()
            if response.status != 200:
                raise adapter.failure(response.status, response.headers, content)
        if body.get("stream"):
            whole = put_together(feed_all(adapter, [content]))
        else:
            whole = json.loads(adapter.decode(content))
        message: JSONObject = whole["choices"][0]["message"]
        return message


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a fake with these models."""
    async with FakeAnthropic(KEY, models=MODELS) as fake, aiohttp.ClientSession() as http:
        yield Client(fake, http)


def user(text: str) -> JSONObject:
    return {"role": "user", "content": text}


def results(answer: JSONObject) -> list[JSONObject]:
    """A result for each call of an answer."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": f"result {number}"}
        for number, call in enumerate(answer["tool_calls"])
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("effort", [None, "low", "none"])
async def test_a_conversation_with_calls_goes_on_turn_by_turn(
    client: Client, model: str, effort: str | None, stream: bool
) -> None:
    fields: Any = {"tools": TOOLS, "stream": stream, "reasoning_effort": effort}
    asked = user("read two files")
    called = await client.ask(model, asked, **fields)
    names = [call["function"]["name"] for call in called["tool_calls"]]
    assert names == ["files.read", "files.read"]
    assert called["tool_calls"][0]["function"]["arguments"].replace(" ", "") == '{"path":"text"}'
    assert ("reasoning_content" in called) == (effort == "low")
    called = {key: value for key, value in called.items() if key != "reasoning_content"}
    told = await client.ask(model, asked, called, *results(called), **fields)
    assert told["content"] == "The results: result 0, result 1"
    told.pop("reasoning_content", None)
    history = (asked, called, *results(called), told, user("read again"))
    again = await client.ask(model, *history, **fields)
    assert len(again["tool_calls"]) == 1


async def test_thinking_that_another_model_had_is_not_shown_to_this_one(client: Client) -> None:
    fields: Any = {"tools": TOOLS, "reasoning_effort": "low"}
    asked = user("read it")
    called = await client.ask("claude-opus-5", asked, **fields)
    called.pop("reasoning_content")
    for model in MODELS:
        told = await client.ask(model, asked, called, *results(called), **fields)
        assert told["content"] == "The results: result 0"


async def test_an_answer_that_the_client_shortened_is_still_taken(client: Client) -> None:
    fields: Any = {"tools": TOOLS, "reasoning_effort": "low"}
    asked = user("read two files")
    called = await client.ask("claude-haiku-4-5", asked, **fields)
    called["tool_calls"] = called["tool_calls"][:1]
    called.pop("reasoning_content")
    told = await client.ask("claude-haiku-4-5", asked, called, *results(called), **fields)
    assert told["content"] == "The results: result 0"


async def test_it_sees_pictures_and_documents(client: Client) -> None:
    data = base64.b64encode(PNG).decode()
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
    ]
    answer = await client.ask(MODELS[0], {"role": "user", "content": parts})
    assert answer["content"] == f"I saw image/png of {len(PNG)} bytes, application/pdf of 5 bytes"


@pytest.mark.parametrize(
    "format",
    [
        {"type": "json_object"},
        {
            "type": "json_schema",
            "json_schema": {
                "name": "n",
                "schema": {
                    "type": "object",
                    "properties": {"said": {"type": "string", "minLength": 1}},
                    "required": ["said"],
                },
            },
        },
    ],
)
async def test_it_answers_in_json(client: Client, format: JSONObject) -> None:
    answer = await client.ask(MODELS[0], user("text"), response_format=format)
    assert json.loads(answer["content"]) == {"said": "text"}


async def test_a_wrong_key_is_the_gateways_own_trouble(client: Client) -> None:
    client.key = "sk-ant-other"
    with pytest.raises(UpstreamAuthError):
        await client.ask(MODELS[0], user("Hi"))


async def test_a_model_it_has_not_is_not_found(client: Client) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        await client.ask("claude-none", user("Hi"))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
