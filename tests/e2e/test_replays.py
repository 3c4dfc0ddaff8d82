"""A person at mitmweb replays either side of an exchange, from the list or from a file."""

import io
import json
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from mitmproxy import http
from mitmproxy.io import FlowWriter

from support.behaviours import error_json
from support.mitmweb import Mitmweb
from support.raw_http import RawConnection, json_request
from support.rig import HOST, PATH, Rig, answer_text, chat, run_rig, stream_text

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXCHANGE = "ai.exchange"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    async with run_rig(tmp_path_factory.mktemp("mitmweb"), tool="mitmweb") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


def write_flows(flows: Iterable[http.HTTPFlow]) -> bytes:
    """A flow file."""
    file = io.BytesIO()
    writer = FlowWriter(file)
    for flow in flows:
        writer.add(flow)
    return file.getvalue()


def state(response: http.Response | None) -> object:
    """All of a response, for comparison."""
    assert response is not None
    return response.get_state()


@pytest.mark.parametrize("stream", [False, True])
async def test_replaying_a_client_flow_runs_the_gateway_again(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    await rig.ask("once more", stream=stream)
    client, attempt = await rig.pair(web)
    first = (await web.saved())[client["id"]].metadata[EXCHANGE]
    replayed = await web.replay(client["id"])
    assert replayed["response"]["status_code"] == 200
    text = stream_text if stream else answer_text
    assert text(await web.content(replayed, "response")) == "You said: once more"
    await web.until(lambda: len(rig.attempts(web)) == 2)
    assert rig.provider.requests[-1].body == rig.provider.requests[-2].body
    second = (await web.saved())[client["id"]].metadata[EXCHANGE]
    assert second != first
    [new] = [flow for flow in rig.attempts(web) if flow["id"] != attempt["id"]]
    assert (await web.saved())[new["id"]].metadata[EXCHANGE] == second


@pytest.mark.parametrize("stream", [False, True])
async def test_replaying_an_attempt_sends_exactly_that_payload_with_the_key(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    await rig.ask("same again", stream=stream)
    _, attempt = await rig.pair(web)
    replayed = await web.replay(attempt["id"])
    assert replayed["response"]["status_code"] == 200
    text = stream_text if stream else answer_text
    assert text(await web.content(replayed, "response")) == "You said: same again"
    first, second = rig.provider.requests[-2:]
    assert (second.method, second.target, second.body) == (first.method, first.target, first.body)
    assert sorted(second.headers) == sorted(first.headers)
    assert rig.had_key(second)
    assert len(web.flows) == 2


async def test_a_duplicated_and_edited_attempt_can_be_replayed(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("original")
    _, attempt = await rig.pair(web)
    copy = await web.duplicate(attempt)
    content = json.dumps(chat("variant"))
    await web.edit(web.flows[copy], "request", content=content)
    replayed = await web.replay(copy)
    assert answer_text(await web.content(replayed, "response")) == "You said: variant"
    assert rig.provider.requests[-1].body == content.encode()
    assert answer_text(await web.content(attempt, "response")) == "You said: original"


async def test_a_duplicated_and_edited_client_flow_can_be_replayed(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("original")
    client, _ = await rig.pair(web)
    copy = await web.duplicate(client)
    await web.edit(web.flows[copy], "request", content=json.dumps(chat("variant")))
    replayed = await web.replay(copy)
    assert answer_text(await web.content(replayed, "response")) == "You said: variant"


async def test_a_replayed_attempt_shows_the_providers_failure(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, error_json(503))
    async with rig.asking("fail", model) as client:
        await client.read_head()
    _, attempt = await rig.pair(web)
    replayed = await web.replay(attempt["id"])
    assert replayed["response"]["status_code"] == 503
    assert b"The server had an error." in await web.content(replayed, "response")


async def test_a_replayed_attempt_whose_provider_is_gone_shows_an_error(
    rig: Rig, web: Mitmweb
) -> None:
    await rig.ask("gone")
    _, attempt = await rig.pair(web)
    copy = await web.duplicate(attempt)
    await web.edit(web.flows[copy], "request", port=1)
    replayed = await web.replay(copy)
    assert replayed["response"]["status_code"] == 502


async def test_opening_a_flow_file_leaves_its_flows_as_they_were_saved(
    rig: Rig, web: Mitmweb
) -> None:
    await rig.ask("keep me")
    client, attempt = await rig.pair(web)
    flow_file = await web.dump()
    saved = await web.saved()
    before = len(rig.provider.requests)
    await web.upload(flow_file)
    loaded = await web.saved()
    assert loaded.keys() == saved.keys()
    for flow_id in (client["id"], attempt["id"]):
        assert state(loaded[flow_id].response) == state(saved[flow_id].response)
        assert loaded[flow_id].metadata == saved[flow_id].metadata
        assert loaded[flow_id].request.content == saved[flow_id].request.content
    assert len(rig.provider.requests) == before


async def test_flows_from_a_file_can_be_replayed(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("from a file")
    client, attempt = await rig.pair(web)
    await web.upload(await web.dump())
    await web.until(lambda: {client["id"], attempt["id"]} <= web.flows.keys())
    for flow in (client, attempt):
        before = len(rig.provider.requests)
        replayed = await web.replay(flow["id"])
        assert answer_text(await web.content(replayed, "response")) == "You said: from a file"
        assert rig.had_key(await rig.provider.request(before + 1))


async def test_a_refused_request_that_is_replayed_is_refused_again(rig: Rig, web: Mitmweb) -> None:
    before = len(rig.provider.requests)
    async with RawConnection(rig.gateway.port) as client:
        await client.exchange(json_request(PATH, chat("let me in"), host=HOST, token="wrong"))
    await web.until(lambda: any("response" in flow for flow in web.flows.values()))
    [refused] = web.flows
    replayed = await web.replay(refused)
    assert replayed["response"]["status_code"] == 401
    assert len(rig.provider.requests) == before


async def test_an_attempt_that_was_sent_elsewhere_by_hand_is_replayed_there(
    rig: Rig, web: Mitmweb
) -> None:
    async with web.options(intercept="~q & ~d 127.0.0.1"), rig.asking("elsewhere") as client:
        flow = await web.held()
        await web.edit(flow, "request", path="/v1/elsewhere", host="localhost")
        await web.resume(flow)
        assert (await client.read_head()).status == 404
    await web.upload(await web.dump())
    await web.until(lambda: flow["id"] in web.flows)
    replayed = await web.replay(flow["id"])
    assert (replayed["request"]["host"], replayed["request"]["path"]) == (
        "localhost",
        "/v1/elsewhere",
    )
    assert rig.provider.requests[-1].header("host") == f"localhost:{rig.provider.port}"
    assert rig.provider.requests[-1].header("authorization") is None


async def test_opening_a_file_of_unanswered_replays_calls_no_provider(
    rig: Rig, web: Mitmweb
) -> None:
    """Opening a file passes its flows through all hooks; none of them may cost money."""
    await rig.ask("unanswered")
    await rig.pair(web)
    saved = await web.saved()
    for flow in saved.values():
        flow.is_replay = "request"
        flow.response = None
    before = len(rig.provider.requests)
    await web.upload(write_flows(saved.values()))
    assert len(rig.provider.requests) == before
