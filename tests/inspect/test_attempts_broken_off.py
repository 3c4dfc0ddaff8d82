"""A client that leaves while the hooks of an attempt run leaves no call behind."""

import asyncio

import pytest
from mitmproxy import http
from mitmproxy.test import taddons

from llm_gateway.inspect.attempts import Publisher
from llm_gateway.patience import Patience
from llm_gateway.wire import EVENT_STREAM, UpstreamRequest
from support.fakes import LABEL, FakeResponse, FakeWire
from support.waiting import DEADLINE

REQUEST = UpstreamRequest("POST", "https://p.invalid/v1/chat/completions", (), b"{}", LABEL)


class Slow:
    """An addon that takes its time with the head of an answer."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.over = asyncio.Event()

    async def responseheaders(self, flow: http.HTTPFlow) -> None:
        self.entered.set()
        await asyncio.Event().wait()

    def error(self, flow: http.HTTPFlow) -> None:
        self.over.set()


@pytest.mark.parametrize("content_type", [EVENT_STREAM, "application/json"])
async def test_leaving_during_the_hook_of_the_answer_s_head_closes_the_answer(
    content_type: str,
) -> None:
    addon = Slow()
    response = FakeResponse(asyncio.Event(), content_type=content_type)
    with taddons.context(addon) as context:
        wire = Publisher(context.master.addons, lambda: True).wrap(FakeWire(response))
        call = asyncio.ensure_future(wire.send(REQUEST, Patience()))
        async with asyncio.timeout(DEADLINE):
            await addon.entered.wait()
            assert not response.closed
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            assert response.closed
            await addon.over.wait()
