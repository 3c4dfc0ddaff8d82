"""A person at mitmweb changes either side of an exchange, and kills it wherever it stands.

The providers of what is killed never end by themselves, so that anything ends at all shows what
ended it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from support import behaviours
from support.echo import echo
from support.fake_anthropic import FakeAnthropic
from support.fake_openai import FakeOpenAI
from support.http2 import Http2Client, Http2Stream
from support.mitmweb import FlowJSON, Mitmweb
from support.process import run_gateway
from support.raw_http import RawConnection
from support.recording_server import Handler, Received
from support.rig import (
    HOST,
    KEY,
    PATH,
    TOKEN,
    Rig,
    answer_text,
    chat,
    config_text,
)
from support.tls import http2_context
from support.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLED = "Connection killed."
CLIENTS = f"~d {HOST}"
ATTEMPTS = "~d 127.0.0.1"
PATIENT, RESTING = "patient", "resting"
"""Models that are tried three times."""
CLAUDE = "claude-haiku-4-5"
NARROW = "narrow"
"""A model whose provider takes one call at a time."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mitmweb keeps its certificates."""
    return tmp_path_factory.mktemp("mitmweb")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anthropic() -> AsyncIterator[FakeAnthropic]:
    """A provider with a format of its own."""
    async with FakeAnthropic(KEY) as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(directory: Path, anthropic: FakeAnthropic) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    async with FakeOpenAI(KEY, models=("gpt-test",)) as provider:
        config = json.loads(config_text(provider.base_url))
        narrow = {**config["providers"]["fake"], "throttle": {"max_concurrent": 1}}
        config["providers"]["narrow"] = narrow
        config["providers"]["anthropic"] = {"base_url": anthropic.base_url, "api_key": KEY}
        config["models"] += [
            {"name": NARROW, "provider": "narrow"},
            {"name": CLAUDE, "provider": "anthropic"},
            {"name": PATIENT, "provider": "fake", "retry": {"attempts": 3}},
            {"name": RESTING, "provider": "fake", "retry": {"attempts": 3}},
        ]
        async with run_gateway(
            directory,
            tool="mitmweb",
            config_text=json.dumps(config),
            env={"AUTH_TOKEN": TOKEN, "FAKE_KEY": KEY},
        ) as gateway:
            yield Rig(gateway, provider)


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


@dataclass(frozen=True)
class Phase:
    """A moment in the life of an answer: how the provider gets there and stays."""

    handler: Callable[[], Handler]
    stream: bool
    events: int = 0
    """How many events the client has by then."""


PHASES = {
    "waiting for a stream's head": Phase(behaviours.never_answers, stream=True),
    "before the first event": Phase(lambda: behaviours.stalls_after(0), stream=True),
    "in a silent stream": Phase(lambda: behaviours.stalls_after(2), stream=True, events=2),
    "waiting for a whole answer": Phase(behaviours.never_answers, stream=False),
    "in a whole answer": Phase(lambda: behaviours.json_cut("stall"), stream=False),
}
phases = pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)


async def gone(received: Received) -> None:
    """Wait until the gateway has closed this call's connection."""
    async with asyncio.timeout(DEADLINE):
        await received.closed.wait()


async def failed(web: Mitmweb, flow: FlowJSON) -> str:
    """Wait until a flow of the list is over with an error, and return that."""
    await web.until(lambda: "error" in web.flows[flow["id"]])
    return str(web.flows[flow["id"]]["error"]["msg"])


async def row(web: Mitmweb, flows: Callable[[Mitmweb], list[FlowJSON]]) -> FlowJSON:
    """Wait until there is one such flow in the list, and return it."""
    await web.until(lambda: len(flows(web)) == 1)
    return flows(web)[0]


async def read_events(client: RawConnection, phase: Phase) -> None:
    """Read the head of a stream and its events so far, if there are any."""
    if phase.events:
        events = client.events(await client.read_head())
        for _ in range(phase.events):
            assert json.loads(await anext(events))["object"] == "chat.completion.chunk"


async def test_what_was_edited_is_what_is_sent_translated_and_answered(
    rig: Rig, web: Mitmweb, anthropic: FakeAnthropic
) -> None:
    """All four stops of one exchange, with a provider that does not speak the client's format."""
    async with (
        web.options(intercept="~d ai.localhost | ~meta ai.attempt"),
        rig.asking("first") as client,
    ):
        flow = await web.held()
        await web.edit(flow, "request", content=json.dumps(chat("second", CLAUDE)))
        await web.resume(flow)
        attempt = await web.held(rig.is_attempt)
        sent = json.loads(await web.content(attempt, "request"))
        assert sent["messages"][0]["content"][0]["text"] == "second"
        sent["messages"][0]["content"][0]["text"] = "third"
        content = json.dumps(sent, indent=3)
        await web.edit(attempt, "request", content=content)
        await web.resume(attempt)
        attempt = await web.held(lambda each: rig.is_attempt(each) and "response" in each)
        assert anthropic.requests[-1].body == content.encode()
        assert anthropic.requests[-1].header("x-api-key") == KEY
        answer = json.loads(await web.content(attempt, "response"))
        assert "third" in answer["content"][0]["text"]
        answer["content"][0]["text"] = "fourth"
        await web.edit(attempt, "response", content=json.dumps(answer))
        await web.resume(attempt)
        flow = await web.held(lambda each: "response" in each)
        translated = await web.content(flow, "response")
        assert answer_text(translated) == "fourth"
        await web.edit(flow, "response", code=201, content=translated.decode() + "\n")
        await web.resume(flow)
        head = await client.read_head()
        assert (head.status, await client.read_body(head)) == (201, translated + b"\n")


