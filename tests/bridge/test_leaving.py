"""Connections that are closed go, even where their clients take nothing."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_gateway.bridge.leaving import REPORT_SECONDS, Leaving, Report
from llm_gateway.bridge.phases import Reason

MUCH = bytes(8 * 1024 * 1024)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Our end of a connection, and the client's, which reads when it is told to."""
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    theirs.setblocking(False)
    with theirs:
        yield transport, theirs
        transport.abort()


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    async with connected() as (transport, _):
        transport.write(MUCH)
        transport.close()
        watch = Leaving()
        assert watch.watch(transport, 0, 10)
        watch.look(9, 10)
        assert transport.get_write_buffer_size()
        assert len(watch) == 1
        watch.look(10, 10)
        assert not transport.get_write_buffer_size()
        assert len(watch) == 0
        assert watch.next() is None


async def test_a_client_that_takes_something_gets_its_time_again() -> None:
    async with connected() as (transport, theirs):
        transport.write(MUCH)
        transport.close()
        watch = Leaving()
        watch.watch(transport, 0, 10)
        before = transport.get_write_buffer_size()
        await asyncio.get_running_loop().sock_recv(theirs, 1024 * 1024)
        while transport.get_write_buffer_size() == before:  # noqa: ASYNC110 - asyncio has no event
            await asyncio.sleep(0)
        watch.look(10, 10)
        assert transport.get_write_buffer_size()
        assert len(watch) == 1


async def test_what_has_left_is_not_watched() -> None:
    async with connected() as (transport, _):
        transport.close()
        watch = Leaving()
        assert not watch.watch(transport, 0, 10)
        assert not watch.watch(None, 0, 10)
        assert watch.next() is None


async def test_what_has_left_meanwhile_is_forgotten() -> None:
    async with connected() as (transport, _):
        transport.write(MUCH)
        watch = Leaving()
        watch.watch(transport, 0, 10)
        transport.abort()
        watch.look(10, 10)
        assert len(watch) == 0


async def test_a_connection_that_nobody_closes_is_closed() -> None:
    async with connected() as (transport, _):
        watch = Leaving()
        assert watch.watch(transport, 0, 10)
        watch.look(10, 10)
        assert transport.is_closing()


def told(report: Report, now: float, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    caplog.set_level(logging.INFO)
    report.tell(now)
    return caplog.text


def test_what_was_closed_is_told_with_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    for reason in [Reason.HEAD, Reason.IDLE, Reason.HEAD]:
        report.note(reason)
    assert "ended: 1 idle, 2 with a late head." in told(report, 0, caplog)
    assert report.next() is None


def test_there_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    report.note(Reason.BODY)
    told(report, 100, caplog)
    report.note(Reason.ROOM)
    assert told(report, 101, caplog) == ""
    assert report.next() == 100 + REPORT_SECONDS
    assert "1 to make room" in told(report, 160, caplog)


def test_connections_that_were_idle_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    report.note(Reason.IDLE)
    assert report.next() is None
    assert told(report, 0, caplog) == ""
