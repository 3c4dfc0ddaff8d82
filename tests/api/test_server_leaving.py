"""Clients that leave, in every phase: the provider is left as well, and the log says so."""

import asyncio
import logging
import re

import pytest

from support.exchange import cancelled
from support.fakes import FakeResponse, FakeSink, Step, chat_body
from support.served import ANSWER, DONE, FIRST, LAST, PROMPT, STREAMED, Served


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_during_the_hold_is_a_499_in_the_log(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    response = FakeResponse(asyncio.Event(), content_type="application/json")
    served = Served(caplog, response)
    body = chat_body(PROMPT, stream=stream)
    await cancelled(asyncio.create_task(served.serve(body=body)), response.waiting)
    assert response.closed
    assert served.line == ("req_test POST /v1/chat/completions m -> p/up-model 499 total 0.500s")


async def test_a_client_that_leaves_in_mid_stream_is_a_499_with_what_was_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = FakeResponse(FIRST + LAST, asyncio.Event())
    served = Served(caplog, response)
    body = STREAMED
    await cancelled(asyncio.create_task(served.serve(body=body)), response.waiting)
    assert response.closed
    assert re.search(r" 499 ttft 0\.\d00s total 0\.\d00s tokens 3\+2$", served.line)


@pytest.mark.parametrize("step", ["start", "write", "end"])
async def test_a_client_that_leaves_while_it_is_written_to_closes_the_response(
    step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    response = FakeResponse(FIRST, LAST, DONE)
    served, sink = Served(caplog, response), FakeSink(block_at=step)
    work = asyncio.create_task(served.serve(body=STREAMED, sink=sink))
    await cancelled(work, sink.blocked)
    assert response.closed
    assert " 499 " in served.line


@pytest.mark.parametrize("step", ["start", "write", "end"])
async def test_a_sink_that_fails_closes_the_response_and_is_logged_once(
    step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    response = FakeResponse(FIRST, LAST, DONE)
    served, sink = Served(caplog, response), FakeSink(fail_at=step)
    with pytest.raises(ConnectionResetError):
        await served.serve(body=STREAMED, sink=sink)
    assert response.closed
    assert " 500 " in served.line


async def test_a_client_that_leaves_before_a_whole_answer_is_written_is_a_499(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog, FakeResponse(ANSWER, content_type="application/json"))
    sink = FakeSink(block_at="whole")
    await cancelled(asyncio.create_task(served.serve(sink=sink)), sink.blocked)
    assert " 499 " in served.line


async def test_a_cancelled_exchange_lets_go_of_its_runtime(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog, asyncio.Event())
    await cancelled(asyncio.create_task(served.serve()), served.wire.waiting)
    async with asyncio.timeout(1):
        await served.runtime.wait_unused()
