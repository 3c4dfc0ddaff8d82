"""The fake Cloudflare refuses what the real one does, and the adapters get answers from it."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from llm_gateway import sse
from llm_gateway.adapters.cloudflare import KINDS
from llm_gateway.adapters.contract import Adapter, Site, Whole
from llm_gateway.wire import UpstreamRequest
from support.calls import LABEL, make_call, make_image_call
from support.fake_cloudflare import (
    FLUX_1,
    FLUX_2,
    GPT_OSS,
    LLAMA,
    SCOUT,
    SDXL,
    FakeCloudflare,
)
from support.openai_promises import check_chunks, check_completion, put_together
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG
from support.recording_server import Received, Reply

KEY = {"authorization": "Bearer cf-test-key"}
GATEWAY_KEY = {"cf-aig-authorization": "Bearer cf-test-gateway-key"}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks it up.",
        "parameters": {
            "type": "object",
            "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["q", "n"],
        },
    },
}
PICTURE = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"},
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


@pytest.fixture
async def provider() -> AsyncIterator[FakeCloudflare]:
    async with FakeCloudflare() as server:
        yield server


def user(text: str) -> list[JSONObject]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


async def exchange(request: UpstreamRequest) -> Whole:
    """Send a request as it is."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            request.method, request.url, headers=dict(request.headers), data=request.body
        ) as response,
    ):
        return Whole(response.status, response.headers, await response.read())


async def post(url: str, content: object, headers: dict[str, str]) -> tuple[int, Any]:
    """Post JSON; the status and the answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=content, headers=headers) as response,
    ):
        return response.status, await response.json()


def adapter_for(provider: FakeCloudflare, kind: str, model: str, **fields: Any) -> Adapter:
    """The adapter for a request of a client's."""
    bases = {
        "cloudflare": provider.base_url,
        "cloudflare-openai": provider.openai_base_url,
        "cloudflare-gateway": provider.gateway_base_url,
    }
    site = Site(bases[kind], (*KEY.items(), *GATEWAY_KEY.items()))
    return KINDS[kind].chat(make_call({"model": "m", **fields}, site=site, model=model))


async def ask(provider: FakeCloudflare, kind: str, model: str, **fields: Any) -> JSONObject:
    """The completion that a client gets, put together if it is streamed."""
    adapter = adapter_for(provider, kind, model, **fields)
    answer = await exchange(adapter.encode())
    if answer.status != 200:
        raise adapter.failure(answer.status, answer.headers, answer.body)
    if not fields.get("stream"):
        return check_completion(adapter.decode(answer.body))
    if "event-stream" not in answer.headers["content-type"]:
        chunks = adapter.decode_as_stream(answer.body)
    else:
        decoder = sse.Decoder()
        chunks = [c for event in decoder.feed(answer.body) for c in adapter.feed(event)]
    assert adapter.done
    if kind == "cloudflare":
        check_chunks(chunks, wants_usage=adapter.call.wants_usage)
    return put_together(chunks)


TARGETS = [
    ("cloudflare", LLAMA),
    ("cloudflare", SCOUT),
    ("cloudflare", GPT_OSS),
    ("cloudflare-openai", LLAMA),
    ("cloudflare-openai", SCOUT),
    ("cloudflare-gateway", f"workers-ai/{LLAMA}"),
    ("cloudflare-gateway", "openai/gpt-5"),
]
everywhere = pytest.mark.parametrize(("kind", "model"), TARGETS)
either_way = pytest.mark.parametrize("stream", [False, True])


@everywhere
@either_way
async def test_a_question_is_echoed(
    provider: FakeCloudflare, kind: str, model: str, stream: bool
) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "more"}]
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": parts}]
    answer = await ask(provider, kind, model, messages=messages, stream=stream)
    choice = answer["choices"][0]
    assert choice["message"]["content"] == "You said: one more"
    assert choice["finish_reason"] == "stop"


