"""Comments while something is waited for; all in virtual time."""

import asyncio
import logging
from typing import override

import pytest

from llm_gateway.api.http import Headers
from llm_gateway.api.keepalive import COMMENT, KeepAlive
from support.fakes import FakeSink
from support.virtual_time import current, run

HEADERS: Headers = (("content-type", "text/event-stream"),)


def now() -> float:
    return asyncio.get_running_loop().time()


class TimedSink(FakeSink):
    """Knows when what was begun to be written. Each step takes `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.times: list[float] = []
        self._seconds = seconds

    @override
    async def start(self, status: int, headers: Headers) -> None:
        self.times.append(now())
        await super().start(status, headers)
        await asyncio.sleep(self._seconds)

    @override
    async def write(self, data: bytes) -> None:
        self.times.append(now())
        await super().write(data)
        await asyncio.sleep(self._seconds)


def keepalive(sink: FakeSink, every: float = 10.0) -> KeepAlive:
    return KeepAlive(sink, lambda: HEADERS, every)


async def waited(sink: FakeSink, seconds: float) -> None:
    """Around something that takes so long."""
    async with keepalive(sink):
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("seconds", [0.0, 9.9])
def test_what_is_soon_there_needs_no_comment(seconds: float) -> None:
    async def main() -> None:
        sink = FakeSink()
        await waited(sink, seconds)
        await asyncio.sleep(100)
        assert (sink.status, sink.pieces) == (None, [])

    run(main())


def test_nothing_is_left_of_it_behind_a_short_wait() -> None:
    async def main() -> None:
        async with keepalive(FakeSink()):
            pass
        assert current().timers() == 0

    run(main())


@pytest.mark.parametrize(
    ("seconds", "times"),
    [(10.1, [10, 10]), (19.9, [10, 10]), (20.1, [10, 10, 20]), (45, [10, 10, 20, 30, 40])],
)
def test_a_longer_wait_begins_the_answer_and_is_commented_each_time(
    seconds: float, times: list[float]
) -> None:
    async def main() -> None:
        sink = TimedSink()
        await waited(sink, seconds)
        assert now() == seconds, "it takes no time of its own"
        assert (sink.status, sink.headers, sink.ended) == (200, HEADERS, False)
        assert sink.body == COMMENT * (len(times) - 1)
        assert sink.times == times
        await asyncio.sleep(100)
        assert len(sink.times) == len(times)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_comment_is_one_to_every_reader_of_event_streams() -> None:
    assert COMMENT.startswith(b":")
    assert COMMENT.endswith(b"\n\n")


def test_the_headers_are_those_of_the_time_when_the_answer_begins() -> None:
    async def main() -> None:
        sink, known = FakeSink(), [("a", "1")]
        async with KeepAlive(sink, lambda: tuple(known), 5.0):
            await asyncio.sleep(4)
            known.append(("b", "2"))
            await asyncio.sleep(4)
            known.append(("c", "3"))
        assert sink.headers == (("a", "1"), ("b", "2"))

    run(main())


@pytest.mark.parametrize(
    ("seconds", "end", "comments"), [(12, 15, 0), (16, 20, 1), (24, 24, 1), (32, 35, 2)]
)
def test_what_is_being_written_is_written_before_anything_else(
    seconds: float, end: float, comments: int
) -> None:
    """Each step takes 5 s: the head until 15, a comment until 20, and one from 30 to 35."""

    async def main() -> None:
        sink = TimedSink(5.0)
        await waited(sink, seconds)
        assert (now(), sink.body) == (end, COMMENT * comments)
        await asyncio.sleep(100)
        assert sink.body == COMMENT * comments

    run(main())


async def failing(around: KeepAlive, seconds: float) -> None:
    async with around:
        await asyncio.sleep(seconds)
        raise KeyError


@pytest.mark.parametrize("seconds", [1.0, 25.0])
def test_a_failure_passes_and_ends_the_comments(seconds: float) -> None:
    async def main() -> None:
        sink = TimedSink()
        with pytest.raises(KeyError):
            await failing(keepalive(sink), seconds)
        pieces = len(sink.pieces)
        await asyncio.sleep(100)
        assert len(sink.pieces) == pieces
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@pytest.mark.parametrize("after", [5.0, 10.0, 12.0, 17.0, 23.0])
@pytest.mark.parametrize("step", [0.0, 5.0])
def test_a_client_that_leaves_ends_it_at_once(after: float, step: float) -> None:
    async def main() -> None:
        sink = TimedSink(step)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(after):
                await waited(sink, 100)
        assert now() == after
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert current().timers() == 0

    run(main())


def test_a_client_that_takes_nothing_more_can_still_leave() -> None:
    async def main() -> None:
        sink = FakeSink(block_at="write")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await waited(sink, 30)
        assert now() == 60
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_client_that_cannot_be_written_to_is_told_of_when_the_wait_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionResetError):
            await waited(FakeSink(fail_at="write"), 30)
        assert now() == 30

    caplog.set_level(logging.CRITICAL)
    run(main())


def test_who_is_cancelled_is_cancelled_also_where_writing_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        work = asyncio.ensure_future(waited(FakeSink(fail_at="start"), 30))
        await asyncio.sleep(20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    caplog.set_level(logging.CRITICAL)
    run(main())
