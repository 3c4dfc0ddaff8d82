"""The fake provider refuses what OpenAI refuses, answers as OpenAI does, and obeys its scripts."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from support import behaviours
from support.fake_openai import FakeOpenAI
from support.gate import Gate
from support.http1 import Malformed
from support.pictures import JPEG
from support.raw_http import RawConnection, json_request, request_bytes
from support.recording_server import Handler, Received, Reply
from support.sdk import openai_transport

HOST = "provider.test"
KEY = "sk-test"
USER = {"role": "user", "content": "one two"}
CHAT = "/v1/chat/completions"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["q", "n"],
        },
    },
}


def chat(**fields: object) -> dict[str, object]:
    return {"model": "gpt-test", "messages": [USER], **fields}


def chat_request(**fields: object) -> bytes:
    return json_request(CHAT, chat(**fields), host=HOST, token=KEY)


async def post(provider: FakeOpenAI, request: bytes) -> tuple[int, Any]:
    async with RawConnection(provider.port) as client:
        head, body = await client.exchange(request)
        return head.status, json.loads(body)


@asynccontextmanager
async def streaming(provider: FakeOpenAI, handler: Handler) -> AsyncIterator[tuple[Any, Any]]:
    """Ask for a stream of a scripted model; yield the connection and the answer's head."""
    provider.script("scripted", handler)
    async with RawConnection(provider.port) as client:
        await client.send(chat_request(model="scripted", stream=True))
        yield client, await client.read_head()


async def events(provider: FakeOpenAI, handler: Handler) -> list[str]:
    async with streaming(provider, handler) as (client, head):
        return [event async for event in client.events(head)]


def sdk(provider: FakeOpenAI, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=provider.base_url, api_key=key, max_retries=0, http_client=openai_transport()
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top_k": 1}, "Unrecognized request argument supplied: top_k"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"stream": True, "stream_options": {"x": 1}}, "Unknown parameter: 'stream_options.x'"),
        ({"model": None}, "you must provide a model parameter"),
        ({"messages": None}, "Missing required parameter: 'messages'"),
        ({"messages": []}, "[] is too short"),
        ({"messages": "hi"}, "expected an array"),
        ({"messages": [{"role": "bot", "content": "hi"}]}, "Invalid value for 'messages[0].role'"),
        ({"messages": [{**USER, "x": 1}]}, "Unknown parameter: 'messages[0].x'"),
        ({"messages": [{"role": "user", "content": None}]}, "Invalid value for 'messages[0]"),
        ({"messages": [{"role": "assistant"}]}, "'messages[0].content': expected a string"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "'messages[0]"),
        ({"messages": [USER, CALLED]}, "did not have response messages: c1"),
        ({"messages": [USER, CALLED, USER]}, "did not have response messages: c1"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]},
            "must be a response to a preceding message",
        ),
        ({"temperature": 3}, "Invalid 'temperature'"),
        ({"temperature": "1"}, "Invalid value for 'temperature'"),
        ({"stop": list("abcde")}, "Invalid 'stop'"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        ({"tools": [{**TOOL, "x": 1}]}, "Unknown parameter"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
    ],
)
async def test_a_request_that_openai_refuses_is_refused_with_an_openai_error(
    provider: FakeOpenAI, fields: dict[str, object], message: str
) -> None:
    status, body = await post(provider, chat_request(**fields))
    assert status == 400
    assert message in body["error"]["message"]
    assert set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (json_request(CHAT, chat(), host=HOST), 401, None),
        (json_request(CHAT, chat(), host=HOST, token="sk-other"), 401, "invalid_api_key"),
        (json_request("/v1/other", chat(), host=HOST, token=KEY), 404, None),
        (json_request(CHAT, chat(model="gpt-0"), host=HOST, token=KEY), 404, "model_not_found"),
        (request_bytes("GET", CHAT, host=HOST), 405, "method_not_supported"),
        (
            request_bytes("POST", CHAT, [("Authorization", f"Bearer {KEY}")], b"{}", host=HOST),
            400,
            "unsupported_content_type",
        ),
        (
            json_request(CHAT, chat(), host=HOST, token=KEY).replace(b'{"model"', b"{'model'"),
            400,
            None,
        ),
    ],
)
async def test_a_wrong_call_gets_its_status_and_code(
    provider: FakeOpenAI, request_: bytes, status: int, code: str | None
) -> None:
    got, body = await post(provider, request_)
    assert (got, body["error"]["code"]) == (status, code)