@phases
@pytest.mark.parametrize("way", ["kill", "delete"])
async def test_killing_a_client_flow_under_way_ends_both_sides(
    rig: Rig, web: Mitmweb, phase: Phase, way: str
) -> None:
    model, before = rig.spare(), len(rig.provider.requests)
    rig.provider.script(model, phase.handler())
    async with rig.asking("kill", model, stream=phase.stream) as client:
        received = await rig.provider.request(before + 1)
        await read_events(client, phase)
        flow, attempt = await row(web, rig.clients), await row(web, rig.attempts)
        assert not received.closed.is_set()
        await (web.kill(flow) if way == "kill" else web.delete(flow))
        assert await client.read_to_end() == b""
        await gone(received)
    assert await failed(web, attempt) == "broken off: the client's flow was killed by hand"
    if way == "kill":
        assert await failed(web, flow) == KILLED
        await web.until(lambda: "killed by hand" in web.flows[flow["id"]]["comment"])
    else:
        assert flow["id"] not in web.flows


async def test_killing_a_client_flow_in_a_flowing_stream_ends_both_sides(
    rig: Rig, web: Mitmweb
) -> None:
    model, before = rig.spare(), len(rig.provider.requests)
    rig.provider.script(model, behaviours.big_stream(500_000_000))
    async with rig.asking("kill", model, stream=True) as client:
        received = await rig.provider.request(before + 1)
        head = await client.read_head()
        await web.kill(await row(web, rig.clients))
        with pytest.raises(asyncio.IncompleteReadError):
            await client.read_body(head)
        await gone(received)


async def test_killing_a_client_flow_that_waits_to_be_tried_again_ends_it(
    rig: Rig, web: Mitmweb
) -> None:
    before = len(rig.provider.requests)
    rig.provider.script(RESTING, behaviours.error_json(503, headers=[("retry-after", "15")]))
    async with rig.asking("kill", RESTING) as client:
        await web.until(lambda: any("response" in each for each in rig.attempts(web)))
        flow = await row(web, rig.clients)
        await web.kill(flow)
        assert await client.read_to_end() == b""
        assert await failed(web, flow) == KILLED
    assert len(rig.provider.requests) == before + 1


async def test_killing_a_client_flow_in_a_queue_ends_it_and_frees_its_place(
    rig: Rig, web: Mitmweb
) -> None:
    before = len(rig.provider.requests)
    rig.provider.script(NARROW, behaviours.never_answers())
    async with rig.asking("first", NARROW) as first:
        received = await rig.provider.request(before + 1)
        flow = await row(web, rig.clients)
        async with rig.asking("second", NARROW) as second:
            await web.until(lambda: len(rig.clients(web)) == 2)
            [queued] = [each for each in rig.clients(web) if each["id"] != flow["id"]]
            await web.kill(queued)
            assert await second.read_to_end() == b""
            assert await failed(web, queued) == KILLED
        async with rig.asking("third", NARROW) as third:
            await web.kill(flow)
            assert await first.read_to_end() == b""
            await gone(received)
            await gone_on(rig, before + 2, "third")
            third.abort()


async def gone_on(rig: Rig, number: int, text: str) -> None:
    """Wait until the next call has come to the provider, with this text."""
    received = await rig.provider.request(number)
    assert received.json["messages"][-1]["content"] == text


async def begin(client: Http2Client, text: str, model: str) -> Http2Stream:
    """A streamed chat over HTTP/2."""
    fields = [("authorization", f"Bearer {TOKEN}"), ("content-type", "application/json")]
    body = json.dumps(chat(text, model, stream=True)).encode()
    return await client.exchange("POST", PATH, fields, body, authority=HOST)


async def test_killing_one_stream_of_an_http2_connection_leaves_the_others_alone(
    rig: Rig, web: Mitmweb, directory: Path
) -> None:
    model, before = rig.spare(), len(rig.provider.requests)
    rig.provider.script(model, behaviours.stalls_after(1))
    tls = http2_context(directory / "mitmproxy-ca-cert.pem")
    async with Http2Client(rig.gateway.port, tls) as client:
        killed = await begin(client, "killed", model)
        received = await rig.provider.request(before + 1)
        flow = await row(web, rig.clients)
        stays = await begin(client, "stays", model)
        await killed.received(1)
        await stays.received(1)
        await web.kill(flow)
        await client.until(lambda: killed.reset_code is not None)
        await gone(received)
        assert (stays.reset_code, stays.ended, client.terminated) == (None, False, False)
        last = await begin(client, "last", "gpt-test")
        assert (await last.finished()).events[-1] == "[DONE]"


