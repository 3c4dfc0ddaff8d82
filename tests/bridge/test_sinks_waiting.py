"""mitmproxy's time limit for silent clients: it stands still until an answer begins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import pytest
from mitmproxy import http
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge.attach import Bridge
from support.live import live_layer
from support.raw_http import RawConnection, request_bytes
from support.waiting import DEADLINE

GET = request_bytes("GET", "/", host="ai.localhost")

type Begin = Literal["whole", "start", "error"]


class Answer:
    """Waits for `go`, then begins in its way, and waits for `finish`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self.running = asyncio.Event()
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.finish = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, sink: Sink) -> None:
        self.running.set()
        try:
            await self.go.wait()
            await self._begin_in(sink)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.begun.set()
        await self.finish.wait()
        if self._begin == "start":
            await sink.end()

    async def _begin_in(self, sink: Sink) -> None:
        if self._begin == "whole":
            await sink.whole(200, (), b"hello")
        elif self._begin == "start":
            await sink.start(200, ())
        else:
            raise KeyError("made up")


class House:
    """An addon that attaches every flow to one answer."""

    def __init__(self, bridge: Bridge, answer: Answer) -> None:
        self.bridge = bridge
        self.answer = answer
        self.flows: list[http.HTTPFlow] = []

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        assert self.bridge.attach(flow, self.answer, None)

    def error(self, flow: http.HTTPFlow) -> None:
        self.bridge.cancel(flow)


@dataclass
class Conversation:
    """A client whose request is being answered."""

    house: House
    client: RawConnection
    handler: ConnectionHandler

    @property
    def armed(self) -> bool:
        """Whether mitmproxy's limit runs."""
        watchdog = self.handler.timeout_watchdog
        assert watchdog.can_timeout.is_set() is (watchdog.blocker == 0)
        return watchdog.blocker == 0


@asynccontextmanager
async def waiting_for(answer: Answer) -> AsyncIterator[Conversation]:
    """A conversation whose request has come, and whose answer has not begun."""
    handlers: dict[str, ConnectionHandler] = {}
    house = House(Bridge(handlers), answer)
    async with live_layer(house, handlers) as live, RawConnection(live.port) as client:
        await client.send(GET)
        await soon(answer.running)
        [handler] = handlers.values()
        yield Conversation(house, client, handler)


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


@pytest.mark.parametrize("begin", ["whole", "start"])
async def test_the_limit_stands_still_until_the_answer_begins(begin: Begin) -> None:
    answer = Answer(begin)
    async with waiting_for(answer) as conversation:
        assert not conversation.armed
        answer.go.set()
        await soon(answer.begun)
        assert conversation.armed
        answer.finish.set()
        head = await conversation.client.read_head()
        await conversation.client.read_body(head)
        assert conversation.armed


async def test_the_limit_runs_again_after_an_answer_that_failed() -> None:
    answer = Answer("error")
    async with waiting_for(answer) as conversation:
        assert not conversation.armed
        answer.go.set()
        assert (await conversation.client.read_head()).status == 500
        assert conversation.armed


async def test_the_limit_runs_again_after_an_answer_that_was_cancelled() -> None:
    answer = Answer("whole")
    async with waiting_for(answer) as conversation:
        assert not conversation.armed
        conversation.house.bridge.cancel(conversation.house.flows[0])
        await soon(answer.cancelled)
        assert conversation.armed


async def test_the_limit_is_not_held_for_a_client_that_left() -> None:
    answer = Answer("whole")
    async with waiting_for(answer) as conversation:
        assert not conversation.armed
        await conversation.client.close()
        await soon(answer.cancelled)
        assert conversation.armed


async def test_the_next_request_of_the_connection_holds_the_limit_again() -> None:
    answer = Answer("whole")
    answer.finish.set()
    async with waiting_for(answer) as conversation:
        answer.go.set()
        await conversation.client.read_body(await conversation.client.read_head())
        conversation.house.answer = second = Answer("whole")
        await conversation.client.send(GET)
        await soon(second.running)
        assert not conversation.armed
        second.go.set()
        await soon(second.begun)
        assert conversation.armed
