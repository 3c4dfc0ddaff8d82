"""Hooks run as mitmproxy runs them, only without asking addons that have none."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from mitmproxy import exceptions, hooks, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import taddons, tflow

from llm_gateway.bridge.hooks import speed_up


@dataclass
class TestingHook(hooks.Hook):
    """A hook of this test's own, which may also be triggered synchronously."""

    __test__ = False
    calls: list[str]


class Plain:
    """An addon with both kinds of hook; `name` makes it unique."""

    def __init__(self, name: str, *, fail: type[Exception] | None = None) -> None:
        self.name = name
        self._fail = fail

    def testing(self, calls: list[str]) -> None:
        calls.append(self.name)
        if self._fail is not None:
            raise self._fail("made up")


class Asynchronous:
    """The same with a coroutine as its hook."""

    def __init__(self, name: str, *, fail: type[Exception] | None = None) -> None:
        self.name = name
        self._plain = Plain(name, fail=fail)

    async def testing(self, calls: list[str]) -> None:
        self._plain.testing(calls)


class Parent:
    """An addon with addons of its own, and no hook."""

    def __init__(self, name: str, *addons: object) -> None:
        self.name = name
        self.addons = addons


class NoFunction:
    """An addon whose hook is no function, which mitmproxy reports."""

    name = "nofunction"
    testing = "not a function"


class Updates:
    """An addon that notes hooks on flows and the updates that follow them."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def request(self, _: http.HTTPFlow) -> None:
        self.seen.append("request")

    def update(self, _: list[http.HTTPFlow]) -> None:
        self.seen.append("update")


@pytest.fixture
async def manager() -> AsyncIterator[AddonManager]:
    with taddons.context(loadcore=False) as context:
        speed_up(context.master.addons)
        try:
            yield context.master.addons
        finally:
            context.master._legacy_log_events.uninstall()


ADDONS: list[Any] = [
    Plain("one"),
    object(),
    Asynchronous("two"),
    Parent("parent", Plain("three"), Parent("deep", Asynchronous("four"))),
    Plain("five"),
]


async def test_every_addon_with_the_hook_runs_in_order(manager: AddonManager) -> None:
    manager.add(*ADDONS)
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    assert calls == ["one", "two", "three", "four", "five"]


async def test_synchronous_hooks_run_in_order_as_well(manager: AddonManager) -> None:
    manager.add(Plain("one"), object(), Parent("parent", Plain("two")))
    calls: list[str] = []
    manager.trigger(TestingHook(calls))
    assert calls == ["one", "two"]


async def test_addons_may_come_and_go(manager: AddonManager) -> None:
    one, two = Plain("one"), Plain("two")
    manager.add(one)
    manager.add(two)
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    manager.remove(one)
    await manager.trigger_event(TestingHook(calls))
    assert calls == ["one", "two", "two"]


async def test_an_addon_may_be_given_a_hook_while_it_runs(manager: AddonManager) -> None:
    late = Updates()
    manager.add(late)
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    vars(late)["testing"] = Plain("late").testing
    await manager.trigger_event(TestingHook(calls))
    manager.trigger(TestingHook(calls))
    assert calls == ["late", "late"]


@pytest.mark.parametrize("kind", [Plain, Asynchronous])
async def test_a_hook_that_fails_is_logged_and_the_others_run(
    manager: AddonManager, kind: type[Plain] | type[Asynchronous], caplog: pytest.LogCaptureFixture
) -> None:
    manager.add(kind("one", fail=KeyError), Plain("two"))
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    assert calls == ["one", "two"]
    assert "Addon error: 'made up'" in caplog.text
    if kind is Plain:
        manager.trigger(TestingHook(calls))
        assert calls == ["one", "two", "one", "two"]


async def test_a_halt_stops_the_chain_without_a_word(
    manager: AddonManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add(Plain("one", fail=exceptions.AddonHalt), Plain("two"))
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    manager.trigger(TestingHook(calls))
    assert calls == ["one", "one"]
    assert caplog.text == ""


async def test_what_is_no_function_is_reported_as_by_mitmproxy(
    manager: AddonManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add(NoFunction(), Plain("two"))
    calls: list[str] = []
    await manager.trigger_event(TestingHook(calls))
    assert calls == ["two"]
    assert "not callable" in caplog.text


async def test_another_manager_is_not_touched(manager: AddonManager) -> None:
    assert "trigger_event" in vars(manager)
    with taddons.context(loadcore=False) as context:
        try:
            assert "trigger_event" not in vars(context.master.addons)
        finally:
            context.master._legacy_log_events.uninstall()


async def test_update_follows_a_flow_hook_as_before(manager: AddonManager) -> None:
    updates = Updates()
    manager.add(updates)
    await manager.handle_lifecycle(HttpRequestHook(tflow.tflow()))
    assert updates.seen == ["request", "update"]
