"""The option ``ai_keep_flows``, and the hooks that tell of flows that begin and end."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from mitmproxy import exceptions
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.test import tflow

from llm_gateway.inspect.keep import KeepFlows, size_of
from support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    async with open_house() as house:
        yield house


async def test_at_the_start_a_bad_number_is_an_error_which_ends_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.configure(house.addon, ai_keep_flows="many")
    assert "ai_keep_flows: expected a number of flows, 0 for all, got 'many'." in caplog.text


async def test_while_it_runs_a_bad_number_is_refused_and_the_old_one_stays(house: House) -> None:
    house.configure()
    house.context.options.update(ai_keep_flows="5")
    with pytest.raises(exceptions.OptionsError, match="expected a number of flows"):
        house.context.options.update(ai_keep_flows="-5")
    assert house.context.options.ai_keep_flows == "5"


async def test_flows_of_all_kinds_are_dropped_in_turn(house: House) -> None:
    house.configure()
    view = View()
    house.addon._desk._keep = KeepFlows(view)
    house.context.options.update(ai_keep_flows="2")
    tunnel, broken = tflow.ttcpflow(), tflow.ttcpflow(err=True)
    answered, failed = tflow.tflow(resp=True), tflow.tflow(err=True)
    addon = house.addon
    courses: list[tuple[Flow, Callable[..., None], Callable[..., None]]] = [
        (tunnel, addon.tcp_start, addon.tcp_end),
        (broken, addon.tcp_start, addon.tcp_error),
        (answered, addon.requestheaders, addon.response),
        (failed, addon.requestheaders, addon.error),
    ]
    for flow, begin, end in courses:
        flow.live = True
        begin(flow)
        view.add([flow])
        end(flow)
        assert addon._desk._keep._counted[flow.id] == size_of(flow) > 0
        flow.live = False
    assert view.resolve("@all") == [answered, failed]
