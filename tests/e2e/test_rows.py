"""What mitmweb's list says of an exchange: comments, markers, metadata; and bodies that grow."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from llm_gateway.inspect import metadata
from support.behaviours import error_json, numbered_events
from support.fake_openai import FakeOpenAI
from support.gate import Gate
from support.mitmweb import FlowJSON, Mitmweb, read_flows
from support.process import run_gateway
from support.rig import KEY, TOKEN, Rig, stream_text

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPARES = ("spare-1", "spare-2")


def config_text(base_url: str) -> str:
    """BIG is a model that fails, and another provider's that does not."""
    fake = {"kind": "openai", "base_url": base_url, "api_key": KEY}
    return json.dumps(
        {
            "gateway": {"tokens": [TOKEN]},
            "retry": {"base": "1ms", "attempts": 2},
            "breaker": "none",
            "providers": {"first": fake, "second": fake},
            "models": [
                {"name": "flaky", "provider": "first", "size": "BIG"},
                {"name": "gpt-test", "provider": "second", "size": "BIG", "priority": 2},
                *({"name": name, "provider": "first"} for name in SPARES),
            ],
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway runs."""
    return tmp_path_factory.mktemp("rows")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(directory: Path) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module, which writes its flows to a file as well."""
    async with FakeOpenAI(KEY, models=("flaky", "gpt-test", *SPARES)) as provider:
        provider.script("flaky", error_json(500))
        text = config_text(provider.base_url)
        save = ("--set", f"save_stream_file={directory / 'saved.flow'}")
        async with run_gateway(directory, tool="mitmweb", config_text=text, args=save) as gateway:
            yield Rig(gateway, provider)


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


def comments(web: Mitmweb) -> list[str]:
    """The comments of the list, without what differs from run to run."""
    return [without_times(flow["comment"]) for flow in web.flows.values()]


def without_times(comment: str) -> str:
    """A comment whose times are blank."""
    return re.sub(r"\d+(\.\d+ s| ms)", "_", comment)


async def fall_back(rig: Rig, web: Mitmweb) -> list[FlowJSON]:
    """Ask for a BIG one: two tries fail, the third is answered. All rows, when they are ready."""
    await rig.ask("hello", "BIG", stream=True)
    await web.until(lambda: any("3/3" in comment for comment in comments(web)))
    return [*web.flows.values()]


async def test_every_row_says_what_it_came_to(rig: Rig, web: Mitmweb) -> None:
    flows = await fall_back(rig, web)
    assert comments(web) == [
        "BIG → second/gpt-test · 3 tries · ttft _ · 1+3 tok",
        "1/3 · 500 upstream_unavailable, retry in _",
        "2/3 · 500 upstream_unavailable, then second/gpt-test",
        "3/3 · ok · first content _ · 1+3 tok",
    ]
    assert [flow["marked"] for flow in flows] == ["🔁", "⚠", "⚠", "🤖"]


async def test_the_list_shows_the_comments(web: Mitmweb) -> None:
    options = json.loads(await web.get("/options"))
    assert "comment" in options["web_columns"]["value"]


@pytest.mark.parametrize(
    ("expression", "statuses"),
    [
        ("~comment 500", [500, 500]),
        ("~comment BIG", [200]),
        ("~marker repeat", [200]),
        ("~meta 'ai.provider: second'", [200]),
        ("~meta 'ai.error: upstream_unavailable'", [500, 500]),
        ("~meta ai.attempt: & ~s", [500, 500, 200]),
        ("~meta 'ai.target: first/flaky'", [500, 500]),
    ],
)
async def test_filters_find_what_the_rows_say(
    rig: Rig, web: Mitmweb, expression: str, statuses: list[int]
) -> None:
    await fall_back(rig, web)
    found = read_flows(await web.get(f"/flows/dump?filter={expression.replace('&', '%26')}"))
    assert [flow.response.status_code for flow in found if flow.response] == statuses


async def test_a_file_written_on_the_way_has_all_that_is_known(
    rig: Rig, web: Mitmweb, directory: Path
) -> None:
    await fall_back(rig, web)
    *_, first, second, third, client = read_flows((directory / "saved.flow").read_bytes())
    assert [flow.metadata["ai.attempt"] for flow in (first, second, third)] == [1, 2, 3]
    assert client.comment.startswith("BIG → second/gpt-test · 3 tries")
    assert [step.outcome for step in metadata.steps(client)] == [
        "upstream_unavailable",
        "upstream_unavailable",
        "ok",
    ]
    assert client.metadata["ai.arrivals"], "the pieces of the stream have their times"


async def test_a_stream_grows_on_both_sides_while_it_arrives(rig: Rig, web: Mitmweb) -> None:
    gate = Gate()
    rig.provider.script(SPARES[0], numbered_events(3, gate))
    async with rig.asking("hello", SPARES[0], stream=True) as client:
        await gate.release(2)
        head = await client.read_head()
        for [shown] in (rig.clients(web), rig.attempts(web)):
            flow = await web.grown(shown["id"], b"hello#2")
            assert flow["response"]["timestamp_end"] is None, "it is still under way"
            assert b"[DONE]" not in await web.content(flow, "response")
        assert "answering" in rig.clients(web)[0]["comment"]
        gate.open()
        assert stream_text(await client.read_body(head)) == "hello#1 hello#2 hello#3 "


async def test_a_client_that_leaves_is_told_of_in_both_rows(rig: Rig, web: Mitmweb) -> None:
    gate = Gate()
    rig.provider.script(SPARES[1], numbered_events(3, gate))
    async with rig.asking("hello", SPARES[1], stream=True) as client:
        await gate.release(1)
        await client.read_head()
    await web.until(lambda: any("left" in flow["comment"] for flow in rig.clients(web)))
    [flow] = rig.clients(web)
    assert flow["marked"] == "👋"
    assert b"hello#1" in await web.content(flow, "response"), "what it got is kept"
