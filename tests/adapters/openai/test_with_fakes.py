"""What the adapters send the fakes take, and what the fakes answer becomes what OpenAI promises."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_gateway.adapters.contract import Adapter, Site
from llm_gateway.adapters.openai import KINDS
from llm_gateway.wire import UpstreamRequest
from support.calls import feed_all, make_call, make_image_call, run_steps, whole
from support.fake_groq import GPT_OSS, LLAMA, FakeGroq
from support.fake_openai import FakeOpenAI
from support.fake_openrouter import CODER, PAINTER, FakeOpenRouter
from support.openai_promises import check_chunks, check_completion, put_together
from support.raw_http import RawConnection, request_bytes

JSONObject = dict[str, Any]

PARAMETERS = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS}}


@dataclass(frozen=True)
class Target:
    """A kind, its fake, and the model there that can do the most."""

    kind: str
    fake: Callable[[], FakeOpenAI]
    model: str
    painter: str = ""


TARGETS = [
    Target("openai", lambda: FakeOpenAI(painters=["gpt-image-1"]), "gpt-test", "gpt-image-1"),
    Target("groq", FakeGroq, GPT_OSS),
    Target("openrouter", FakeOpenRouter, CODER, PAINTER),
]
KEYS = {"openai": "sk-test", "groq": "gsk_test", "openrouter": "sk-or-v1-test"}
every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.kind)


@asynccontextmanager
async def site_of(target: Target) -> AsyncIterator[tuple[FakeOpenAI, Site]]:
    async with target.fake() as provider:
        key = ("authorization", f"Bearer {KEYS[target.kind]}")
        yield provider, Site(provider.base_url, (key,))


async def exchange(provider: FakeOpenAI, request: UpstreamRequest) -> tuple[int, bytes]:
    """The status and the body of the fake's answer."""
    path = urlsplit(request.url).path
    async with RawConnection(provider.port) as client:
        head, body = await client.exchange(
            request_bytes(request.method, path, request.headers, request.body, host="p.invalid")
        )
    return head.status, body


async def answered(target: Target, body: JSONObject) -> tuple[Adapter, JSONObject]:
    """The adapter, and the completion that a client puts together from the answer."""
    async with site_of(target) as (provider, site):
        call = make_call({"model": "m", **body}, site=site, model=target.model)
        adapter = KINDS[target.kind].chat(call)
        status, content = await exchange(provider, adapter.encode())
    assert status == 200, content
    if not call.stream:
        return adapter, check_completion(adapter.decode(content))
    chunks = feed_all(adapter, [content])
    if target.kind == "openai" or not call.wants_usage:
        check_chunks(chunks, wants_usage=call.wants_usage)
    return adapter, put_together(chunks)


def asked(text: str, **fields: object) -> JSONObject:
    return {"messages": [{"role": "user", "content": text, "name": "Bob"}], **fields}


STREAMED = [{}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}]
streamed = pytest.mark.parametrize("streamed", STREAMED, ids=["whole", "stream", "counted"])


@every_target
@streamed
async def test_a_text_comes_whole_and_is_counted(target: Target, streamed: JSONObject) -> None:
    adapter, answer = await answered(target, asked("one two three", **streamed))
    assert answer["choices"][0]["message"]["content"] == "You said: one two three"
    if target.kind != "openai" or streamed != {"stream": True}:
        assert adapter.usage is not None
        assert adapter.usage.prompt_tokens == 3
    assert (answer.get("usage") is not None) == (streamed != {"stream": True})


@pytest.mark.parametrize("target", TARGETS[1:], ids=lambda target: target.kind)
@streamed
async def test_two_calls_of_tools_come_whole(target: Target, streamed: JSONObject) -> None:
    _, answer = await answered(target, asked("one two", tools=[TOOL], **streamed))
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"q": "one two"}'] * 2
    assert len({call["id"] for call in calls}) == 2


@pytest.mark.parametrize("target", TARGETS[1:], ids=lambda target: target.kind)
@streamed
async def test_an_answer_goes_back_with_the_results_of_its_tools(
    target: Target, streamed: JSONObject
) -> None:
    fields = {"tools": [TOOL], "reasoning_effort": "low", **streamed}
    question = asked("one two", **fields)
    _, answer = await answered(target, question)
    said = answer["choices"][0]["message"]
    assert said["reasoning_content"] == "The user said something."
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        for call, text in zip(said["tool_calls"], ("sunny", "rain"), strict=True)
    ]
    messages = [*question["messages"], said, *results]
    _, answer = await answered(target, {**fields, "messages": messages})
    assert answer["choices"][0]["message"]["content"] == "The tools said: sunny, rain"


async def test_a_model_of_groq_s_that_does_not_think_may_be_asked() -> None:
    target = Target("groq", FakeGroq, LLAMA)
    _, answer = await answered(target, asked("one", temperature=0, store=True, logit_bias={"1": 1}))
    assert answer["choices"][0]["message"]["content"] == "You said: one"


@pytest.mark.parametrize(
    "target", [each for each in TARGETS if each.painter], ids=lambda target: target.kind
)
async def test_pictures_are_drawn(target: Target) -> None:
    images = KINDS[target.kind].images
    assert images is not None
    async with site_of(target) as (provider, site):
        body = {"prompt": "A dot", "n": 2, "user": "u", "response_format": "b64_json"}
        call = make_image_call(body, site=site, model=target.painter)
        [request] = next(images(call).steps())
        status, content = await exchange(provider, request)
    response, _ = run_steps(images(call).steps(), [whole(status, content)])
    assert [bool(picture["b64_json"]) for picture in response["data"]] == [True, True]


@every_target
async def test_models_are_listed(target: Target) -> None:
    lister = KINDS[target.kind].models
    assert lister is not None
    async with site_of(target) as (provider, site):
        label = make_call({"model": "m"}).label
        [request] = next(lister(site, label))
        status, content = await exchange(provider, request)
    listed, _ = run_steps(lister(site, label), [whole(status, content)])
    found = {each.id: each.capability for each in listed}
    chatting = {LLAMA: "chat", GPT_OSS: "chat"} if target.kind == "groq" else {target.model: "chat"}
    assert found == {**chatting, **({target.painter: "image"} if target.painter else {})}
