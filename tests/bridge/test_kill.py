"""Who waits for a flow that is killed is woken."""

import asyncio

import pytest
from mitmproxy.flow import Error, Flow
from mitmproxy.test import tflow

from llm_gateway.bridge.kill import wake_on_kill
from support.waiting import DEADLINE


@pytest.fixture(autouse=True)
def stock_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test does to ``Flow.kill`` is undone after it."""
    monkeypatch.setattr(Flow, "kill", getattr(Flow.kill, "__wrapped__", Flow.kill))


async def test_killing_wakes_who_waits_for_the_flow() -> None:
    wake_on_kill()
    flow = tflow.tflow()
    flow.intercept()
    waiting = asyncio.ensure_future(flow.wait_for_resume())
    await asyncio.sleep(0)
    assert not waiting.done()
    flow.kill()
    async with asyncio.timeout(DEADLINE):
        await waiting
    assert flow.error
    assert flow.error.msg == Error.KILLED_MESSAGE


def test_a_flow_that_nobody_waits_for_is_killed_as_before() -> None:
    wake_on_kill()
    flow = tflow.tflow()
    flow.kill()
    assert flow.error
    assert not flow.killable


def test_doing_it_again_changes_nothing() -> None:
    wake_on_kill()
    once = Flow.kill
    wake_on_kill()
    assert Flow.kill is once
