"""Exchanges that outstay the gateway end in words, in every phase, and the log says so."""

import asyncio
import json
import logging
import re
from dataclasses import replace
from typing import Any, override

import pytest

from llm_gateway.api.keepalive import COMMENT
from llm_gateway.api.server import Api
from llm_gateway.config import ClientToken, Gateway, RetryPolicy, ThrottlePolicy
from llm_gateway.draining import Draining
from llm_gateway.errors import UpstreamUnavailable
from llm_gateway.secret import Secret
from support.exchange import told_failure
from support.fakes import (
    TOKEN,
    FakeResponse,
    FakeSink,
    chat_body,
    make_config,
    make_model,
    make_provider,
)
from support.served import ANSWER, DONE, FIRST, HELLO, LAST, PROMPT, STREAMED, Served, error_of

SHUTDOWN = {
    "message": "The gateway is shutting down.",
    "type": "server_error",
    "param": None,
    "code": "gateway_shutdown",
}


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class SlowSink(FakeSink):
    """Blocks once, behind a piece that ends so."""

    def __init__(self, ending: bytes) -> None:
        super().__init__()
        self._ending = ending

    @override
    async def write(self, data: bytes) -> None:
        await super().write(data)
        if data.endswith(self._ending) and not self.blocked.is_set():
            self.blocked.set()
            await asyncio.Event().wait()


class Stopped(Served):
    """An API that can be told to end what is under way."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.draining = Draining()
        self.api = Api(lambda: self.runtime, draining=self.draining)

    async def cut(self, once: asyncio.Event, sink: FakeSink, body: dict[str, Any]) -> FakeSink:
        """Ask, and cut that when it has come so far."""
        work = asyncio.create_task(self.serve(body=body, sink=sink))
        await once.wait()
        await self.end(work)
        return sink

    async def end(self, *works: asyncio.Task[FakeSink]) -> None:
        """Cut what is under way, and wait until it is over."""
        self.draining.cut()
        async with asyncio.timeout(1):
            await asyncio.gather(*works)
            await self.runtime.wait_unused()


@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_provider_has_answered_it_is_a_503(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    served = Stopped(caplog, asyncio.Event())
    sink = await served.cut(served.wire.waiting, FakeSink(), chat_body(PROMPT, stream=stream))
    assert sink.status == 503
    assert error_of(sink) == SHUTDOWN
    assert sink.header("retry-after") == "1"
    assert len(served.wire.requests) == 1, "nobody else is asked"
    assert " 503 gateway_shutdown total " in served.line


async def ticks() -> None:
    """Let everything run on that does not wait for time to pass or for something from outside."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_asleep_before_another_try_it_is_a_503_and_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later = UpstreamUnavailable("Later.", retry_after=10.0)
    config = make_config(models=[make_model(retry=RetryPolicy(attempts=3))])
    served = Stopped(caplog, later, FakeResponse(ANSWER), config=config)
    sink = FakeSink()
    work = asyncio.create_task(served.serve(sink=sink))
    await ticks()
    assert not work.done()
    await served.end(work)
    assert (sink.status, error_of(sink)) == (503, SHUTDOWN)
    assert len(served.wire.requests) == 1


async def test_in_the_queue_it_is_a_503(caplog: pytest.LogCaptureFixture) -> None:
    provider = replace(make_provider(), throttle=ThrottlePolicy(max_concurrent=1))
    served = Stopped(caplog, asyncio.Event(), config=make_config([provider]))
    sinks = [FakeSink(), FakeSink()]
    works = [asyncio.create_task(served.serve(sink=sink)) for sink in sinks]
    await ticks()
    await served.end(*works)
    assert [sink.status for sink in sinks] == [503, 503]
    assert len(served.wire.requests) == 1, "the other one was waiting for it"


@pytest.mark.parametrize("stream", [True, False])
async def test_during_the_hold_it_is_a_503_and_the_provider_is_left(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    content_type = "text/event-stream" if stream else "application/json"
    response = FakeResponse(asyncio.Event(), content_type=content_type)
    served = Stopped(caplog, response)
    sink = await served.cut(response.waiting, FakeSink(), chat_body(PROMPT, stream=stream))
    assert sink.status == 503
    assert error_of(sink) == SHUTDOWN
    assert response.closed


async def test_in_mid_stream_it_is_an_error_event_and_the_provider_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = FakeResponse(FIRST + HELLO, asyncio.Event())
    served = Stopped(caplog, response)
    sink = await served.cut(response.waiting, FakeSink(), STREAMED)
    good, error = told_failure(sink.body)
    assert json.loads(good[-1])["choices"][0]["delta"]["content"] == "canary-answer"
    assert error == SHUTDOWN
    assert (sink.status, sink.ended) == (200, True)
    assert response.closed
    assert re.search(r" 200 gateway_shutdown ttft \S+ total ", served.line)


async def test_behind_comments_that_kept_it_alive_it_is_an_error_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = Gateway(tokens=(ClientToken.of("t", Secret(TOKEN)),), keepalive=0.01)
    served = Stopped(caplog, asyncio.Event(), config=make_config(gateway=gateway))
    sink = SlowSink(COMMENT)
    await served.cut(sink.blocked, sink, STREAMED)
    assert sink.body.startswith(COMMENT)
    assert told_failure(sink.body.removeprefix(COMMENT)) == ([], SHUTDOWN)
    assert sink.ended


async def test_a_client_that_is_slow_to_take_the_end_has_it_without_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of the stream is written; that the client did not take it yet is no failure."""
    served = Stopped(caplog, FakeResponse(FIRST + HELLO + LAST + DONE))
    sink = SlowSink(DONE)
    await served.cut(sink.blocked, sink, STREAMED)
    assert sink.ended
    assert sink.body.endswith(b"data: [DONE]\n\n")
    assert b"gateway_shutdown" not in sink.body
    assert " 200 ttft " in served.line


async def test_what_begins_after_the_cut_is_a_503(caplog: pytest.LogCaptureFixture) -> None:
    served = Stopped(caplog, FakeResponse(ANSWER, content_type="application/json"))
    served.draining.cut()
    sink = await served.serve()
    assert sink.status == 503
    assert error_of(sink) == SHUTDOWN
    assert served.wire.requests == []