async def test_two_authorization_fields_are_refused(provider: FakeOpenAI) -> None:
    twice = [("Authorization", f"Bearer {KEY}")]
    request = json_request(CHAT, chat(), host=HOST, token=KEY, headers=twice)
    status, _ = await post(provider, request)
    assert status == 401


async def test_the_default_answer_echoes_in_openais_shape(provider: FakeOpenAI) -> None:
    status, body = await post(provider, chat_request(max_tokens=3))
    assert status == 200
    answer = ChatCompletion.model_validate(body, strict=True)
    assert answer.choices[0].message.content == "You said: one "
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (2, 5)


@pytest.mark.parametrize("include_usage", [True, False])
async def test_usage_is_streamed_only_when_asked(provider: FakeOpenAI, include_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    async with RawConnection(provider.port) as client:
        await client.send(chat_request(stream=True, **options))
        head = await client.read_head()
        *frames, done = [event async for event in client.events(head)]
    chunks = [json.loads(frame) for frame in frames]
    for each in chunks:
        ChatCompletionChunk.model_validate(each, strict=True)
    assert done == "[DONE]"
    if include_usage:
        *before, last = chunks
        assert all(each["usage"] is None and each["choices"] for each in before)
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] == 6
    else:
        assert not any("usage" in each for each in chunks)
    texts = [c["delta"].get("content") or "" for each in chunks for c in each["choices"]]
    assert "".join(texts) == "You said: one two"


@pytest.mark.parametrize("stream", [True, False])
async def test_the_sdk_completes_a_round_of_tools(provider: FakeOpenAI, stream: bool) -> None:
    async with sdk(provider) as client:
        first: Any = {"model": "gpt-test", "messages": [USER], "tools": [TOOL]}
        if stream:
            async with client.chat.completions.stream(**first) as answers:
                message = (await answers.get_final_completion()).choices[0].message
        else:
            message = (await client.chat.completions.create(**first)).choices[0].message
        assert message.tool_calls is not None
        assert [json.loads(call.function.arguments) for call in message.tool_calls] == [
            {"q": "one two", "n": 1},
            {"q": "one two", "n": 1},
        ]
        own: Any = message.model_dump(exclude_unset=True)
        for each in own["tool_calls"]:
            each.pop("index", None)
            each["function"].pop("parsed_arguments", None)
        own.pop("parsed", None)
        results: Any = [
            {"role": "tool", "tool_call_id": call.id, "content": f"found {index}"}
            for index, call in enumerate(message.tool_calls)
        ]
        first["messages"] = [USER, own, *results]
        second = await client.chat.completions.create(**first)
        assert second.choices[0].message.content == "The tools said: found 0, found 1"


async def test_the_sdk_lists_models_and_sees_a_wrong_key(provider: FakeOpenAI) -> None:
    provider.script("scripted", behaviours.never_answers())
    async with sdk(provider) as client, sdk(provider, "sk-wrong") as stranger:
        assert [card.id async for card in client.models.list()] == ["gpt-test", "scripted"]
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_a_gate_proves_that_event_k_arrives_before_k_plus_1_is_sent(
    provider: FakeOpenAI,
) -> None:
    gate = Gate()
    async with streaming(provider, behaviours.numbered_events(3, gate)) as (client, head):
        answers = client.events(head)
        for number in range(1, 4):
            assert gate.sent_count == number - 1
            assert await gate.release() == number
            assert f"one two#{number} " in await anext(answers)
        gate.open()
        assert [event async for event in answers][-1] == "[DONE]"


