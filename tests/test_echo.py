"""The demo provider's answers, checked with the openai SDK's own types."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_gateway import sse
from llm_gateway.echo import EchoWire
from llm_gateway.patience import Patience
from llm_gateway.wire import UpstreamRequest, UpstreamResponse, is_event_stream, read_whole
from support import virtual_time
from support.fakes import LABEL, chat_body, make_provider


def request(body: dict[str, Any]) -> UpstreamRequest:
    return UpstreamRequest("POST", "http://echo.invalid/v1", (), json.dumps(body).encode(), LABEL)


async def send(body: dict[str, Any], pace: float = 0) -> UpstreamResponse:
    wire = EchoWire(make_provider(kind="echo", key=None), pace)
    return await wire.send(request(body), Patience())


async def complete(body: dict[str, Any]) -> ChatCompletion:
    """The whole answer."""
    response = await send(body)
    assert (response.status, is_event_stream(response)) == (200, False)
    return ChatCompletion.model_validate_json(await read_whole(response), strict=True)


async def chunks(body: dict[str, Any]) -> list[ChatCompletionChunk]:
    """The chunks of the streamed answer, which ends with [DONE]."""
    response = await send({**body, "stream": True})
    assert (response.status, is_event_stream(response)) == (200, True)
    decoder = sse.Decoder()
    *events, done = decoder.feed(await read_whole(response))
    assert (done.data, decoder.close()) == (b"[DONE]", [])
    return [ChatCompletionChunk.model_validate_json(each.data, strict=True) for each in events]


def text_of(streamed: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in streamed for choice in chunk.choices)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "Hello, gateway",
        "  two\n\nlines\t and é😀 ",
        " ",
        "\n",
        "x" * 10_000,
        "a b " * 1000,
        "\u2028 \u00a0 x",
    ],
)
async def test_the_user_s_words_come_back_whole_and_streamed(text: str) -> None:
    whole = await complete(chat_body(text))
    assert whole.choices[0].message.content == text
    assert text_of(await chunks(chat_body(text))) == text


@given(st.text(min_size=1, max_size=50))
def test_any_text_comes_back_unchanged(text: str) -> None:
    body = chat_body(text)
    whole = virtual_time.run(complete(body))
    assert whole.choices[0].message.content == text
    assert text_of(virtual_time.run(chunks(body))) == text


@pytest.mark.timeout(10)
async def test_a_text_of_nothing_but_blanks_takes_no_longer_than_others() -> None:
    text = " " * 200_000
    assert (await complete(chat_body(text))).choices[0].message.content == text


async def test_a_whole_answer_is_complete_and_counted() -> None:
    whole = await complete(chat_body("one two three", model="echo-big"))
    [choice] = whole.choices
    assert (whole.model, whole.object) == ("echo-big", "chat.completion")
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert whole.usage is not None
    usage = whole.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 3, 6)


async def test_a_stream_has_a_role_then_a_word_a_chunk_then_one_finish() -> None:
    first, one, two, last = await chunks(chat_body("one two"))
    assert first.choices[0].delta.role == "assistant"
    assert [one.choices[0].delta.content, two.choices[0].delta.content] == ["one", " two"]
    assert [each.choices[0].finish_reason for each in (first, one, two, last)] == [
        None,
        None,
        None,
        "stop",
    ]
    assert {(each.id, each.created, each.model) for each in (one, two, last)} == {
        (first.id, first.created, first.model)
    }


async def test_usage_is_streamed_only_if_it_is_asked_for() -> None:
    plain = await chunks(chat_body("one two"))
    assert all("usage" not in each.model_fields_set for each in plain)
    *others, last = await chunks(chat_body("one two", stream_options={"include_usage": True}))
    assert all(each.usage is None for each in others)
    assert all("usage" in each.model_fields_set for each in others)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (2, 2)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": None}, "yes", [1], 1, True])
async def test_stream_options_of_any_other_form_ask_for_nothing(options: object) -> None:
    streamed = await chunks(chat_body("one", stream_options=options))
    assert all(each.usage is None for each in streamed)


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([user("first"), user("last")], "last"),
        ([user("asked"), {"role": "assistant", "content": "said"}], "asked"),
        ([user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], "a b"),
        ([user("words"), user([{"type": "image_url", "image_url": {"url": "x"}}])], "words"),
        ([user([None, 1, "x", {"text": 5}, {}])], "(no user message)"),
        ([user(None)], "(no user message)"),
        ([user("")], "(no user message)"),
        ([user(5)], "(no user message)"),
        ([{"role": "user"}], "(no user message)"),
        ([{"role": "system", "content": "be"}], "(no user message)"),
    ],
)
async def test_it_is_the_last_user_message_with_text_that_comes_back(
    messages: list[dict[str, Any]], text: str
) -> None:
    whole = await complete({"model": "m", "messages": messages})
    assert whole.choices[0].message.content == text


async def test_equal_exchanges_have_equal_ids_and_others_have_others() -> None:
    first, second = await complete(chat_body()), await complete(chat_body("other"))
    assert first.id == second.id
    assert first.id.startswith("chatcmpl-")


def test_a_stream_is_paced_and_a_whole_answer_is_not() -> None:
    async def seconds(body: dict[str, Any]) -> float:
        await read_whole(await send(body, pace=1))
        return asyncio.get_running_loop().time()

    assert virtual_time.run(seconds(chat_body("one two"))) == 0
    assert virtual_time.run(seconds(chat_body("one two", stream=True))) == pytest.approx(5)


async def test_a_closed_answer_gives_nothing_more() -> None:
    response = await send(chat_body(stream=True))
    await response.read()
    response.close()
    assert await response.read() == b""


async def test_a_released_answer_gives_nothing_more() -> None:
    response = await send(chat_body(stream=True))
    await response.release()
    assert await response.read() == b""


async def test_the_wire_is_open_again_after_it_was_closed() -> None:
    wire = EchoWire(make_provider(kind="echo", key=None))
    await wire.close()
    assert (await wire.send(request(chat_body()), Patience())).status == 200
