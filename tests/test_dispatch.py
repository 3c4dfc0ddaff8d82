"""One exchange up to its reply: what leaves, whole replies, and the hold of streams."""

import asyncio
import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.attempt import Reply
from llm_gateway.errors import (
    RequestError,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
)
from llm_gateway.secret import Secret
from llm_gateway.wire import MAX_REPLY_BYTES
from support.exchange import (
    ANSWER_BYTES,
    BROKEN,
    DONE,
    FIRST,
    GOOD,
    JSON,
    Cut,
    Exchange,
    datas,
    either_way,
)
from support.fakes import (
    KEY,
    FakeResponse,
    chat_body,
    frame,
)
from support.openai_shapes import (
    chunk,
    error_body,
)


async def test_the_request_is_the_adapter_s_with_the_key_masked() -> None:
    exchange = Exchange(FakeResponse(ANSWER_BYTES, content_type=JSON), stream=False)
    await exchange.reply()
    [request] = exchange.wire.requests
    assert request.url == "http://p.invalid/v1/chat/completions"
    assert json.loads(request.body) == chat_body(model="up-model", stream=False)
    assert dict(request.headers)["authorization"] == f"Bearer {Secret(KEY).masked}"
    assert KEY not in repr(request)
    label = request.label
    assert (label.exchange, label.attempt) == ("req_test", 1)
    assert (label.provider, label.model) == ("p", "up-model")


async def test_the_trace_says_who_answered() -> None:
    exchange = Exchange(FakeResponse(ANSWER_BYTES, content_type=JSON), stream=False)
    await exchange.reply()
    trace = exchange.trace
    assert (trace.model, trace.target, trace.attempts) == ("m", "p/up-model", 1)
    assert (trace.usage, trace.failure) == (Usage(3, 2), None)


async def test_an_unknown_model_is_refused_and_nothing_is_sent() -> None:
    exchange = Exchange(FakeResponse(), model="nope")
    error = await exchange.failure()
    assert isinstance(error, RequestError)
    assert error.status == 404
    assert exchange.wire.requests == []
    assert (exchange.trace.model, exchange.trace.target, exchange.trace.attempts) == (
        "nope",
        None,
        0,
    )


@either_way
async def test_a_whole_reply_passes_byte_for_byte(cut: Cut) -> None:
    response = FakeResponse(*cut(ANSWER_BYTES), content_type="application/json; charset=utf-8")
    assert await Exchange(response, stream=False).reply() == Reply(JSON, ANSWER_BYTES)
    assert response.closed


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "error", "client_status"),
    [
        (400, error_body("Bad tool", param="tools"), 400),
        (401, error_body("Wrong key", code="invalid_api_key"), 502),
        (404, error_body("No model", code="model_not_found"), 404),
        (429, error_body("Slow down"), 429),
        (500, error_body("Oops", code=429), 429),
        (503, error_body("Busy"), 503),
        (302, {}, 502),
        (204, {}, 502),
        (201, {}, 502),
    ],
)
async def test_an_error_status_is_an_error_and_no_reply(
    stream: bool, status: int, error: dict[str, Any], client_status: int
) -> None:
    body = json.dumps(error).encode()
    response = FakeResponse(body, status=status, content_type=JSON)
    assert (await Exchange(response, stream=stream).failure()).status == client_status
    assert response.closed


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_status_with_an_event_stream_is_read_as_an_error(stream: bool) -> None:
    response = FakeResponse(frame(error_body("Busy")), status=503)
    assert (await Exchange(response, stream=stream).failure()).status == 503


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_s_retry_after_reaches_the_client(stream: bool) -> None:
    response = FakeResponse(b"{}", status=429, content_type=JSON, headers={"retry-after": "7"})
    error = await Exchange(response, stream=stream).failure()
    assert isinstance(error, UpstreamRateLimited)
    assert dict(error.headers)["retry-after"] == "7"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"error": {"code": 429, "message": "Slow down"}}', 429),
        (b'{"error": {"code": 502}}', 502),
        (b'{"error": "sentence"}', 502),
        (b'{"choices": []}', 502),
        (b"<!doctype html>", 502),
        (b'{"choices": [', 502),
        (b"", 502),
    ],
)
async def test_a_success_without_an_answer_is_an_error(
    stream: bool, body: bytes, status: int
) -> None:
    response = FakeResponse(body, content_type=JSON)
    exchange = Exchange(response, stream=stream)
    assert (await exchange.failure()).status == status
    assert response.closed


@pytest.mark.parametrize("stream", [True, False])
async def test_a_whole_reply_that_breaks_off_is_an_error(stream: bool) -> None:
    response = FakeResponse(ANSWER_BYTES[:20], BROKEN, content_type=JSON)
    assert await Exchange(response, stream=stream).failure() is BROKEN
    assert response.closed