@pytest.mark.parametrize("leave", ["close", "abort"])
async def test_the_provider_sees_the_client_leave(provider: FakeOpenAI, leave: str) -> None:
    async with streaming(provider, behaviours.stalls_after(1)) as (client, head):
        assert "#1" in await anext(client.events(head))
        received = await provider.request()
        assert not received.closed.is_set()
        if leave == "close":
            await client.close()
        else:
            client.abort()
        await asyncio.wait_for(received.closed.wait(), 5)
        await provider.until(lambda: provider.open_connections == 0)


async def test_a_reset_ends_the_stream_with_a_reset(provider: FakeOpenAI) -> None:
    gate = Gate()
    async with streaming(provider, behaviours.dies_after(1, "reset", gate)) as (client, head):
        await gate.release()
        answers = client.events(head)
        assert "#1" in await anext(answers)
        gate.open()
        with pytest.raises(ConnectionResetError):
            await anext(answers)


async def test_a_close_ends_the_stream_inside_the_chunked_body(provider: FakeOpenAI) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await events(provider, behaviours.dies_after(2, "close"))


async def test_nothing_but_a_closed_connection_comes_before_the_head(provider: FakeOpenAI) -> None:
    with pytest.raises(ConnectionError):
        await events(provider, behaviours.closes_before_head())


