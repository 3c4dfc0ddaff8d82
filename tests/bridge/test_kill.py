"""Who waits for a flow that is killed is woken, and what is done for it ends."""

import asyncio

import pytest
from mitmproxy.exceptions import ControlException
from mitmproxy.flow import Error, Flow
from mitmproxy.test import tflow

from llm_gateway.bridge.kill import (
    Killed,
    is_killed,
    until_killed,
    wake_on_kill,
    when_killed,
)
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


def test_who_works_for_the_flow_is_told_once() -> None:
    wake_on_kill()
    told: list[Flow] = []
    flow = tflow.tflow()
    flow.live = True
    when_killed(flow, told.append)
    assert not is_killed(flow)
    flow.kill()
    assert is_killed(flow)
    assert told == [flow]
    with pytest.raises(ControlException):
        flow.kill()


def test_who_has_finished_is_not_told() -> None:
    wake_on_kill()
    told: list[Flow] = []
    flow = tflow.tflow()
    when_killed(flow, told.append)
    when_killed(flow, None)
    flow.kill()
    assert told == []


def test_a_copy_of_the_flow_tells_nobody() -> None:
    wake_on_kill()
    told: list[Flow] = []
    flow = tflow.tflow()
    when_killed(flow, told.append)
    copy = flow.copy()
    copy.live = True
    copy.kill()
    assert told == []


def test_ending_the_work_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    wake_on_kill()

    def end(flow: Flow) -> None:
        raise KeyError("made up")

    flow = tflow.tflow()
    when_killed(flow, end)
    flow.kill()
    assert "Ending the work for a killed flow failed." in caplog.text


async def test_work_inside_is_cancelled_and_the_task_goes_on() -> None:
    wake_on_kill()
    flow = tflow.tflow()
    reached = asyncio.Event()

    async def work() -> str:
        try:
            async with until_killed(flow):
                reached.set()
                await asyncio.Event().wait()
        except Killed:
            await asyncio.sleep(0)
            return "went on"
        return "was not killed"

    working = asyncio.ensure_future(work())
    async with asyncio.timeout(DEADLINE):
        await reached.wait()
        flow.kill()
        assert await working == "went on"


async def test_work_that_is_done_is_not_cancelled() -> None:
    wake_on_kill()
    flow = tflow.tflow()
    async with until_killed(flow):
        pass
    flow.kill()
    await asyncio.sleep(0)


async def test_who_has_taken_the_flow_over_is_told_in_place_of_the_work() -> None:
    wake_on_kill()
    told: list[Flow] = []
    flow = tflow.tflow()
    async with until_killed(flow):
        when_killed(flow, told.append)
    flow.kill()
    assert told == [flow]


async def test_cancelling_the_work_and_its_own_time_limits_are_what_they_are() -> None:
    flow = tflow.tflow()
    with pytest.raises(TimeoutError):
        async with until_killed(flow), asyncio.timeout(0):
            await asyncio.Event().wait()
    waiting = asyncio.ensure_future(_wait(flow))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def _wait(flow: Flow) -> None:
    async with until_killed(flow):
        await asyncio.Event().wait()
