"""Streams that break off and do not go on, or not to their end: every way out is in order."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from llm_gateway.config import Gateway, Http
from llm_gateway.errors import Retry, UpstreamConnectionError
from llm_gateway.manner import Manner
from support.exchange import told_failure
from support.fakes import FakeResponse
from support.resuming import (
    BROKEN,
    RESUMING,
    breaking,
    finishing,
    opening,
    said,
    targets_of,
    unbroken,
)
from support.targets import Answer, Targets, status, whole
from support.virtual_time import run


def test_it_is_continued_twice_at_most() -> None:
    async def main() -> None:
        script = [breaking("a", text) for text in ("one", " two", " three", " four")]
        targets = targets_of({"a": script})
        good, error = told_failure(await targets.streamed())
        assert error["code"] == "upstream_connection_error"
        assert len(targets.calls) == 3
        assert "four" not in "".join(good)
        assert targets.are_at_rest

    run(main())


def test_it_is_not_continued_beyond_the_calls_that_an_exchange_may_make() -> None:
    async def main() -> None:
        targets = targets_of(
            {"a": [status(503)], "b": [breaking("b", "Hello")]}, gateway=Gateway(max_attempts=2)
        )
        told_failure(await targets.streamed())
        assert targets.calls == ["a", "b"]

    run(main())


@pytest.mark.parametrize(
    "others",
    [
        {"b": [status(503)] * 9},
        {"b": [BROKEN]},
        {"b": [breaking("b")]},
        {"b": [status(400)]},
        {"b": [9e9, whole("b")]},
        {"b": [whole("b")]},
        {"b": [ZeroDivisionError("a bug")]},
    ],
    ids=["busy", "unreachable", "no text", "refused", "too late", "no stream", "a bug"],
)
def test_where_nobody_goes_on_the_first_failure_is_told(
    others: dict[str, list[Answer]], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        first = breaking("a", "Hello", by=UpstreamConnectionError("The first one."))
        targets = targets_of({"a": [first, status(503)], **others})
        good, error = told_failure(await targets.streamed())
        assert (len(good), error["message"]) == (2, "The first one.")
        assert targets.trace.failure is not None
        assert targets.trace.target == "a/up", "whose answer it was"
        assert targets.are_at_rest

    caplog.set_level(logging.CRITICAL)
    run(main())


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamConnectionError("Killed by hand.", retry=Retry.NEVER),
        UpstreamConnectionError("Stopping.", code="gateway_shutdown"),
        ZeroDivisionError("a bug"),
    ],
    ids=str,
)
def test_what_was_ended_on_this_side_is_not_continued(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        targets = targets_of({"a": [breaking("a", "Hello", by=failure)], "b": [whole("b")]})
        told_failure(await targets.streamed())
        assert targets.calls == ["a"]

    caplog.set_level(logging.CRITICAL)
    run(main())


def test_a_later_stream_that_falls_silent_is_given_up_as_well() -> None:
    async def main() -> None:
        silent = FakeResponse(said("b", " there"), asyncio.Event())
        targets = targets_of(
            {"a": [breaking("a", "Hello"), status(503)], "b": [silent, status(503)]},
            {**RESUMING, "http": Http(idle=5.0)},
        )
        _, error = told_failure(await targets.streamed())
        assert error["code"] == "upstream_timeout"
        assert silent.closed

    run(main())


def test_the_time_to_go_on_is_the_client_s_as_well() -> None:
    async def main() -> None:
        targets = targets_of({"a": [breaking("a", "Hello"), 100.0, finishing("a", "!")]})
        told_failure(await targets.streamed(manner=Manner(patience=20.0)))
        assert asyncio.get_running_loop().time() == 19.0

    run(main())


def test_a_stream_of_a_provider_that_is_gone_meanwhile_ends_in_words() -> None:
    async def main() -> None:
        goes = asyncio.Event()
        first = FakeResponse(opening("a"), said("a", "Hello"), goes, BROKEN)
        targets = targets_of({"a": [first, finishing("a", "!")]})
        work = asyncio.ensure_future(targets.streamed())
        await first.waiting.wait()
        targets.gatekeeper.adopt([], [])
        goes.set()
        assert unbroken(await work) == "Hello!"

    run(main())


async def body_of(targets: Targets) -> AsyncGenerator[bytes]:
    body = (await targets.ask(stream=True)).body
    assert not isinstance(body, bytes)
    return body


def test_a_client_that_leaves_while_it_is_asked_elsewhere_ends_everything() -> None:
    async def main() -> None:
        first = breaking("a", "Hello")
        targets = targets_of({"a": [first], "b": [50.0, finishing("b", "!")]})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await targets.streamed()
        assert first.closed
        assert targets.are_at_rest
        assert targets.trace.way == "a/up=ok, b/up=broken_off"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_client_that_leaves_a_stream_that_went_on_ends_that() -> None:
    async def main() -> None:
        second = FakeResponse(said("b", " there"), asyncio.Event())
        targets = targets_of({"a": [breaking("a", "Hello")], "b": [second]})
        body = await body_of(targets)
        while b"there" not in await anext(body):
            pass
        await body.aclose()
        assert second.closed
        assert targets.are_at_rest

    run(main())
