"""Conversations with a provider as strict as Gemini, by clients that know nothing of it."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from llm_gateway.adapters.contract import Call, Site, Steps, Whole
from llm_gateway.adapters.gemini import KIND
from llm_gateway.adapters.gemini.signatures import UNKNOWN
from llm_gateway.errors import UpstreamAuthError, UpstreamRejected
from llm_gateway.memory import Memory
from llm_gateway.wire import UpstreamRequest
from support.calls import CREATED, feed_all, make_call, make_image_call
from support.fake_gemini import FakeGemini
from support.openai_promises import check_chunks, check_completion, put_together
from support.openai_shapes import JSONObject
from support.pictures import PNG

WEATHER = {
    "type": "function",
    "function": {
        "name": "9-day/weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"$ref": "#/$defs/City"}},
            "$defs": {"City": {"const": "Paris"}},
        },
    },
}


@dataclass
class Gateway:
    """As much of one as this takes: a session, and the memory that attempts share."""

    fake: FakeGemini
    session: aiohttp.ClientSession
    key: str = "AIza-test"
    memory: Memory = field(default_factory=Memory)
    exchanges: int = 0

    @property
    def site(self) -> Site:
        return Site(self.fake.base_url, (("x-goog-api-key", self.key),))

    async def send(self, request: UpstreamRequest) -> Whole:
        async with self.session.request(
            request.method, request.url, headers=request.headers, data=request.body
        ) as response:
            return Whole(response.status, response.headers, await response.read())

    def call(self, messages: list[Any], model: str, fields: JSONObject) -> Call:
        self.exchanges += 1
        body = {"model": "m", "messages": messages, **fields}
        exchange = f"req_{self.exchanges:032x}"
        return make_call(body, site=self.site, model=model, memory=self.memory, exchange=exchange)

    async def ask(
        self, messages: list[Any], model: str = "gemini-3-pro", **fields: Any
    ) -> JSONObject:
        """The answer's only choice's message, checked."""
        adapter = KIND.chat(self.call(messages, model, fields))
        answer = await self.send(adapter.encode())
        if answer.status != 200:
            raise adapter.failure(answer.status, answer.headers, answer.body)
        if not fields.get("stream"):
            whole = check_completion(adapter.decode(answer.body))
        else:
            chunks = feed_all(adapter, [answer.body])
            check_chunks(chunks, wants_usage=False)
            whole = put_together(chunks)
        message: JSONObject = whole["choices"][0]["message"]
        return message

    async def run[T](self, steps: Steps[T]) -> T:
        try:
            batch = next(steps)
            while True:
                batch = steps.send([await self.send(each) for each in batch])
        except StopIteration as stop:
            result: T = stop.value
            return result

    def last_sent(self) -> JSONObject:
        body: JSONObject = self.fake.requests[-1].json
        return body


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with FakeGemini() as fake, aiohttp.ClientSession() as session:
        yield Gateway(fake, session)


def as_openai_s(message: JSONObject) -> JSONObject:
    """The message as a client keeps it that drops what OpenAI does not have."""
    calls = [
        {"id": call["id"], "type": "function", "function": dict(call["function"])}
        for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": message["content"], "tool_calls": calls}


def results_of(message: JSONObject) -> list[JSONObject]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "blue"}'}
        for call in reversed(message["tool_calls"])
    ]


def signatures(sent: JSONObject) -> list[str | None]:
    return [
        part.get("thoughtSignature")
        for turn in sent["contents"]
        for part in turn["parts"]
        if "functionCall" in part
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gemini-3-pro", "gemini-2.5-flash"])
async def test_it_answers(gateway: Gateway, model: str, stream: bool) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi there é"}]
    message = await gateway.ask(asked, model, stream=stream)
    assert message["content"] == "Hi there é"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_knows_nothing_of_signatures_can_call_functions(
    gateway: Gateway, stream: bool
) -> None:
    history: list[Any] = [{"role": "user", "content": "The weather of two days"}]
    asked = await gateway.ask(history, tools=[WEATHER], stream=stream)
    names = [call["function"]["name"] for call in asked["tool_calls"]]
    arguments = [json.loads(call["function"]["arguments"]) for call in asked["tool_calls"]]
    assert names == ["9-day/weather"] * 2
    assert arguments == [{"city": "Paris"}] * 2
    given = asked["tool_calls"][0]["extra_content"]["google"]["thought_signature"]

    history += [as_openai_s(asked), *results_of(asked)]
    told = await gateway.ask(history, tools=[WEATHER], stream=stream)
    assert told["content"] == 'The results: [{"sky": "blue"}, {"sky": "blue"}]'
    assert signatures(gateway.last_sent()) == [given, None]


async def test_a_client_that_sends_them_back_needs_no_memory(gateway: Gateway) -> None:
    history: list[Any] = [{"role": "user", "content": "Weather"}]
    asked = await gateway.ask(history, tools=[WEATHER])
    gateway.memory = Memory()
    history += [{"role": "assistant", **asked}, *results_of(asked)]
    await gateway.ask(history, tools=[WEATHER])
    [signature] = signatures(gateway.last_sent())
    assert signature not in {None, UNKNOWN}


async def test_without_both_google_is_told_that_it_is_not_known(gateway: Gateway) -> None:
    history: list[Any] = [{"role": "user", "content": "Weather"}]
    asked = await gateway.ask(history, tools=[WEATHER])
    gateway.memory = Memory()
    history += [as_openai_s(asked), *results_of(asked)]
    await gateway.ask(history, tools=[WEATHER])
    assert signatures(gateway.last_sent()) == [UNKNOWN]


async def test_many_steps_each_have_their_signature(gateway: Gateway) -> None:
    history: list[Any] = [{"role": "user", "content": "Weather"}]
    for _ in range(3):
        asked = await gateway.ask(history, tools=[WEATHER], tool_choice="required")
        history += [as_openai_s(asked), *results_of(asked), {"role": "user", "content": "More"}]
    await gateway.ask(history, tools=[WEATHER], tool_choice="none")
    found = signatures(gateway.last_sent())
    assert len({*found}) == 3
    assert not {None, UNKNOWN} & {*found}


async def test_it_sees_pictures(gateway: Gateway) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url, "detail": "high"}}]
    message = await gateway.ask([{"role": "user", "content": content}])
    assert message["content"] == f"I see image/png, {len(PNG)} bytes."


@pytest.mark.parametrize("stream", [False, True])
async def test_it_fills_in_a_schema(gateway: Gateway, stream: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"days": {"type": "integer"}, "next": {"$ref": "#"}},
        "required": ["days"],
        "additionalProperties": False,
    }
    format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    asked = [{"role": "user", "content": "Hi"}]
    message = await gateway.ask(asked, response_format=format, stream=stream)
    assert json.loads(message["content"]) == {"days": 1, "next": {}}


@pytest.mark.parametrize("stream", [False, True])
async def test_it_thinks_aloud(gateway: Gateway, stream: bool) -> None:
    asked = [{"role": "user", "content": "Hi"}]
    for model in ("gemini-3-flash", "gemini-2.5-pro"):
        message = await gateway.ask(asked, model, reasoning_effort="low", stream=stream)
        assert message["reasoning_content"] == "Let me think."
        assert message["content"] == "Hi"


async def test_it_draws_as_many_pictures_as_are_wanted(gateway: Gateway) -> None:
    body = {"prompt": "A dot", "n": 2, "size": "1536x1024"}
    call = make_image_call(body, site=gateway.site, model="gemini-2.5-flash-image")
    assert KIND.images is not None
    answer = await gateway.run(KIND.images(call).steps())
    assert answer["created"] == CREATED
    assert [base64.b64decode(each["b64_json"]) for each in answer["data"]] == [PNG, PNG]


async def test_its_models_can_be_listed(gateway: Gateway) -> None:
    assert KIND.models is not None
    label = make_image_call({"prompt": "x"}).label
    models = await gateway.run(KIND.models(gateway.site, label))
    kinds = {model.id: model.capability for model in models}
    assert kinds["gemini-3-pro"] == "chat"
    assert kinds["gemini-2.5-flash-image"] == "image"
    assert "text-embedding-004" not in kinds


async def test_a_wrong_key_is_ours_and_a_wrong_model_is_not(gateway: Gateway) -> None:
    asked = [{"role": "user", "content": "Hi"}]
    with pytest.raises(UpstreamRejected, match="models/nobody is not found"):
        await gateway.ask(asked, "nobody")
    gateway.key = "AIza-wrong"
    with pytest.raises(UpstreamAuthError):
        await gateway.ask(asked)