@pytest.mark.parametrize("stream", [True, False])
async def test_a_reply_beyond_the_limit_is_refused_before_its_end(stream: bool) -> None:
    piece = b"x" * (1024 * 1024)
    pieces = [piece] * (MAX_REPLY_BYTES // len(piece) + 1)
    response = FakeResponse(*pieces, asyncio.Event(), content_type=JSON)
    error = await Exchange(response, stream=stream).failure()
    assert isinstance(error, UpstreamInvalidResponse)
    assert response.closed


async def test_a_failure_to_send_is_the_client_s_answer() -> None:
    exchange = Exchange(BROKEN)
    assert await exchange.failure() is BROKEN
    assert exchange.trace.attempts == 1


async def test_a_stream_that_nobody_asked_for_is_refused() -> None:
    response = FakeResponse(GOOD)
    error = await Exchange(response, stream=False).failure()
    assert isinstance(error, UpstreamInvalidResponse)
    assert response.closed


async def test_a_stream_that_nobody_asked_for_is_refused_without_waiting_for_its_end() -> None:
    response = FakeResponse(FIRST, asyncio.Event())
    error = await Exchange(response, stream=False, deadline=0.05).failure()
    assert isinstance(error, UpstreamInvalidResponse)


@either_way
async def test_a_whole_reply_to_a_stream_request_becomes_a_stream(cut: Cut) -> None:
    response = FakeResponse(*cut(ANSWER_BYTES), content_type=JSON)
    exchange = Exchange(response)
    content, counted, done = datas(await exchange.streamed())
    delta = json.loads(content)["choices"][0]
    assert (delta["delta"]["content"], delta["finish_reason"]) == ("Hi", "stop")
    assert json.loads(counted)["usage"]["total_tokens"] == 5
    assert done == "[DONE]"
    assert exchange.trace.usage == Usage(3, 2)
    assert response.closed


async def test_nothing_is_given_out_before_the_first_good_event() -> None:
    gate = asyncio.Event()
    response = FakeResponse(b": OPENROUTER PROCESSING\n\nretry: 1\n\n", FIRST[:30], gate, GOOD[30:])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(Exchange(response).reply())
        await response.waiting.wait()
        assert not waiting.done()
        gate.set()
        reply = await waiting
    assert not isinstance(reply.body, bytes)
    assert b"".join([piece async for piece in reply.body]) == GOOD


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (frame(error_body("Slow", code=429)), 429, "rate_limit_exceeded"),
        (frame({"error": {"code": "rate_limit_exceeded"}}), 429, "rate_limit_exceeded"),
        (frame({"error": {"code": 401}}), 502, "upstream_auth_error"),
        (frame({"error": {"code": 400, "message": "Bad"}}), 400, "upstream_rejected"),
        (frame(error_body("Oops", "server_error")), 500, "upstream_unavailable"),
        (frame({"error": "sentence"}), 502, "upstream_invalid_response"),
        (b'event: error\ndata: {"message": "Slow", "code": 429}\n\n', 429, "rate_limit_exceeded"),
        (frame(chunk("m", {}, "error")), 503, "upstream_unavailable"),
        (frame("<html>"), 502, "upstream_invalid_response"),
        (frame([]), 502, "upstream_invalid_response"),
        (b"<html><body>Welcome</body></html>\n", 502, None),
        (DONE, 502, "upstream_invalid_response"),
        (b"", 502, None),
        (b": comment\n\n", 502, None),
        (b"data:\n\n", 502, None),
    ],
)
@either_way
async def test_a_stream_that_begins_badly_is_an_error_with_its_real_status(
    cut: Cut, event: bytes, status: int, code: str | None
) -> None:
    response = FakeResponse(*cut(b": wait\n\n" + event))
    error = await Exchange(response).failure()
    assert isinstance(error, UpstreamError)
    assert error.status == status
    assert code in {None, error.code}
    assert response.closed


async def test_a_stream_that_breaks_before_its_first_event_is_an_error() -> None:
    response = FakeResponse(FIRST[:-1], BROKEN)
    assert await Exchange(response).failure() is BROKEN
    assert response.closed


async def test_the_provider_s_refusal_of_our_key_is_not_the_client_s_fault() -> None:
    response = FakeResponse(b'{"error": {"message": "Bad key"}}', status=401, content_type=JSON)
    error = await Exchange(response).failure()
    assert isinstance(error, UpstreamAuthError)
    assert error.status == 502


@pytest.mark.parametrize("stream", [True, False])
async def test_a_body_that_is_nested_too_deeply_is_the_client_s_fault(stream: bool) -> None:
    nested: list[Any] = []
    for _ in range(299):
        nested = [nested]
    exchange = Exchange(FakeResponse(), stream=stream, body=chat_body(metadata=nested))
    error = await exchange.failure()
    assert isinstance(error, RequestError)
    assert error.status == 400
    assert "nested too deeply" in error.message
    assert exchange.wire.requests == []
