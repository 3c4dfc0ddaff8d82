"""A person at mitmweb reads an answer as one message: while it grows, when it is over."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.behaviours import error_json, numbered_events
from support.gate import Gate
from support.mitmweb import FlowJSON, Mitmweb
from support.rig import Rig, run_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    async with run_rig(tmp_path_factory.mktemp("message"), tool="mitmweb") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


async def seen(web: Mitmweb, flow: FlowJSON, view: str = "Auto") -> list[str]:
    """The lines of the response, which must be shown by our view."""
    shown = json.loads(await web.get(f"/flows/{flow['id']}/response/content/{view}.json"))
    assert shown["view_name"] == "AI message"
    lines: list[str] = shown["text"].splitlines()
    return lines


async def test_an_answer_is_read_while_it_grows_and_when_it_is_over(rig: Rig, web: Mitmweb) -> None:
    gate = Gate()
    model = rig.spare()
    rig.provider.script(model, numbered_events(3, gate))
    async with rig.asking("word", model, stream=True) as client:
        await gate.release(2)
        await web.until(lambda: len(web.flows) == 2)
        for flow_id in [*web.flows]:
            flow = await web.grown(flow_id, b"word#2")
            growing = await seen(web, flow)
            assert any(line.startswith("still under way: ") for line in growing)
            assert any(line.startswith("  word#1 word#2") for line in growing)
            assert "finish: not yet" in growing
        gate.open()
        await client.read_body(await client.read_head())
    client_flow, attempt = await rig.pair(web)
    whole = await seen(web, client_flow)
    assert whole[0] == f"{model} → fake/{model}"
    assert {"  word#1 word#2 word#3", "finish: stop"} <= set(whole)
    assert whole[-1].endswith("[DONE]")
    assert await seen(web, attempt) == await seen(web, attempt, "AI%20message")


async def test_a_failure_is_read_with_its_reason_and_its_way(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, error_json(500))
    async with rig.asking("word", model) as client:
        await client.read_body(await client.read_head())
    client_flow, attempt = await rig.pair(web)
    lines = await seen(web, client_flow)
    assert lines[0] == model
    assert lines[1].startswith("500 ")
    assert "1 attempt at 1 target failed:" in lines
    assert any(line.startswith(f"  1  fake/{model}  ") for line in lines)
    said = "\n".join(await seen(web, attempt))
    assert "The provider said 500" in said
    assert "the same target may be asked again" in said
