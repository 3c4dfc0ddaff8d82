"""``gateway.mask``: providers and clients get every text, and nobody sees it at mitmweb."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.http2 import Http2Client
from support.mitmweb import FlowJSON, Mitmweb
from support.recording_server import Received, Reply
from support.rig import HOST, PATH, Rig, answer_text, chat, run_rig, stream_text
from support.tls import http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "4111 1111 1111 1111"
PATTERN = r"\b\d{4}(?:[ -]?\d{4}){3}\b"
TEXT = f'card: {CARD}, "thanks"\n'
CA_FILE = "mitmproxy-ca-cert.pem"
SIGN = re.compile(rb"\[masked:[0-9a-f]{8}\]")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mitmweb keeps its files."""
    return tmp_path_factory.mktemp("mitmweb")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(directory: Path) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    extra = {"gateway": {"mask": [PATTERN]}}
    async with run_rig(directory, extra=extra, tool="mitmweb") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page
        assert CARD not in "\n".join(page.messages)
        assert CARD.encode() not in await page.dump()
        assert CARD.encode() not in await page.get("/events")
        assert CARD not in rig.gateway.output()


def prompt(received: Received) -> str:
    text: str = received.json["messages"][0]["content"]
    return text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("stored", [False, True])
async def test_both_sides_get_what_no_flow_shows(
    rig: Rig, web: Mitmweb, stream: bool, stored: bool
) -> None:
    async with web.options(store_streamed_bodies=stored):
        answer = await rig.ask(TEXT, stream=stream)
        said = stream_text(answer) if stream else answer_text(answer)
        assert said == f"You said: {TEXT}"
        assert prompt(rig.provider.requests[-1]) == TEXT
        for flow in await rig.pair(web):
            for side in ("request", "response"):
                shown = await web.content(flow, side)
                assert len(SIGN.findall(shown)) == 1, shown


async def test_over_http2_a_masked_answer_is_as_whole_as_any(
    rig: Rig, web: Mitmweb, directory: Path
) -> None:
    body = json.dumps(chat(TEXT)).encode()
    headers = [("authorization", f"Bearer {rig.token}"), ("content-type", "application/json")]
    async with Http2Client(rig.gateway.port, http2_context(directory / CA_FILE)) as client:
        stream = await client.exchange("POST", PATH, headers, body, authority=HOST)
        await stream.finished()
    assert stream.header("content-length") == str(len(stream.body))
    assert answer_text(bytes(stream.body)) == f"You said: {TEXT}"
    assert SIGN.search(await web.content((await rig.pair(web))[0], "response"))


async def test_what_is_edited_on_the_way_is_sent_with_the_text_in_its_place(
    rig: Rig, web: Mitmweb
) -> None:
    async with web.options(intercept="~q"), rig.asking(TEXT) as client:
        for before, after in (("card", "old card"), ("thanks", "please")):
            flow = await web.held()
            shown = (await web.content(flow, "request")).decode()
            await web.edit(flow, "request", content=shown.replace(before, after))
            await web.resume(flow)
        head = await client.read_head()
        body = await client.read_body(head)
    asked = f'old card: {CARD}, "please"\n'
    assert prompt(rig.provider.requests[-1]) == asked
    assert answer_text(body) == f"You said: {asked}"


async def test_an_edited_reply_reaches_the_client_with_the_text_in_its_place(
    rig: Rig, web: Mitmweb
) -> None:
    def is_answered(flow: FlowJSON) -> bool:
        return "response" in flow

    async with web.options(intercept="~s"), rig.asking(TEXT) as client:
        flow = await web.held(lambda each: is_answered(each) and rig.is_attempt(each))
        shown = (await web.content(flow, "response")).decode()
        await web.edit(flow, "response", content=shown.replace("You said", "I heard"))
        await web.resume(flow)
        head = await client.read_head()
        assert answer_text(await client.read_body(head)) == f"I heard: {TEXT}"


@pytest.mark.parametrize("side", ["client", "attempt"])
async def test_a_replay_sends_the_text_again(rig: Rig, web: Mitmweb, side: str) -> None:
    await rig.ask(TEXT)
    pair = dict(zip(("client", "attempt"), await rig.pair(web), strict=True))
    before = len(rig.provider.requests)
    replayed = await web.replay(pair[side]["id"])
    assert [prompt(each) for each in rig.provider.requests[before:]] == [TEXT]
    assert SIGN.search(await web.content(replayed, "response"))


async def test_another_model_is_sent_the_text_as_well(rig: Rig, web: Mitmweb) -> None:
    await rig.ask(TEXT)
    client, _ = await rig.pair(web)
    before = len(rig.provider.requests)
    await web.command("ai.replay", f"@{client['id']}", "hasty")
    assert prompt(await rig.provider.request(before + 1)) == TEXT


async def test_an_error_that_quotes_the_text_is_masked_wherever_it_is_told(
    rig: Rig, web: Mitmweb
) -> None:
    async def quotes(received: Received, reply: Reply) -> None:
        await reply.json(400, {"error": {"message": f"Not this: {prompt(received)}"}})

    model = rig.spare()
    rig.provider.script(model, quotes)
    async with rig.asking(TEXT, model) as client:
        head = await client.read_head()
        assert CARD in json.loads(await client.read_body(head))["error"]["message"]
    client_flow, attempt = await rig.pair(web)
    saved = await web.saved()
    for flow in (client_flow, attempt):
        assert SIGN.search(saved[flow["id"]].metadata["ai.reason"].encode())


async def test_a_stream_that_is_cut_is_masked_as_far_as_it_came(rig: Rig, web: Mitmweb) -> None:
    await web.command("ai.fault", "fake/gpt-test", "cut")
    number = CARD.replace(" ", "-")
    async with rig.asking(f"{number} and more", stream=True) as client:
        head = await client.read_head()
        assert number.encode() in await client.read_body(head)
    await web.until(lambda: any("error" in flow for flow in rig.attempts(web)))
    [attempt] = rig.attempts(web)
    shown = await web.content(attempt, "response")
    assert SIGN.search(shown)
    assert number.encode() not in shown
