"""The adapter, its wire and its tokens against a GigaChat that is as strict as the real one."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter, Listed
from llm_gateway.adapters.gigachat import KIND
from llm_gateway.adapters.gigachat.models import list_models
from llm_gateway.config import Credential, Http, OAuth, Provider
from llm_gateway.errors import Retry, UpstreamAuthError, UpstreamRejected
from llm_gateway.memory import Memory
from llm_gateway.patience import Patience
from llm_gateway.secret import Secret
from llm_gateway.upstream import Upstream, site_of
from llm_gateway.wire import is_event_stream, read_whole
from support.calls import LABEL, make_call, make_image_call
from support.fake_gigachat import SCOPE, FakeGigaChat
from support.gigachat_answers import STATE_ID
from support.openai_promises import check_chunks, check_completion, put_together
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG
from support.wires import wire_of

MODEL = "GigaChat-2"
WEATHER: JSONObject = {
    "type": "function",
    "function": {
        "name": "погода",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Line:
    """A way to a fake: what the gateway keeps between attempts."""

    upstream: Upstream
    memory: Memory = field(default_factory=Memory)

    async def ask(self, *messages: JSONObject, **fields: Any) -> JSONObject:
        """The completion that a request is answered with."""
        body = {"model": "m", "messages": [*messages], **fields}
        adapter, answer, _ = await self._send(body)
        return check_completion(adapter.decode(answer))

    async def stream(self, *messages: JSONObject, **fields: Any) -> JSONObject:
        """The same, put together from the chunks of a stream."""
        body = {"model": "m", "messages": [*messages], **fields, "stream": True}
        adapter, answer, streamed = await self._send(body)
        assert streamed
        chunks = [c for event in sse.Decoder().feed(answer) for c in adapter.feed(event)]
        assert adapter.done
        check_chunks(chunks, wants_usage=False)
        return put_together(chunks)

    async def _send(self, body: JSONObject) -> tuple[Adapter, bytes, bool]:
        call = make_call(body, site=self.upstream.site, model=MODEL, memory=self.memory)
        adapter = KIND.chat(call)
        await self.upstream.run(adapter.prepare(), Patience())
        response = await self.upstream.wire.send(adapter.encode(), Patience())
        answer = await read_whole(response)
        if response.status != 200:
            raise adapter.failure(response.status, response.headers, answer)
        return adapter, answer, is_event_stream(response)


@asynccontextmanager
async def line_to(fake: FakeGigaChat, key: str | None = None) -> AsyncIterator[Line]:
    """A line with this key, or else the right one."""
    provider = Provider(
        name="p",
        kind="gigachat",
        base_url=fake.base_url,
        http=Http(),
        off=None,
        credentials=(Credential("authorization", "Bearer ", Secret(key or fake.key)),),
        oauth=OAuth(fake.auth_url, SCOPE),
    )
    async with wire_of(provider) as wire:
        yield Line(Upstream(provider, KIND, site_of(provider), wire))


@pytest.fixture
async def fake() -> AsyncIterator[FakeGigaChat]:
    async with FakeGigaChat() as server:
        yield server


@pytest.fixture
async def line(fake: FakeGigaChat) -> AsyncIterator[Line]:
    async with line_to(fake) as way:
        yield way


def user(text: str) -> JSONObject:
    return {"role": "user", "content": text}


def message_of(completion: JSONObject) -> JSONObject:
    message: JSONObject = completion["choices"][0]["message"]
    return message


async def test_a_question_is_answered(line: Line, fake: FakeGigaChat) -> None:
    answer = await line.ask(user("Привет"))
    assert message_of(answer)["content"] == "You said: Привет"
    assert answer["usage"]["total_tokens"] == 1 + 3
    assert answer["model"].startswith(MODEL)
    assert fake.token_requests == 1


async def test_a_question_is_answered_in_a_stream(line: Line) -> None:
    answer = await line.stream(user("Привет, как дела? 😀"))
    assert message_of(answer)["content"] == "You said: Привет, как дела? 😀"


@pytest.mark.parametrize("way", [Line.ask, Line.stream])
async def test_a_function_is_called_and_its_result_goes_back(
    line: Line, fake: FakeGigaChat, way: Any
) -> None:
    called = message_of(await way(line, user("Псков"), tools=[WEATHER]))
    (call,) = called["tool_calls"]
    assert call["function"]["name"] == "погода"
    assert json.loads(call["function"]["arguments"]) == {"city": "Псков"}
    said = {"role": "assistant", "content": called.get("content"), "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "-5"}
    answer = await way(line, user("Псков"), said, result, tools=[WEATHER])
    assert message_of(answer)["content"] == 'Results: {"result":-5}'
    assert fake.requests[-1].json["messages"][1]["functions_state_id"] == STATE_ID


async def test_a_picture_is_seen(line: Line) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]
    answer = await line.ask({"role": "user", "content": parts}, user="alice")
    assert message_of(answer)["content"] == f"I see image/png of {len(PNG)} bytes."


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_object"},
        {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"properties": {"answer": {"type": "string"}}}},
        },
    ],
)
async def test_json_is_answered_where_it_is_asked_for(line: Line, wanted: JSONObject) -> None:
    answer = await line.ask(user("Да"), response_format=wanted)
    assert json.loads(message_of(answer)["content"]) == {"answer": "Да"}


async def test_pictures_are_drawn(line: Line) -> None:
    body = {"model": "m", "prompt": "Кот", "n": 2, "user": "Анна"}
    images = KIND.images
    assert images is not None
    adapter = images(make_image_call(body, site=line.upstream.site, model=MODEL))
    answer = await line.upstream.run(adapter.steps(), Patience())
    assert [base64.b64decode(each["b64_json"]) for each in answer["data"]] == [JPEG] * 2


async def test_the_models_are_listed(line: Line) -> None:
    steps = list_models(line.upstream.site, LABEL)
    found = await line.upstream.run(steps, Patience())
    assert found == (Listed("GigaChat-2", "chat"), Listed("GigaChat-2-Max", "chat"))


async def test_after_a_token_was_refused_the_next_attempt_has_a_new_one(
    line: Line, fake: FakeGigaChat
) -> None:
    await line.ask(user("Hi"))
    fake.expire_tokens()
    with pytest.raises(UpstreamAuthError) as caught:
        await line.ask(user("Hi"))
    assert caught.value.retry is Retry.HERE
    await line.ask(user("Hi"))
    assert fake.token_requests == 2


async def test_a_key_that_is_refused_is_the_operators_matter(fake: FakeGigaChat) -> None:
    key = base64.b64encode(b"client-id:client-secret").decode()
    async with line_to(fake, key) as line:
        with pytest.raises(UpstreamAuthError) as caught:
            await line.ask(user("Hi"))
    assert caught.value.retry is Retry.ELSEWHERE
    assert "credentials doesn't match db data" in caught.value.message
    assert key not in caught.value.message


async def test_a_client_id_and_its_secret_will_do_as_a_key(fake: FakeGigaChat) -> None:
    async with line_to(fake, base64.b64decode(fake.key).decode()) as line:
        await line.ask(user("Hi"))


async def test_a_model_that_is_not_there_is_looked_for_elsewhere(
    line: Line, fake: FakeGigaChat
) -> None:
    call = make_call({"model": "m", "messages": [user("Hi")]}, site=line.upstream.site)
    adapter = KIND.chat(call)
    response = await line.upstream.wire.send(adapter.encode(), Patience())
    error = adapter.failure(response.status, response.headers, await read_whole(response))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.retry) == (404, Retry.ELSEWHERE)
