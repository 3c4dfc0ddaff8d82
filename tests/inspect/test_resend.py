"""A replayed attempt is sent again as it stands, and answered whole."""

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway import config
from llm_gateway.api.identity import Identity
from llm_gateway.bridge.sinks import BufferSink
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.inspect.as_flow import make_flow
from llm_gateway.inspect.metadata import is_attempt
from llm_gateway.inspect.resend import resend
from llm_gateway.runtime import Runtime
from llm_gateway.wire import Label, UpstreamRequest, Wire
from support.fakes import FakeResponse, FakeWire
from support.waiting import DEADLINE

REQUEST = UpstreamRequest(
    method="POST",
    url="http://127.0.0.1:8080/v1/chat/completions",
    headers=(("accept", "*/*"), ("authorization", "Bearer ***01234567")),
    body=b"{}",
    label=Label("req_1", 1, "echo", "echo-small"),
)


def runtime(wire: Wire, deadline: float = 60.0) -> Runtime:
    """A runtime whose only provider, `echo`, is reached over ``wire``."""
    demo = config.demo(Path("nowhere"), {})
    gateway = dataclasses.replace(demo.gateway, deadline=deadline)
    wires = {demo.providers["echo"]: wire}
    return Runtime(
        dataclasses.replace(demo, gateway=gateway), Identity(()), wires, lambda wire: wire, 0
    )


async def resent(wire: Wire, provider: str = "echo", **settings: float) -> http.Response:
    """What the flow of REQUEST is answered when it is replayed, after being saved and loaded."""
    flow = http.HTTPFlow.from_state(make_flow(REQUEST, tflow.tclient_conn()).get_state())
    assert isinstance(flow, http.HTTPFlow)
    flow.metadata["ai.provider"] = provider
    sink = BufferSink()
    async with asyncio.timeout(DEADLINE):
        await resend(flow, runtime(wire, **settings), sink)
    assert sink.response is not None
    return sink.response


def error_code(response: http.Response) -> object:
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.content or b"")["error"]["code"]


def test_an_attempt_is_told_by_its_metadata() -> None:
    flow = make_flow(REQUEST, tflow.tclient_conn())
    assert is_attempt(flow)
    assert is_attempt(flow.copy())
    assert not is_attempt(tflow.tflow())


async def test_exactly_the_flows_request_is_sent() -> None:
    wire = FakeWire(FakeResponse(b"{}"))
    await resent(wire)
    [sent] = wire.requests
    assert dataclasses.replace(sent, label=REQUEST.label) == REQUEST
    assert (sent.label.exchange, sent.label.provider) == ("req_1", "echo")


async def test_the_answer_is_given_whole_whatever_its_status() -> None:
    upstream = FakeResponse(
        b"data: 1\n\n", b"data: 2\n\n", status=503, headers={"x-request-id": "abc"}
    )
    response = await resent(FakeWire(upstream))
    assert response.status_code == 503
    assert response.content == b"data: 1\n\ndata: 2\n\n"
    assert response.headers["x-request-id"] == "abc"
    assert response.headers["content-type"] == "text/event-stream"
    assert upstream.closed


async def test_headers_about_one_connection_are_not_passed_on() -> None:
    headers = {
        "Connection": "keep-alive",
        "Keep-Alive": "timeout=5",
        "Transfer-Encoding": "chunked",
        "Content-Length": "999",
        "Content-Encoding": "gzip",
    }
    response = await resent(FakeWire(FakeResponse(b"{}", headers=headers)))
    assert response.headers.fields == (
        (b"content-type", b"text/event-stream"),
        (b"content-length", b"2"),
    )


async def test_header_bytes_that_are_not_utf8_are_passed_on() -> None:
    """aiohttp gives them as surrogates."""
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    response = await resent(FakeWire(FakeResponse(b"{}", headers={"x-name": name})))
    assert (b"x-name", b"caf\xe9") in response.headers.fields


async def test_a_provider_that_is_no_longer_configured_is_a_404() -> None:
    wire = FakeWire(FakeResponse(b"{}"))
    response = await resent(wire, provider="gone")
    assert response.status_code == 404
    assert "'gone'" in json.loads(response.content or b"")["error"]["message"]
    assert wire.requests == []


async def test_a_failed_call_is_answered_as_the_gateway_would() -> None:
    response = await resent(FakeWire(UpstreamConnectionError("No connection.")))
    assert (response.status_code, error_code(response)) == (502, "upstream_connection_error")


async def test_a_reply_that_breaks_off_is_answered_as_the_gateway_would() -> None:
    upstream = FakeResponse(b"{", UpstreamConnectionError("It broke."))
    response = await resent(FakeWire(upstream))
    assert (response.status_code, error_code(response)) == (502, "upstream_connection_error")


async def test_the_deadline_holds_for_a_replay_as_well() -> None:
    """mitmproxy replays one flow after the other: one that hangs would stop them all."""
    response = await resent(FakeWire(asyncio.Event()), deadline=0.01)
    assert (response.status_code, error_code(response)) == (504, "upstream_timeout")


async def test_the_wires_stay_open_while_a_replay_uses_them() -> None:
    go_on = asyncio.Event()
    wire = FakeWire(go_on, FakeResponse(b"{}"))
    current = runtime(wire)
    flow = make_flow(REQUEST, tflow.tclient_conn())
    replay = asyncio.ensure_future(resend(flow, current, BufferSink()))
    await asyncio.wait_for(wire.waiting.wait(), DEADLINE)
    unused = asyncio.ensure_future(current.wait_unused())
    assert not (await asyncio.wait([unused], timeout=0))[0]
    go_on.set()
    await asyncio.wait_for(asyncio.gather(replay, unused), DEADLINE)


@pytest.mark.parametrize("missing", ["ai.exchange", "ai.provider", "ai.model"])
async def test_an_attempt_whose_metadata_was_tampered_with_is_answered(missing: str) -> None:
    flow = make_flow(REQUEST, tflow.tclient_conn())
    del flow.metadata[missing]
    sink = BufferSink()
    await resend(flow, runtime(FakeWire(FakeResponse(b"{}"))), sink)
    assert sink.response is not None
    assert sink.response.status_code == (404 if missing == "ai.provider" else 200)
