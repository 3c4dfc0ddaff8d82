"""The views of requests in a real mitmweb: chat by itself, diff and route when chosen."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.mitmweb import FlowJSON, Mitmweb
from support.rig import Rig, run_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    async with run_rig(tmp_path_factory.mktemp("views"), tool="mitmweb") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


async def shown(web: Mitmweb, flow: FlowJSON, view: str = "Auto") -> tuple[str, str]:
    """The view that mitmweb took for the flow's request, and its text."""
    name = view.replace(" ", "%20")
    answer = json.loads(await web.get(f"/flows/{flow['id']}/request/content/{name}.json"))
    return answer["view_name"], answer["text"]


async def test_requests_of_clients_and_attempts_read_as_conversations(
    rig: Rig, web: Mitmweb
) -> None:
    await rig.ask("What is it?", stream=True)
    for flow in await rig.pair(web):
        name, text = await shown(web, flow)
        assert name == "AI chat"
        assert text.startswith("gpt-test · stream · 1 message · ")
        assert text.endswith("\n    What is it?")


async def test_an_attempt_that_is_held_shows_its_route_so_far_and_what_was_edited(
    rig: Rig, web: Mitmweb
) -> None:
    async with web.options(intercept="~d 127.0.0.1 & ~q"), rig.asking("before") as client:
        held = await web.held()
        _, route = await shown(web, held, "AI route")
        assert "no answer yet" in route
        body = json.loads(await web.content(held, "request"))
        body["messages"][0]["content"] = "after"
        await web.edit(held, "request", content=json.dumps(body))
        await web.post(f"/flows/{held['id']}/resume")
        await client.read_body(await client.read_head())
    asked, attempt = await rig.pair(web)
    for flow in (asked, attempt):
        _, text = await shown(web, flow, "AI diff")
        assert "The provider's request was edited by hand" in text
        assert text.count('-      "content": "before"\n+      "content": "after"\n') == 2
        _, text = await shown(web, flow, "AI route")
        assert text.startswith("fake/gpt-test answered on the 1st attempt, ")


async def test_flows_belong_together_after_a_replay_and_in_a_file(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("again")
    asked, first = await rig.pair(web)
    await web.replay(asked["id"])
    await web.until(lambda: len(rig.attempts(web)) == 2)
    [second] = [flow for flow in rig.attempts(web) if flow["id"] != first["id"]]
    assert (await shown(web, first, "AI diff"))[1].startswith("The client's request is not kept")
    said = (await shown(web, asked, "AI diff"), await shown(web, second, "AI diff"))
    assert said[0] == said[1]
    assert said[0][1].startswith("client request → attempt 1, fake/gpt-test · answered 200\n")
    known = dict(web.flows)
    await web.upload(await web.dump())
    await web.until(lambda: all(id in web.flows and web.flows[id] is not known[id] for id in known))
    assert (await shown(web, second, "AI diff")) == said[1]
