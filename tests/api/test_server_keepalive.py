"""Streams that take long to begin: comments meanwhile, and what may still happen then."""

import asyncio
import logging
from typing import override

import pytest

from llm_gateway.api.keepalive import COMMENT
from llm_gateway.config import ClientToken, Gateway, Limits, Windows
from llm_gateway.secret import Secret
from support.exchange import cancelled, told_failure
from support.fakes import (
    TOKEN,
    FakeResponse,
    FakeSink,
    Step,
    chat_body,
    make_config,
    make_model,
)
from support.served import (
    ANSWER,
    BROKEN,
    DONE,
    FIRST,
    HELLO,
    LAST,
    PROMPT,
    STREAMED,
    Served,
    error_of,
)
from support.virtual_time import run

GOOD = FIRST + HELLO + LAST + DONE


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def after(seconds: float) -> asyncio.Event:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    return event


class Slow(Served):
    """An API over one wire that answers after so many seconds; a comment each 10 s."""

    def __init__(
        self,
        caplog: pytest.LogCaptureFixture,
        seconds: float,
        *answers: FakeResponse | Exception,
        limits: Limits | None = None,
    ) -> None:
        gateway = Gateway(
            tokens=(ClientToken.of("t", Secret(TOKEN)),), keepalive=10.0, deadline=60.0
        )
        config = make_config(models=[make_model(limits=limits or Limits())], gateway=gateway)
        super().__init__(caplog, after(seconds), *answers, config=config)


@pytest.mark.parametrize("seconds", [0.0, 9.0])
def test_a_stream_that_begins_in_time_has_no_comment(
    seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        served = Slow(caplog, seconds, FakeResponse(GOOD))
        sink = await served.serve(body=STREAMED)
        assert (sink.body, sink.header("x-ai-proxy-attempts")) == (GOOD, "1")

    run(main())


def test_one_that_begins_late_has_its_head_and_comments_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        served = Slow(caplog, 35.0, FakeResponse(FIRST, HELLO, LAST, DONE))
        sink = await served.serve(body=STREAMED)
        assert (sink.status, sink.streamed, sink.ended) == (200, True, True)
        assert sink.body == COMMENT * 3 + GOOD
        assert sorted(sink.headers) == [
            ("cache-control", "no-cache"),
            ("content-type", "text/event-stream"),
            ("x-request-id", "req_test"),
        ], "who will answer is not known yet"
        assert " 200 ttft " in served.line

    run(main())


def test_the_hold_of_a_stream_is_commented_as_well(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        response = FakeResponse(FIRST, after(15.0), HELLO + LAST + DONE)
        sink = await Slow(caplog, 0.0, response).serve(body=STREAMED)
        assert sink.body == COMMENT + GOOD

    run(main())


def test_behind_its_first_content_a_stream_has_no_comments(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        response = FakeResponse(FIRST + HELLO, after(55.0), LAST + DONE)
        sink = await Slow(caplog, 0.0, response).serve(body=STREAMED)
        assert sink.body == GOOD

    run(main())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations"])
def test_whole_answers_never_have_comments(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        served = Slow(caplog, 55.0, FakeResponse(ANSWER, content_type="application/json"))
        body = chat_body(PROMPT) if "chat" in path else {"prompt": PROMPT, "model": "m"}
        sink = await served.serve(path, body)
        assert not sink.streamed
        assert COMMENT not in sink.body

    run(main())


@pytest.mark.parametrize(
    ("seconds", "answers", "code"),
    [
        (25.0, [FakeResponse(b"{}", status=503, content_type="application/json")], 503),
        (25.0, [BROKEN], 502),
        (1e6, [], 504),
        (25.0, [ZeroDivisionError("a bug")], 500),
    ],
    ids=["busy", "broken", "deadline", "bug"],
)
def test_a_failure_after_comments_is_told_in_the_stream(
    seconds: float,
    answers: list[FakeResponse | Exception],
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        served = Slow(caplog, seconds, *answers)
        sink = await served.serve(body=STREAMED)
        comments = 2 if seconds == 25.0 else 6
        assert sink.body.startswith(COMMENT * (comments - 1))
        good, error = told_failure(sink.body.replace(COMMENT, b""))
        names = {
            502: "upstream_connection_error",
            503: "upstream_unavailable",
            504: "upstream_timeout",
            500: "internal_error",
        }
        assert (good, error["code"], sink.ended) == ([], names[code], True)
        assert f" 200 {names[code]} " in served.line

    run(main())


def test_a_failure_before_any_comment_has_its_status(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sink = await Slow(caplog, 9.0, BROKEN).serve(body=STREAMED)
        assert (sink.status, error_of(sink)["code"]) == (502, "upstream_connection_error")

    run(main())


def test_a_request_that_is_refused_has_its_status(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        served = Slow(caplog, 0.0, limits=Limits(Windows(minute=0)))
        sink = await served.serve(body=STREAMED)
        assert (sink.status, error_of(sink)["code"]) == (429, "rate_limit_exceeded")

    run(main())


@pytest.mark.parametrize("seconds", [5.0, 15.0])
def test_a_client_that_leaves_while_nothing_comes_ends_it_at_once(
    seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        served = Slow(caplog, 1e6)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await served.serve(body=STREAMED)
        assert asyncio.get_running_loop().time() == seconds
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert " 499 " in served.line

    run(main())


class Taking(FakeSink):
    """Its client takes so many seconds for each piece."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    @override
    async def write(self, data: bytes) -> None:
        await super().write(data)
        await asyncio.sleep(self._seconds)


def test_a_slow_client_gets_the_comment_that_is_on_its_way_before_the_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        served = Slow(caplog, 12.0, FakeResponse(GOOD))
        sink = await served.serve(body=STREAMED, sink=Taking(7.0))
        assert sink.body == COMMENT + GOOD
        assert asyncio.get_running_loop().time() == 10 + 3 * 7

    run(main())


@pytest.mark.parametrize("step", ["start", "write"])
def test_a_client_that_leaves_while_it_is_given_a_comment_ends_the_stream_that_is_there(
    step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        response = FakeResponse(FIRST + HELLO, asyncio.Event())
        served, sink = Slow(caplog, 12.0, response), FakeSink(block_at=step)
        work = asyncio.ensure_future(served.serve(body=STREAMED, sink=sink))
        await asyncio.sleep(20)
        assert sink.blocked.is_set()
        assert len(served.wire.requests) == 1
        assert not response.closed
        await cancelled(work, sink.blocked)
        assert response.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert " 499 " in served.line

    run(main())


class Gone(FakeSink):
    """Nothing can be written to it."""

    @override
    async def write(self, data: bytes) -> None:
        raise ConnectionResetError("the client is gone")


@pytest.mark.parametrize("step", ["start", "write"])
def test_a_client_that_cannot_be_given_a_comment_leaves_nothing_open(
    step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        response = FakeResponse(FIRST + HELLO, asyncio.Event())
        served = Slow(caplog, 12.0, response)
        with pytest.raises(ConnectionResetError):
            await served.serve(body=STREAMED, sink=Gone(fail_at=step))
        assert response.closed
        assert " 500 " in served.line

    run(main())
