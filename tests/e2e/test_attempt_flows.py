"""A person at mitmweb sees, stops, edits and redirects both sides of an exchange."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.behaviours import error_json, gzip_anyway, never_answers, numbered_events
from support.echo import echo
from support.gate import Gate
from support.mitmweb import FlowJSON, Mitmweb
from support.openai_shapes import completion, message, usage
from support.raw_http import RawConnection, json_request
from support.recording_server import Received, RecordingServer, Reply
from support.rig import HOST, PATH, Rig, answer_text, chat, run_rig, stream_text

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = "~d ai.localhost"
ATTEMPTS = "~d 127.0.0.1"
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


def received_text(received: Received) -> str:
    """The text of the user message that the provider got."""
    text: str = received.json["messages"][-1]["content"]
    return text


def header(flow: FlowJSON, side: str, name: str) -> str:
    """The only header field of that name in mitmweb's JSON."""
    [value] = [value for field, value in flow[side]["headers"] if field.lower() == name]
    return str(value)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_exchange_is_two_flows_with_one_exchange_id_and_readable_bodies(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    answer = await rig.ask("two sides", stream=stream)
    client, attempt = await rig.pair(web)
    sent = rig.provider.requests[-1]
    assert rig.had_key(sent)
    assert await web.content(attempt, "request") == sent.body
    assert json.loads(await web.content(client, "request")) == chat("two sides", stream=stream)
    assert await web.content(client, "response") == answer
    upstream = await web.content(attempt, "response")
    text = stream_text if stream else answer_text
    assert text(upstream) == text(answer) == "You said: two sides"
    assert header(attempt, "request", "authorization").startswith("Bearer ***")
    saved = await web.saved()
    exchange = saved[client["id"]].metadata[EXCHANGE]
    assert header(client, "response", "x-request-id") == exchange
    known = saved[attempt["id"]].metadata
    assert known[EXCHANGE] == exchange
    assert (known["ai.attempt"], known["ai.kind"]) == (1, "openai")
    assert (known["ai.provider"], known["ai.model"]) == ("fake", "gpt-test")
    assert known["ai.url"] == f"{rig.provider.base_url}/chat/completions"


async def test_attempt_flows_show_the_client_of_their_exchange(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("who asks")
    client, attempt = await rig.pair(web)
    assert attempt["client_conn"]["peername"] == client["client_conn"]["peername"]
    assert attempt["server_conn"]["address"] == ["127.0.0.1", rig.provider.port]


async def test_a_failing_attempt_is_shown_with_the_providers_own_answer(
    rig: Rig, web: Mitmweb
) -> None:
    model = rig.spare()
    rig.provider.script(model, error_json(503))
    async with rig.asking("fail", model) as client:
        assert (await client.read_head()).status == 503
    await rig.pair(web)
    [attempt] = rig.attempts(web)
    assert attempt["response"]["status_code"] == 503
    assert b"The server had an error." in await web.content(attempt, "response")


async def test_an_attempt_that_never_connects_is_shown_with_its_error(
    rig: Rig, web: Mitmweb
) -> None:
    async with rig.asking("nobody there", "unreachable") as client:
        assert (await client.read_head()).status == 502
    await web.until(lambda: any("error" in flow for flow in rig.attempts(web)))


async def test_a_compressed_answer_is_readable_in_the_attempt_flow(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, gzip_anyway())
    assert answer_text(await rig.ask("zip", model)) == "zip#1 "
    _, attempt = await rig.pair(web)
    assert answer_text(await web.content(attempt, "response")) == "zip#1 "


async def test_a_compressed_stream_is_readable_in_the_attempt_flow(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, gzip_anyway())
    assert stream_text(await rig.ask("zip", model, stream=True)) == "zip#1 zip#2 "
    _, attempt = await rig.pair(web)
    view = json.loads(await web.get(f"/flows/{attempt['id']}/response/content/Auto"))
    assert "zip#2" in view["text"]
    (saved,) = [flow for flow in (await web.saved()).values() if flow.id == attempt["id"]]
    assert saved.response is not None
    assert b"zip#2" in (saved.response.content or b"")


async def test_a_cut_stream_leaves_in_both_flows_what_had_come(rig: Rig, web: Mitmweb) -> None:
    gate = Gate()
    model = rig.spare()
    rig.provider.script(model, numbered_events(3, gate))
    async with rig.asking("cut", model, stream=True) as client:
        await gate.release()
        events = client.events(await client.read_head())
        assert "cut#1" in await anext(events)
        await events.aclose()
        client.abort()
    await web.until(lambda: len([flow for flow in web.flows.values() if "error" in flow]) == 2)
    gate.open()
    for flow in web.flows.values():
        content = await web.content(flow, "response")
        assert b"cut#1" in content
        assert b"[DONE]" not in content


async def test_intercept_stops_both_flows_before_and_after_the_provider(
    rig: Rig, web: Mitmweb
) -> None:
    before = len(rig.provider.requests)
    async with web.options(intercept="~u chat/completions"), rig.asking("stop") as client:
        for is_attempt, is_answered in ((False, False), (True, False), (True, True), (False, True)):
            flow = await web.held()
            assert rig.is_attempt(flow) is is_attempt
            assert ("response" in flow) is is_answered
            assert len(rig.provider.requests) == before + is_answered
            await web.resume(flow)
        assert answer_text(await client.read_body(await client.read_head())) == "You said: stop"


async def test_an_intercepted_stream_leaves_no_flow_held_once_all_were_resumed(
    rig: Rig, web: Mitmweb
) -> None:
    async with (
        web.options(intercept="~u chat/completions"),
        rig.asking("stop", stream=True) as client,
    ):
        for wanted in (False, True):
            flow = await web.held()
            assert rig.is_attempt(flow) is wanted
            await web.resume(flow)
        head = await client.read_head()
        await web.resume(await web.held(lambda flow: not rig.is_attempt(flow)))
        assert stream_text(await client.read_body(head)) == "You said: stop"
        await web.post("/flows/resume")
        await web.until(lambda: not any(flow["intercepted"] for flow in web.flows.values()))


async def test_an_edited_client_request_is_what_is_routed(rig: Rig, web: Mitmweb) -> None:
    async with web.options(intercept=f"~q & {CLIENTS}"), rig.asking("before", "stalled") as client:
        flow = await web.held()
        await web.edit(flow, "request", content=json.dumps(chat("after")))
        await web.resume(flow)
        assert answer_text(await client.read_body(await client.read_head())) == "You said: after"
    assert received_text(rig.provider.requests[-1]) == "after"


async def test_an_edited_client_request_of_unknown_length_is_what_is_routed(
    rig: Rig, web: Mitmweb
) -> None:
    whole = json_request(PATH, chat("before"), host=HOST, token=rig.token)
    head, _, body = whole.partition(b"\r\n\r\n")
    length = f"Content-Length: {len(body)}".encode()
    chunked = head.replace(length, b"Transfer-Encoding: chunked")
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    async with (
        web.options(intercept=f"~q & {CLIENTS}"),
        RawConnection(rig.gateway.port) as client,
    ):
        await client.send(chunked + b"\r\n\r\n" + chunk)
        flow = await web.held()
        assert json.loads(await web.content(flow, "request")) == chat("before")
        await web.edit(flow, "request", content=json.dumps(chat("after")))
        await web.resume(flow)
        assert answer_text(await client.read_body(await client.read_head())) == "You said: after"


async def test_an_edited_attempt_is_what_is_sent_with_the_real_key(rig: Rig, web: Mitmweb) -> None:
    async with web.options(intercept=f"~q & {ATTEMPTS}"), rig.asking("before") as client:
        flow = await web.held()
        headers = [*flow["request"]["headers"], ["x-added", "by hand"]]
        content = json.dumps({**chat("after"), "temperature": 0.5})
        await web.edit(flow, "request", headers=headers, content=content)
        await web.resume(flow)
        assert answer_text(await client.read_body(await client.read_head())) == "You said: after"
    sent = rig.provider.requests[-1]
    assert sent.body == content.encode()
    assert sent.header("x-added") == "by hand"
    assert rig.had_key(sent)


@pytest.mark.parametrize("authorization", [None, "Bearer another-key"])
async def test_a_key_taken_out_or_replaced_by_hand_is_not_put_back(
    rig: Rig, web: Mitmweb, authorization: str | None
) -> None:
    async with web.options(intercept=f"~q & {ATTEMPTS}"), rig.asking("no key") as client:
        flow = await web.held()
        kept = [field for field in flow["request"]["headers"] if field[0] != "authorization"]
        added = [["authorization", authorization]] if authorization else []
        await web.edit(flow, "request", headers=kept + added)
        await web.resume(flow)
        assert (await client.read_head()).status == 502
    assert rig.provider.requests[-1].header("authorization") == authorization


async def test_an_edited_reply_is_what_the_client_gets(rig: Rig, web: Mitmweb) -> None:
    async with web.options(intercept=f"~s & {ATTEMPTS}"), rig.asking("hello") as client:
        flow = await web.held()
        content = (await web.content(flow, "response")).replace(b"You said: hello", b"By hand")
        await web.edit(flow, "response", content=content.decode())
        await web.resume(flow)
        assert answer_text(await client.read_body(await client.read_head())) == "By hand"


async def test_a_reply_edited_into_a_failure_is_one(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    rig.provider.script(model, echo)
    async with web.options(intercept=f"~s & {ATTEMPTS}"), rig.asking("hello", model) as client:
        flow = await web.held()
        await web.edit(flow, "response", code=429, content='{"error": {"message": "Slow down."}}')
        await web.resume(flow)
        head = await client.read_head()
        assert head.status == 429
        assert (await client.read_json(head))["error"]["message"] == "Slow down."


async def test_time_in_which_an_attempt_is_held_is_not_counted_against_the_provider(
    rig: Rig, web: Mitmweb
) -> None:
    rig.provider.script("stalled", never_answers())
    async with (
        web.options(intercept=f"~q & {ATTEMPTS} & ~bq hold-me"),
        rig.asking("hold-me", "hasty", stream=True) as held,
    ):
        flow = await web.held()
        # A stream to the same provider that begins now takes all of first_event to fail.
        async with rig.asking("clock", "stalled", stream=True) as clock:
            assert (await clock.read_head()).status == 504
        await web.resume(flow)
        answer = await held.read_body(await held.read_head())
        assert stream_text(answer) == "You said: hold-me"


@pytest.mark.parametrize("stream", [False, True])
async def test_killing_a_held_attempt_answers_the_client_with_an_error(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    before = len(rig.provider.requests)
    async with (
        web.options(intercept=f"~q & {ATTEMPTS}"),
        rig.asking("kill", stream=stream) as client,
    ):
        await web.kill(await web.held())
        head = await client.read_head()
        error = (await client.read_json(head))["error"]
        assert (head.status, error["code"]) == (502, "upstream_connection_error")
        await web.until(lambda: "error" in rig.attempts(web)[0])
    assert len(rig.provider.requests) == before


async def test_killing_a_held_reply_answers_the_client_with_an_error(
    rig: Rig, web: Mitmweb
) -> None:
    async with web.options(intercept=f"~s & {ATTEMPTS}"), rig.asking("kill") as client:
        await web.kill(await web.held())
        assert (await client.read_head()).status == 502


async def test_killing_a_held_client_flow_ends_the_clients_wait(rig: Rig, web: Mitmweb) -> None:
    before = len(rig.provider.requests)
    async with web.options(intercept=f"~q & {CLIENTS}"), rig.asking("kill") as client:
        await web.kill(await web.held())
        assert b"You said" not in await client.read_to_end()
    assert len(rig.provider.requests) == before
    assert answer_text(await rig.ask("next")) == "You said: next"


async def test_a_client_that_leaves_ends_its_held_attempt(rig: Rig, web: Mitmweb) -> None:
    before = len(rig.provider.requests)
    async with web.options(intercept=f"~q & {ATTEMPTS}"):
        async with rig.asking("gone") as client:
            flow = await web.held()
            client.abort()
        await web.until(lambda: "error" in web.flows[flow["id"]])
        await web.resume(flow)
        async with rig.asking("next") as client:
            await web.resume(await web.held())
            await client.read_head()
    assert [received_text(each) for each in rig.provider.requests[before:]] == ["next"]


async def test_map_local_answers_in_the_providers_place(
    rig: Rig, web: Mitmweb, tmp_path: Path
) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(completion("gpt-test", [message("canned")], "stop", usage(1, 1))))
    before = len(rig.provider.requests)
    async with web.options(map_local=[f"|{ATTEMPTS}|chat/completions|{file}"]):
        assert answer_text(await rig.ask("local")) == "canned"
    _, attempt = await rig.pair(web)
    assert await web.content(attempt, "response") == file.read_bytes()
    assert len(rig.provider.requests) == before


async def test_modify_headers_and_modify_body_act_on_attempts(rig: Rig, web: Mitmweb) -> None:
    async with web.options(
        modify_headers=[f"|{ATTEMPTS} & ~q|x-modified|yes"],
        modify_body=[f"|{ATTEMPTS} & ~q|short|much longer", f"|{ATTEMPTS} & ~s|You said|Heard"],
    ):
        assert answer_text(await rig.ask("short")) == "Heard: much longer"
    sent = rig.provider.requests[-1]
    assert sent.header("x-modified") == "yes"
    assert rig.had_key(sent)


async def test_block_list_acts_on_attempts(rig: Rig, web: Mitmweb) -> None:
    before = len(rig.provider.requests)
    async with (
        web.options(block_list=[f"|{ATTEMPTS}|444"]),
        rig.asking("blocked") as client,
    ):
        assert (await client.read_head()).status == 502
    assert len(rig.provider.requests) == before


@pytest.mark.parametrize("stream", [False, True])
async def test_a_recorded_attempt_answers_in_the_providers_place(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    answer = await rig.ask("again", stream=stream)
    _, attempt = await rig.pair(web)
    before = len(rig.provider.requests)
    await web.command("replay.server", f"@{attempt['id']}")
    try:
        assert await rig.ask("again", stream=stream) == answer
    finally:
        await web.command("replay.server.stop")
    assert len(rig.provider.requests) == before


async def answer_anybody(received: Received, reply: Reply) -> None:
    """Answer a chat request without asking for a key."""
    await echo(received, reply)


async def test_the_key_does_not_travel_to_another_host(rig: Rig, web: Mitmweb) -> None:
    async with RecordingServer(answer_anybody) as other:
        remote = f"|{ATTEMPTS}|http://127.0.0.1:{rig.provider.port}|{other.url}"
        async with web.options(map_remote=[remote]):
            assert answer_text(await rig.ask("mapped")) == "You said: mapped"
        async with web.options(intercept=f"~q & {ATTEMPTS}"), rig.asking("by hand") as client:
            flow = await web.held()
            await web.edit(flow, "request", port=other.port)
            await web.resume(flow)
            assert (await client.read_head()).status == 200
        for received in other.requests:
            assert received.header("authorization") is None
            assert rig.key not in f"{received.headers} {received.body!r}"
            assert received.header("host") == f"127.0.0.1:{other.port}"
        assert len(other.requests) == 2