async def test_killing_a_client_flow_ends_its_held_attempt(rig: Rig, web: Mitmweb) -> None:
    before = len(rig.provider.requests)
    async with web.options(intercept=f"~q & {ATTEMPTS}"), rig.asking("kill") as client:
        attempt = await web.held()
        await web.kill(await row(web, rig.clients))
        assert await client.read_to_end() == b""
        assert "the client's flow was killed" in await failed(web, attempt)
        await web.until(lambda: not web.flows[attempt["id"]]["intercepted"])
    assert len(rig.provider.requests) == before


@pytest.mark.parametrize("stream", [False, True])
async def test_killing_a_client_flow_that_is_held_in_its_response_ends_it(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    async with (
        web.options(intercept=f"~s & {CLIENTS}"),
        rig.asking("kill", stream=stream) as client,
    ):
        await web.kill(await web.held())
        rest = await client.read_to_end()
        assert not rest.endswith(b"0\r\n\r\n")
        assert (b"You" in rest) is stream


@phases
async def test_killing_an_attempt_under_way_tells_the_client_and_tries_no_other(
    rig: Rig, web: Mitmweb, phase: Phase
) -> None:
    before = len(rig.provider.requests)
    rig.provider.script(PATIENT, phase.handler())
    async with rig.asking("kill", PATIENT, stream=phase.stream) as client:
        received = await rig.provider.request(before + 1)
        attempt = await row(web, rig.attempts)
        if phase.events:
            head = await client.read_head()
            events = client.events(head)
            for _ in range(phase.events):
                await anext(events)
            await web.kill(attempt)
            error = json.loads(await anext(events))["error"]
            assert [each async for each in events] == ["[DONE]"]
        else:
            await web.kill(attempt)
            head = await client.read_head()
            error = (await client.read_json(head))["error"]
        assert head.status == (200 if phase.events else 502)
        assert error["code"] == "upstream_connection_error"
        assert error["message"].startswith("The attempt was killed by hand.")
        await gone(received)
    assert await failed(web, attempt) == KILLED
    assert len(rig.provider.requests) == before + 1


async def test_killing_an_attempt_in_a_flowing_stream_ends_it_in_words(
    rig: Rig, web: Mitmweb
) -> None:
    model, before = rig.spare(), len(rig.provider.requests)
    rig.provider.script(model, behaviours.big_stream(500_000_000))
    async with rig.asking("kill", model, stream=True) as client:
        received = await rig.provider.request(before + 1)
        head = await client.read_head()
        attempt = await row(web, rig.attempts)
        body = asyncio.ensure_future(client.read_body(head))
        await web.kill(attempt)
        assert b"killed by hand" in (await body)[-500:]
        await gone(received)


@pytest.mark.parametrize("side", ["client", "attempt"])
async def test_killing_a_replay_under_way_ends_its_call_and_frees_the_way_for_the_next(
    rig: Rig, web: Mitmweb, side: str
) -> None:
    model = rig.spare()
    rig.provider.script(model, behaviours.by_turn(echo, behaviours.never_answers(), echo))
    await rig.ask("again", model)
    client, attempt = await rig.pair(web)
    flow = client if side == "client" else attempt
    copy = await web.duplicate(flow)
    before = len(rig.provider.requests)
    await web.post(f"/flows/{flow['id']}/replay")
    received = await rig.provider.request(before + 1)
    await web.kill(flow)
    await gone(received)
    assert await failed(web, flow) == KILLED
    replayed = await web.replay(copy)
    assert answer_text(await web.content(replayed, "response")) == "You said: again"


@pytest.mark.parametrize("side", ["client", "attempt"])
async def test_what_was_edited_and_replayed_can_be_reverted_and_replayed_again(
    rig: Rig, web: Mitmweb, side: str
) -> None:
    await rig.ask("first")
    client, attempt = await rig.pair(web)
    flow = client if side == "client" else attempt
    before = len(rig.provider.requests)
    await web.edit(flow, "request", content=json.dumps(chat("second")))
    await web.replay(flow["id"])
    assert answer_text(await web.content(flow, "response")) == "You said: second"
    await web.revert(flow)
    await web.until(lambda: not web.flows[flow["id"]]["modified"])
    assert answer_text(await web.content(flow, "response")) == "You said: first"
    await web.replay(flow["id"])
    assert answer_text(await web.content(flow, "response")) == "You said: first"
    texts = [each.json["messages"][-1]["content"] for each in rig.provider.requests[before:]]
    assert texts == ["second", "first"]
    assert all(map(rig.had_key, rig.provider.requests[before:]))