@everywhere
@either_way
async def test_a_limit_cuts_the_answer(
    provider: FakeCloudflare, kind: str, model: str, stream: bool
) -> None:
    answer = await ask(provider, kind, model, messages=user("a b c"), max_tokens=3, stream=stream)
    choice = answer["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("You said: a", "length")


@everywhere
@either_way
async def test_usage_comes_where_it_is_asked_for(
    provider: FakeCloudflare, kind: str, model: str, stream: bool
) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = await ask(provider, kind, model, messages=user("a b"), **options)
    assert answer["usage"]["prompt_tokens"] == 2
    assert answer["usage"]["completion_tokens"] == 4


@everywhere
@either_way
async def test_tools_are_called_and_their_results_repeated(
    provider: FakeCloudflare, kind: str, model: str, stream: bool
) -> None:
    fields: dict[str, Any] = {"tools": [TOOL], "stream": stream}
    messages = user("two please")
    answer = await ask(provider, kind, model, messages=messages, **fields)
    choice = answer["choices"][0]
    calls = [
        {key: call[key] for key in ("id", "type", "function")}
        for call in choice["message"]["tool_calls"]
    ]
    assert choice["finish_reason"] == "tool_calls"
    assert len({call["id"] for call in calls}) == 2
    for call in calls:
        assert call["function"]["name"] == "look_up"
        assert json.loads(call["function"]["arguments"]) == {"q": "two please", "n": 1}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"r{number}"}
        for number, call in enumerate(calls)
    ]
    called = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = await ask(provider, kind, model, messages=[*messages, called, *results], **fields)
    assert answer["choices"][0]["message"]["content"] == "Results: r0 and r1"


@everywhere
@either_way
async def test_a_schema_is_kept_to(
    provider: FakeCloudflare, kind: str, model: str, stream: bool
) -> None:
    answer = await ask(
        provider, kind, model, messages=user("Oslo"), response_format=FORMAT, stream=stream
    )
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"city": "Oslo"}


@pytest.mark.parametrize(("kind", "model"), [("cloudflare", SCOUT), ("cloudflare-openai", SCOUT)])
async def test_a_picture_is_seen(provider: FakeCloudflare, kind: str, model: str) -> None:
    content = [{"type": "text", "text": "What?"}, PICTURE]
    answer = await ask(provider, kind, model, messages=[{"role": "user", "content": content}])
    text = answer["choices"][0]["message"]["content"]
    assert text == f"I see image/png of {len(PNG)} bytes. You said: What?"


@pytest.mark.parametrize(("model", "picture"), [(FLUX_1, JPEG), (FLUX_2, JPEG), (SDXL, PNG)])
async def test_pictures_are_drawn(provider: FakeCloudflare, model: str, picture: bytes) -> None:
    body = {"model": "m", "prompt": "A cat.", "n": 2, "seed": 1, "size": "512x512"}
    site = Site(provider.base_url, tuple(KEY.items()))
    images = KINDS["cloudflare"].images
    assert images is not None
    steps = images(make_image_call(body, site=site, model=model)).steps()
    answers = [await exchange(request) for request in next(steps)]
    with pytest.raises(StopIteration) as stop:
        steps.send(answers)
    data = stop.value.value["data"]
    assert [base64.b64decode(each["b64_json"]) for each in data] == [picture] * 2