async def test_endings_differ_as_named(provider: FakeOpenAI) -> None:
    good = await events(provider, behaviours.numbered_events(1))
    assert [len(good), good[-1]] == [3, "[DONE]"]
    assert await events(provider, behaviours.ends_without_done(1)) == good[:2]
    assert await events(provider, behaviours.ends_without_finish(1)) == good[:1]
    twice = await events(provider, behaviours.two_dones(1))
    assert twice[:3] == good
    assert [len(twice), twice[-1]] == [5, "[DONE]"]
    error = json.dumps(behaviours.SERVER_ERROR)
    assert await events(provider, behaviours.error_after(1)) == [good[0], error, "[DONE]"]
    assert await events(provider, behaviours.error_first()) == [error, "[DONE]"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_byte_by_byte_is_the_same_stream_in_chunks_of_one_byte(
    provider: FakeOpenAI, end: Any
) -> None:
    async with streaming(provider, behaviours.line_ends(2, end)) as (client, head):
        whole = await client.read_body(head)
    async with streaming(provider, behaviours.byte_by_byte(2, end)) as (client, head):
        pieces = [piece async for piece in client.body(head)]
    assert b"".join(pieces) == whole
    assert {len(piece) for piece in pieces} == {1}
    assert whole.endswith(f"data: [DONE]{end}{end}".encode())


async def test_noise_holds_the_good_stream(provider: FakeOpenAI) -> None:
    async with streaming(provider, behaviours.noisy_stream(2)) as (client, head):
        body = await client.read_body(head)
    assert body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert b"retry: 3000\n\n" in body
    assert b"\ndata:\n\nid: 1\n\nevent: ping\n\n" in body
    assert body.endswith(b"data:[DONE]\n\n")


async def test_a_big_stream_is_as_big_as_asked(provider: FakeOpenAI) -> None:
    async with streaming(provider, behaviours.big_stream(5_000_000)) as (client, head):
        sizes = [len(piece) async for piece in client.body(head)]
    assert 5_000_000 <= sum(sizes) < 5_200_000


@pytest.mark.parametrize(
    ("handler", "status", "start"),
    [
        (behaviours.error_json(429, {"error": 1}, [("retry-after", "7")]), 429, b'{"error": 1}'),
        (behaviours.error_in_200(), 200, b'{"error"'),
        (behaviours.html_200(), 200, b"<!doctype html>"),
        (behaviours.invalid_json_200(), 200, b'{"id"'),
        (behaviours.redirect("http://127.0.0.1:1/elsewhere"), 302, b""),
    ],
)
async def test_whole_answers_are_sent_as_scripted(
    provider: FakeOpenAI, handler: Handler, status: int, start: bytes
) -> None:
    provider.script("scripted", handler)
    async with RawConnection(provider.port) as client:
        for _ in range(2):
            head, body = await client.exchange(chat_request(model="scripted"))
            assert (head.status, body[: len(start)]) == (status, start)
    assert provider.count_connections == 1


async def test_an_answer_without_choices_and_a_gzipped_one(provider: FakeOpenAI) -> None:
    provider.script(
        "scripted", behaviours.by_turn(behaviours.empty_choices(), behaviours.gzip_anyway())
    )
    async with RawConnection(provider.port) as client:
        _, body = await client.exchange(chat_request(model="scripted"))
        assert json.loads(body)["choices"] == []
        head, body = await client.exchange(chat_request(model="scripted"))
        assert head.header("content-encoding") == "gzip"
        text = json.loads(gzip.decompress(body))["choices"][0]["message"]["content"]
        assert text == "one two#1 "


async def test_a_json_body_can_break_off(provider: FakeOpenAI) -> None:
    provider.script("scripted", behaviours.json_cut("close"))
    with pytest.raises(asyncio.IncompleteReadError):
        await post(provider, chat_request(model="scripted"))


async def test_the_text_chooses_the_script(provider: FakeOpenAI) -> None:
    table = {"one two": behaviours.error_json(418, {}), "x": behaviours.never_answers()}
    provider.script("scripted", behaviours.by_text(table))
    assert await post(provider, chat_request(model="scripted")) == (418, {})


async def test_a_handler_writes_any_bytes(provider: FakeOpenAI) -> None:
    async def handler(_received: Received, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")

    with pytest.raises(Malformed):
        await events(provider, handler)


@pytest.fixture
async def painter() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(KEY, painters=("gpt-image-1", "dall-e-3")) as server:
        yield server


async def test_gpt_image_models_draw_in_base64(painter: FakeOpenAI) -> None:
    async with sdk(painter) as client:
        drawn = await client.images.generate(
            model="gpt-image-1", prompt="a dot", n=2, output_format="jpeg"
        )
    assert drawn.data is not None
    assert [base64.b64decode(each.b64_json or "") for each in drawn.data] == [JPEG, JPEG]
    assert drawn.usage is not None
    assert drawn.usage.total_tokens == 281


@pytest.mark.parametrize(
    ("form", "field"), [("url", "url"), ("b64_json", "b64_json"), (openai.omit, "url")]
)
async def test_dall_e_draws_as_it_is_asked_to(painter: FakeOpenAI, form: Any, field: str) -> None:
    async with sdk(painter) as client:
        drawn = await client.images.generate(model="dall-e-3", prompt="a dot", response_format=form)
    assert drawn.data is not None
    assert getattr(drawn.data[0], field)
    assert drawn.data[0].revised_prompt == "A picture of a dot"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"response_format": "url"}, "Unknown parameter: 'response_format'"),
        ({"style": "vivid"}, "Unknown parameter: 'style'"),
        ({"seed": 1}, "Unknown parameter: 'seed'"),
        ({"n": 11}, "Invalid 'n'"),
        ({"stream": True}, "Invalid value for 'stream'"),
        ({"prompt": 5}, "Invalid value for 'prompt'"),
        ({"model": None}, "you must provide a model"),
        ({"model": "dall-e-3", "n": 2}, "You must provide n=1"),
        ({"model": "dall-e-3", "output_format": "png"}, "Unknown parameter: 'output_format'"),
    ],
)
async def test_what_openai_does_not_draw_is_refused(
    painter: FakeOpenAI, fields: dict[str, object], text: str
) -> None:
    body = {"model": "gpt-image-1", "prompt": "a dot", **fields}
    request = json_request("/v1/images/generations", body, host=HOST, token=KEY)
    status, refusal = await post(painter, request)
    assert status == 400
    assert text in refusal["error"]["message"]


async def test_pictures_may_be_scripted(painter: FakeOpenAI) -> None:
    painter.script_pictures("own", behaviours.error_json(500))
    async with sdk(painter) as client:
        with pytest.raises(openai.InternalServerError):
            await client.images.generate(model="own", prompt="a dot")
