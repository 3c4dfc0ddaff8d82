"""Attempts: what is done before a request, what it leaves out, and the one that is tried again."""

import asyncio
import json
from dataclasses import replace
from typing import Any, override

import pytest

from llm_gateway.adapters import Kind
from llm_gateway.adapters.contract import Call, Steps
from llm_gateway.errors import (
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from llm_gateway.trace import Trace
from llm_gateway.wire import UpstreamRequest
from support.exchange import JSON, NOW, Exchange, cancelled
from support.fakes import FakeResponse, chat_body, frame
from support.scripted import PlainAdapter, make_kind


def fine(body: bytes = b"fine") -> FakeResponse:
    return FakeResponse(body, content_type=JSON)


class Preparing(PlainAdapter):
    """Uploads twice before it asks, and says what it was answered."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._ready = False
        self._answers: list[str] = []

    @override
    def prepare(self) -> Steps[None]:
        for name in ("one", "two"):
            [answer] = yield [self.call.site.request("POST", f"/{name}", self.call.label)]
            self._answers.append(f"{answer.status} {answer.body.decode()}")
        self._ready = True

    @override
    def encode(self) -> UpstreamRequest:
        assert self._ready, "encode comes after prepare"
        return self.call.post("/chat", self._answers)


PREPARING = make_kind(Preparing)


async def test_what_is_to_be_prepared_is_done_before_the_request_is_made() -> None:
    exchange = Exchange(fine(b"a"), False, more=(fine(b"b"), fine()), kind=PREPARING)
    assert (await exchange.reply()).body == b"fine"
    *prepared, request = exchange.wire.requests
    assert [each.url.rpartition("/")[2] for each in prepared] == ["one", "two"]
    assert json.loads(request.body) == ["200 a", "200 b"]
    assert {each.label for each in exchange.wire.requests} == {request.label}
    assert exchange.trace.attempts == 1


async def test_a_failure_to_prepare_is_the_client_s_answer() -> None:
    broken = UpstreamConnectionError("It broke.")
    exchange = Exchange(broken, kind=PREPARING)
    assert await exchange.failure() is broken
    assert len(exchange.wire.requests) == 1


async def test_an_error_that_preparing_is_answered_with_is_the_format_s_to_judge() -> None:
    refused = FakeResponse(b"no", status=413)
    exchange = Exchange(refused, False, more=(fine(b"b"), fine()), kind=PREPARING)
    await exchange.reply()
    assert json.loads(exchange.wire.requests[-1].body) == ["413 no", "200 b"]


@pytest.mark.parametrize("stream", [True, False])
async def test_preparing_takes_its_time_from_the_deadline(stream: bool) -> None:
    exchange = Exchange(fine(), stream, more=(asyncio.Event(),), kind=PREPARING, deadline=0.02)
    error = await exchange.failure()
    assert isinstance(error, UpstreamTimeout)
    assert "deadline of 0.02 s" in error.message


async def test_a_client_that_leaves_while_it_is_prepared_ends_it() -> None:
    response = FakeResponse(asyncio.Event())
    exchange = Exchange(response, kind=PREPARING)
    await cancelled(asyncio.create_task(exchange.reply()), response.waiting)
    assert response.closed
    assert len(exchange.wire.requests) == 1


PLAIN = make_kind()
EXPIRED = UpstreamAuthError("The token is over.", retry=Retry.HERE)


@pytest.mark.parametrize(
    "first",
    [FakeResponse(b"", status=401, content_type=JSON), EXPIRED],
    ids=["answered", "by the wire"],
)
async def test_a_token_that_is_over_is_mended_by_a_second_attempt(
    first: FakeResponse | Exception,
) -> None:
    exchange = Exchange(first, False, more=(fine(),), kind=PLAIN)
    assert (await exchange.reply()).body == b"fine"
    assert [each.label.attempt for each in exchange.wire.requests] == [1, 2]
    first_request, second_request = exchange.wire.requests
    assert replace(first_request, label=second_request.label) == second_request
    assert (exchange.trace.attempts, exchange.trace.failure) == (2, None)


async def test_the_second_attempt_of_a_stream_is_streamed() -> None:
    stream = FakeResponse(frame("hello"), frame("[DONE]"))
    exchange = Exchange(FakeResponse(b"", status=401), more=(stream,), kind=PLAIN)
    assert await exchange.streamed() == frame("hello") + frame("[DONE]")
    assert exchange.trace.attempts == 2


async def test_there_is_no_third_attempt() -> None:
    last = UpstreamAuthError("Still over.", retry=Retry.HERE)
    exchange = Exchange(EXPIRED, more=(last,), kind=PLAIN)
    assert await exchange.failure() is last
    assert exchange.trace.attempts == 2


async def test_the_first_attempt_counts_although_the_second_never_left() -> None:
    last = UpstreamConnectionError("Nobody there.").unsent()
    exchange = Exchange(EXPIRED, more=(last,), kind=PLAIN)
    assert await exchange.failure() is last
    assert last.counts


async def test_a_target_that_refuses_new_tokens_as_well_is_left_alone_in_the_end() -> None:
    exchange = Exchange(EXPIRED, more=(EXPIRED,) * 9, kind=PLAIN)
    for _ in range(5):
        assert await exchange.failure() is EXPIRED
        exchange.trace = Trace("req_test")
    assert (await exchange.failure()).code == "no_healthy_upstream"
    assert len(exchange.wire.requests) == 10


async def test_another_failure_of_the_second_attempt_is_the_client_s_answer() -> None:
    exchange = Exchange(EXPIRED, more=(FakeResponse(b"", status=503),), kind=PLAIN)
    assert (await exchange.failure()).status == 503
    assert exchange.trace.attempts == 2


@pytest.mark.parametrize(
    "error",
    [
        UpstreamAuthError("The key is wrong."),
        UpstreamAuthError("The key is wrong.", retry=Retry.NEVER),
        UpstreamRateLimited("Slow down.", retry=Retry.HERE),
        UpstreamConnectionError("It broke.", retry=Retry.HERE),
        UpstreamError("Something.", retry=Retry.HERE),
    ],
    ids=lambda error: f"{type(error).__name__} {error.retry.value}",
)
async def test_no_other_failure_is_tried_again(error: UpstreamError) -> None:
    exchange = Exchange(error, more=(fine(),), kind=PLAIN)
    assert await exchange.failure() is error
    assert (exchange.trace.attempts, len(exchange.wire.requests)) == (1, 1)


async def test_both_attempts_share_one_deadline() -> None:
    exchange = Exchange(EXPIRED, more=(asyncio.Event(),), kind=PLAIN, deadline=0.02)
    assert isinstance(await exchange.failure(), UpstreamTimeout)
    assert exchange.trace.attempts == 2


class Dropping(PlainAdapter):
    """Leaves `seed` out, and something that stands deeper."""

    @override
    def encode(self) -> UpstreamRequest:
        self.dropped = tuple(each for each in ("seed",) if each in self.call.body)
        self.dropped += ("messages[0].name",)
        return self.call.post("/chat", {k: v for k, v in self.call.body.items() if k != "seed"})


BODY = chat_body(seed=7, top_p=0.5, user="u")


@pytest.mark.parametrize(
    ("omit", "sent", "dropped"),
    [
        ((), {"top_p", "user"}, ("seed", "messages[0].name")),
        (("top_p",), {"user"}, ("top_p", "seed", "messages[0].name")),
        (("user", "top_p"), set(), ("top_p", "user", "seed", "messages[0].name")),
        (("seed",), {"top_p", "user"}, ("seed", "messages[0].name")),
        (("not_there",), {"top_p", "user"}, ("seed", "messages[0].name")),
    ],
)
async def test_what_a_model_does_not_take_is_left_out_and_reported_first(
    omit: tuple[str, ...], sent: set[str], dropped: tuple[str, ...]
) -> None:
    body = dict(BODY)
    exchange = Exchange(fine(), False, kind=make_kind(Dropping), omit=omit, body=body)
    await exchange.reply()
    left = json.loads(exchange.wire.requests[0].body)
    assert left.keys() == {"model", "messages", "stream", *sent}
    assert exchange.trace.dropped == dropped
    assert body == BODY


async def test_what_was_left_out_is_known_of_a_request_that_fails_as_well() -> None:
    broken = UpstreamConnectionError("It broke.")
    exchange = Exchange(broken, kind=make_kind(Dropping), omit=("top_p",), body=BODY)
    await exchange.failure()
    assert exchange.trace.dropped == ("top_p", "seed", "messages[0].name")


def recording(seen: list[Call]) -> Kind:
    """A kind that keeps the calls it is made for."""

    def make(call: Call) -> PlainAdapter:
        seen.append(call)
        return PlainAdapter(call)

    return make_kind(make)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_says_what_there_is_to_know_of_it(stream: bool) -> None:
    seen: list[Call] = []
    exchange = Exchange(EXPIRED, stream, more=(EXPIRED,), kind=recording(seen))
    await exchange.failure()
    for number, call in enumerate(seen, 1):
        assert (call.model, call.stream, call.created) == ("up-model", stream, int(NOW))
        assert (call.label.exchange, call.label.attempt) == ("req_test", number)
        assert (call.label.provider, call.label.model) == ("p", "up-model")
        assert call.site.base_url == "http://p.invalid/v1"
        assert call.body["messages"] == chat_body()["messages"]
        assert call.memory is exchange.memory
    assert len(seen) == 2


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("where", ["prepare", "encode"])
async def test_a_request_that_no_provider_could_read_is_an_attempt_that_sends_nothing(
    where: str, stream: bool
) -> None:
    error = RequestError(400, "No.", param="messages[0]")

    class Refusing(PlainAdapter):
        @override
        def prepare(self) -> Steps[None]:
            if where == "prepare":
                raise error
            yield from ()

        @override
        def encode(self) -> UpstreamRequest:
            raise error

    exchange = Exchange(fine(), stream, kind=make_kind(Refusing), omit=("user",), body=BODY)
    assert await exchange.failure() is error
    assert exchange.wire.requests == []
    assert (exchange.trace.attempts, exchange.trace.target) == (1, "p/up-model")


async def test_a_bug_of_a_format_is_no_upstream_error() -> None:
    class Buggy(PlainAdapter):
        @override
        def encode(self) -> Any:
            raise KeyError("a bug")

    exchange = Exchange(fine(), kind=make_kind(Buggy))
    with pytest.raises(KeyError):
        await exchange.reply()
    assert exchange.wire.requests == []