@pytest.mark.parametrize(("kind", "count"), [("cloudflare", 6), ("cloudflare-openai", 3)])
async def test_models_are_listed(provider: FakeCloudflare, kind: str, count: int) -> None:
    base = provider.base_url if kind == "cloudflare" else provider.openai_base_url
    lister = KINDS[kind].models
    assert lister is not None
    steps = lister(Site(base, tuple(KEY.items())), LABEL)
    answers = [await exchange(request) for request in next(steps)]
    with pytest.raises(StopIteration) as stop:
        steps.send(answers)
    assert len(stop.value.value) == count


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"messages": []}, "at least 1 item"),
        ({"messages": [{"role": "user", "content": None}]}, "/content"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "'array' not in 'string'"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "does not match any"),
        ({"messages": [{"role": "user", "content": "x", "name": "n"}]}, "Extra inputs"),
        (
            {"messages": [{"role": "tool", "content": "x", "name": "n", "tool_call_id": "c"}]},
            "answers no call",
        ),
        ({"max_tokens": 0}, "/max_tokens"),
        ({"temperature": 6}, "/temperature"),
        ({"seed": 0}, "/seed"),
        ({"top_p": 0}, "/top_p"),
        ({"stop": ["x"]}, "/stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "description"),
        ({"tool_choice": "required"}, "without '/tools'"),
        ({"response_format": FORMAT, "stream": True}, "doesn't support streaming"),
        ({"stream": "yes"}, "/stream"),
    ],
)
async def test_the_native_endpoint_refuses_what_the_models_refuse(
    provider: FakeCloudflare, fields: JSONObject, message: str
) -> None:
    body = {"messages": user("x"), **fields}
    status, answer = await post(f"{provider.base_url}/run/{LLAMA}", body, KEY)
    assert (status, answer["success"], answer["result"]) == (400, False, None)
    assert answer["errors"][0]["code"] == 5006
    assert message in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (f"/run/{LLAMA}", {}, 400, 6003),
        (f"/run/{LLAMA}", {"authorization": "Bearer other"}, 401, 10000),
        ("/run/@cf/no/such", KEY, 400, 5007),
        ("/v1/models", KEY, 405, 7001),
        ("/../other/ai/run/x", KEY, 404, 7003),
    ],
)
async def test_the_api_refuses_with_its_own_codes(
    provider: FakeCloudflare, path: str, headers: dict[str, str], status: int, code: int
) -> None:
    base = provider.base_url
    url = base.replace(provider.account, "other") if ".." in path else base + path
    got, answer = await post(url, {"messages": user("x")}, headers)
    assert (got, answer["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (FLUX_1, {"width": 512}),
        (FLUX_1, {"steps": 9}),
        (FLUX_2, {}),
        (SDXL, {"width": 100}),
        (SDXL, {"size": "512x512"}),
    ],
)
async def test_pictures_are_refused_by_the_models_schemas(
    provider: FakeCloudflare, model: str, fields: JSONObject
) -> None:
    status, answer = await post(
        f"{provider.base_url}/run/{model}", {"prompt": "A cat.", **fields}, KEY
    )
    assert (status, answer["errors"][0]["code"]) == (400, 5006)


async def test_a_prompt_may_be_refused(provider: FakeCloudflare) -> None:
    url = f"{provider.base_url}/run/{SDXL}"
    status, answer = await post(url, {"prompt": "nude"}, KEY)
    assert (status, answer["errors"][0]["code"]) == (400, 8007)


@pytest.mark.parametrize(
    ("headers", "model", "status", "answer"),
    [
        (KEY, "openai/gpt-5", 401, {"internalCode": 2009}),
        ({**KEY, "cf-aig-authorization": "Bearer x"}, "openai/gpt-5", 401, {"internalCode": 2009}),
        ({**KEY, **GATEWAY_KEY}, "gpt-5", 400, {"success": False}),
        ({**GATEWAY_KEY, "authorization": "Bearer x"}, "openai/gpt-5", 401, {}),
        (GATEWAY_KEY, "openai/gpt-5", 200, {"model": "gpt-5"}),
    ],
)
async def test_the_gateway_has_a_key_of_its_own(
    provider: FakeCloudflare,
    headers: dict[str, str],
    model: str,
    status: int,
    answer: JSONObject,
) -> None:
    url = f"{provider.gateway_base_url}/chat/completions"
    got, body = await post(url, {"model": model, "messages": user("x")}, headers)
    assert got == status
    assert answer.items() <= body.items()


async def test_openais_sdk_talks_to_the_compatible_endpoint(provider: FakeCloudflare) -> None:
    client = openai.AsyncOpenAI(
        base_url=provider.openai_base_url, api_key="cf-test-key", max_retries=0
    )
    async with client:
        answer = await client.chat.completions.create(model=LLAMA, messages=user("Hi"))  # type: ignore[arg-type] # plain dicts
        assert answer.choices[0].message.content == "You said: Hi"
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="@cf/no/such", messages=user("Hi"))  # type: ignore[arg-type] # plain dicts


async def test_a_script_takes_the_place_of_an_answer(provider: FakeCloudflare) -> None:
    async def limited(_received: Received, reply: Reply) -> None:
        await reply.json(429, {"errors": [{"code": 3040, "message": "busy"}]})

    provider.script("@cf/new/model", limited)
    url = f"{provider.base_url}/run/@cf/new/model"
    assert (await post(url, {"messages": user("x")}, KEY))[0] == 429
    assert (await post(url, {"messages": []}, KEY))[0] == 400
