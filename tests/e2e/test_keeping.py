"""mitmweb keeps so many flows of what traffic brings, and its memory stays what it is."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from support import behaviours
from support.mitmweb import FlowJSON, Mitmweb
from support.process import WEB_PASSWORD
from support.raw_http import RawConnection, json_request
from support.rig import HOST, PATH, TOKEN, Rig, chat, run_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEEP = 30
TEXT = "word " * 8000
ROUNDS = 4
MEGABYTE = 1_000_000
MOST = 6 * MEGABYTE
"""What memory may grow by. Each exchange leaves 160 KB in two flows, a round 5 MB."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    directory = tmp_path_factory.mktemp("mitmweb")
    args = ["--set", f"ai_keep_flows={KEEP}"]
    async with run_rig(directory, tool="mitmweb", args=args) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


async def ask_often(rig: Rig, count: int, text: str = "often") -> None:
    """So many exchanges, one after the other on one connection."""
    request = json_request(PATH, chat(text), host=HOST, token=TOKEN)
    async with RawConnection(rig.gateway.port) as client:
        for _ in range(count):
            head, _ = await client.exchange(request)
            assert head.status == 200


async def mark(web: Mitmweb, flow: FlowJSON) -> None:
    """Mark a flow by hand."""
    await web.command("flow.mark", f"@{flow['id']}", ":heart:")


async def test_the_oldest_go_and_what_is_held_marked_or_live_stays(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, behaviours.stalls_after(1))
    async with rig.asking("live", model, stream=True) as live:
        await live.read_head()
        await web.until(lambda: len(web.flows) == 2)
        async with web.options(intercept="~q & ~bq hold-me", ai_keep_flows="6"):
            async with rig.asking("hold-me") as held:
                flow = await web.held()
                await rig.ask("marked")
                await web.until(lambda: len(web.flows) == 5)
                marked = [*web.flows.values()][-1]
                await mark(web, marked)
                before = [*web.flows][:3]
                await ask_often(rig, 20)
                assert {*before, flow["id"], marked["id"]} <= web.flows.keys()
                await web.until(lambda: len(web.flows) <= 4 + 6)
                await web.resume(flow)
                await web.resume(await web.held(rig.is_attempt))
                assert (await held.read_head()).status == 200
            live.abort()
            await ask_often(rig, 20)
            kept = (await web.saved()).keys()
            await web.until(lambda: web.flows.keys() == kept)
            assert len(kept) == 1 + 6
            assert marked["id"] in kept


async def test_a_file_that_is_opened_stays_whole(rig: Rig, web: Mitmweb) -> None:
    await ask_often(rig, 5)
    flow_file = await web.dump()
    opened = {*await web.saved()}
    async with web.options(ai_keep_flows="4"):
        await web.upload(flow_file)
        await ask_often(rig, 10)
        await web.until(lambda: len(web.flows) == len(opened) + 4)
        assert opened <= web.flows.keys()


async def test_a_bad_number_is_refused_and_the_old_one_stays(rig: Rig, web: Mitmweb) -> None:
    async with aiohttp.ClientSession(rig.gateway.web_url) as session:
        headers = {
            "Authorization": f"Bearer {WEB_PASSWORD}",
            "Cookie": "_mitmproxy_xsrf=abc",
            "X-XSRFToken": "abc",
        }
        async with session.put(
            "/options", json={"ai_keep_flows": "many"}, headers=headers
        ) as answer:
            assert answer.status == 400
            assert "expected a number of flows" in await answer.text()
    options = json.loads(await web.get("/options"))
    assert options["ai_keep_flows"]["value"] == str(KEEP)


async def test_memory_is_flat_after_the_warm_up(rig: Rig, web: Mitmweb) -> None:
    await ask_often(rig, 3 * KEEP, TEXT)
    base = rig.gateway.rss()
    growth = 0
    for _ in range(ROUNDS):
        await ask_often(rig, KEEP, TEXT)
        growth = max(growth, rig.gateway.rss() - base)
    await web.until(lambda: len(web.flows) == KEEP)
    assert growth < MOST
