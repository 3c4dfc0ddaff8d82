"""Each upstream call is published as a flow of its own, through mitmproxy's own hooks."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.test import taddons, tflow

from llm_gateway.bridge.kill import wake_on_kill
from llm_gateway.errors import Retry, UpstreamConnectionError, UpstreamError
from llm_gateway.inspect.attempts import Publisher, hold
from llm_gateway.patience import Patience
from llm_gateway.wire import (
    EVENT_STREAM,
    Label,
    UpstreamRequest,
    UpstreamResponse,
    Wire,
    read_whole,
)
from support.fakes import FakeResponse, FakeWire
from support.waiting import DEADLINE

LABEL = Label("req_1", 2, "openrouter", "some/model")
REQUEST = UpstreamRequest(
    method="POST",
    url="https://openrouter.example:8443/api/v1/chat/completions?x=%2F1",
    headers=(("accept", "text/event-stream"), ("authorization", "Bearer ***01234567")),
    body=b'{"model": "some/model"}',
    label=LABEL,
)
JSON = "application/json"


def whole(*pieces: bytes | Exception, headers: Mapping[str, str] | None = None) -> FakeResponse:
    """A JSON answer."""
    return FakeResponse(*pieces, content_type=JSON, headers=headers)


class Recorder:
    """An addon that notes every hook on flows, and does in them what a test asks for."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.flows: list[http.HTTPFlow] = []
        self.owned: list[bool] = []
        self.actions: dict[str, Callable[[http.HTTPFlow], None]] = {}
        self.publisher: Publisher | None = None
        self.called = asyncio.Event()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        self._note("requestheaders", flow)

    def request(self, flow: http.HTTPFlow) -> None:
        self._note("request", flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._note("responseheaders", flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self._note("response", flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._note("error", flow)

    def _note(self, hook: str, flow: http.HTTPFlow) -> None:
        assert self.publisher is not None
        self.hooks.append(hook)
        self.owned.append(self.publisher.owns(flow))
        if hook in self.actions:
            self.actions[hook](flow)
        self.called.set()

    async def until(self, hook: str) -> None:
        """Wait until the hook has been called."""
        async with asyncio.timeout(DEADLINE):
            while hook not in self.hooks:
                self.called.clear()
                await self.called.wait()

    def only(self) -> http.HTTPFlow:
        """The only flow."""
        [flow] = self.flows
        return flow


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """An addon of a master's, with a publisher on the same master that is being watched."""
    wake_on_kill()
    addon = Recorder()
    with taddons.context(addon) as context:
        addon.publisher = Publisher(context.master.addons, lambda: True)
        yield addon


def published(wire: Wire, recorder: Recorder) -> Wire:
    assert recorder.publisher is not None
    return recorder.publisher.wrap(wire)


def reply_text(flow: http.HTTPFlow) -> bytes:
    assert flow.response is not None
    return flow.response.content or b""


def error_text(flow: http.HTTPFlow) -> str:
    assert flow.error is not None
    return flow.error.msg


def set_text(text: str) -> Callable[[http.HTTPFlow], None]:
    """An action that edits the reply."""

    def action(flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        flow.response.text = text

    return action


async def test_unwatched_calls_go_straight_to_the_wire() -> None:
    addon = Recorder()
    response = whole(b"{}")
    wire = FakeWire(response)
    with taddons.context(addon) as context:
        addon.publisher = Publisher(context.master.addons, lambda: False)
        assert await published(wire, addon).send(REQUEST, Patience()) is response
    assert wire.requests[0] is REQUEST
    assert addon.hooks == []


async def test_closing_closes_the_wire_below(recorder: Recorder) -> None:
    wire = FakeWire(FakeResponse())
    await published(wire, recorder).close()
    assert wire.closed


async def test_a_whole_reply_goes_through_the_hooks_of_a_native_flow(recorder: Recorder) -> None:
    wire = FakeWire(whole(b'{"a', b'":1}'))
    response = await published(wire, recorder).send(REQUEST, Patience())
    assert recorder.hooks == ["requestheaders", "request", "responseheaders", "response"]
    assert recorder.owned == [True] * 4
    assert wire.requests == [REQUEST]
    assert await read_whole(response) == reply_text(recorder.only()) == b'{"a":1}'
    assert (response.status, response.headers["Content-Type"]) == (200, JSON)
    assert_over(recorder)


def assert_over(recorder: Recorder) -> None:
    assert recorder.publisher is not None
    assert not recorder.publisher.owns(recorder.only())
    assert not recorder.only().live


async def test_a_streamed_reply_passes_at_once_and_is_kept(recorder: Recorder) -> None:
    upstream = FakeResponse(b"data: 1\n\n", b"data: 2\n\n")
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    assert await response.read() == b"data: 1\n\n"
    assert recorder.hooks == ["requestheaders", "request", "responseheaders"]
    assert await response.read() == b"data: 2\n\n"
    assert await response.read() == b""
    assert recorder.hooks[3:] == ["response"]
    assert reply_text(recorder.only()) == b"data: 1\n\ndata: 2\n\n"
    assert_over(recorder)


async def test_a_released_stream_is_published_as_complete(recorder: Recorder) -> None:
    upstream = FakeResponse(b"data: [DONE]\n\n", b"tail")
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    await response.read()
    await response.release()
    response.close()
    assert recorder.hooks[3:] == ["response"]
    assert upstream.released
    assert reply_text(recorder.only()) == b"data: [DONE]\n\n"


async def test_a_stream_closed_before_its_end_is_published_as_an_error(recorder: Recorder) -> None:
    upstream = FakeResponse(b"data: 1\n\n", b"data: 2\n\n")
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    await response.read()
    response.close()
    await recorder.until("error")
    assert recorder.hooks[3:] == ["error"]
    assert "closed by the gateway" in error_text(recorder.only())
    assert reply_text(recorder.only()) == b"data: 1\n\n"


async def test_a_stream_that_breaks_is_published_as_an_error(recorder: Recorder) -> None:
    broken = UpstreamConnectionError("It broke.", detail="ServerDisconnected")
    upstream = FakeResponse(b"data: 1\n\n", broken)
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    await response.read()
    with pytest.raises(UpstreamConnectionError, match="It broke"):
        await response.read()
    response.close()
    assert recorder.hooks[3:] == ["error"]
    assert error_text(recorder.only()) == "ServerDisconnected"
    assert reply_text(recorder.only()) == b"data: 1\n\n"
    assert_over(recorder)


async def test_an_error_in_the_form_of_a_stream_is_read_whole(recorder: Recorder) -> None:
    upstream = FakeResponse(b"data: no\n\n", status=500)
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    assert recorder.hooks[3:] == ["response"]
    assert (response.status, await response.read()) == (500, b"data: no\n\n")


async def test_a_failed_call_is_published_as_an_error_and_raised(recorder: Recorder) -> None:
    wire = FakeWire(UpstreamConnectionError("No connection.", detail="refused"))
    with pytest.raises(UpstreamConnectionError, match="No connection"):
        await published(wire, recorder).send(REQUEST, Patience())
    assert recorder.hooks == ["requestheaders", "request", "error"]
    assert error_text(recorder.only()) == "refused"
    assert_over(recorder)


async def test_a_reply_that_breaks_off_is_published_as_an_error(recorder: Recorder) -> None:
    wire = FakeWire(whole(b"{", UpstreamConnectionError("It broke.")))
    with pytest.raises(UpstreamConnectionError):
        await published(wire, recorder).send(REQUEST, Patience())
    assert recorder.hooks == ["requestheaders", "request", "responseheaders", "error"]


async def test_a_cancelled_call_is_published_as_an_error(recorder: Recorder) -> None:
    wire = FakeWire(asyncio.Event())
    call = asyncio.ensure_future(published(wire, recorder).send(REQUEST, Patience()))
    await asyncio.wait_for(wire.waiting.wait(), DEADLINE)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    await recorder.until("error")
    assert error_text(recorder.only()).startswith("broken off: the client left")


async def test_a_bug_below_is_published_by_its_name_alone(recorder: Recorder) -> None:
    wire = FakeWire(KeyError("canary"))
    with pytest.raises(KeyError):
        await published(wire, recorder).send(REQUEST, Patience())
    await recorder.until("error")
    assert error_text(recorder.only()) == "the gateway failed: KeyError"


async def test_what_leaves_is_what_the_hooks_left_in_the_flow(recorder: Recorder) -> None:
    def edit(flow: http.HTTPFlow) -> None:
        flow.request.method = "PUT"
        flow.request.url = "http://other.example/v2?y=1"
        flow.request.headers["x-added"] = "yes"
        del flow.request.headers["accept"]
        flow.request.text = "edited"

    recorder.actions["request"] = edit
    wire = FakeWire(whole(b"{}"))
    await published(wire, recorder).send(REQUEST, Patience())
    assert wire.requests == [
        UpstreamRequest(
            method="PUT",
            url="http://other.example/v2?y=1",
            headers=(("authorization", "Bearer ***01234567"), ("x-added", "yes")),
            body=b"edited",
            label=LABEL,
        )
    ]


async def test_what_the_hooks_leave_of_a_whole_reply_is_the_reply(recorder: Recorder) -> None:
    def edit(flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(418, "tea", {"x-added": "yes"})

    recorder.actions["response"] = edit
    response = await published(FakeWire(whole(b"{}")), recorder).send(REQUEST, Patience())
    assert (response.status, response.headers["X-Added"]) == (418, "yes")
    assert [await response.read(), await response.read()] == [b"tea", b""]


async def test_an_addon_may_answer_in_the_providers_place(recorder: Recorder) -> None:
    recorder.actions["request"] = lambda flow: setattr(
        flow, "response", http.Response.make(200, "local")
    )
    wire = FakeWire(whole(b"{}"))
    response = await published(wire, recorder).send(REQUEST, Patience())
    assert await read_whole(response) == b"local"
    assert recorder.hooks == ["requestheaders", "request", "responseheaders", "response"]
    assert wire.requests == []


async def test_a_reply_edited_into_a_compressed_one_is_given_decoded(recorder: Recorder) -> None:
    def compress(flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        flow.response.encode("gzip")

    recorder.actions["response"] = compress
    response = await published(FakeWire(whole(b"{}")), recorder).send(REQUEST, Patience())
    assert await read_whole(response) == b"{}"


@pytest.mark.parametrize("encoding", ["gzip", "br", "unheard-of"])
async def test_the_name_of_a_coding_that_the_client_undid_does_no_harm(
    recorder: Recorder, encoding: str
) -> None:
    """aiohttp decodes the body and leaves Content-Encoding in the headers."""
    wire = FakeWire(whole(b'{"a":1}', headers={"content-encoding": encoding}))
    response = await published(wire, recorder).send(REQUEST, Patience())
    assert await read_whole(response) == b'{"a":1}'
    assert reply_text(recorder.only()) == b'{"a":1}'


@pytest.mark.parametrize("content_type", [JSON, EVENT_STREAM])
async def test_header_bytes_that_are_not_utf8_do_no_harm(
    recorder: Recorder, content_type: str
) -> None:
    """aiohttp gives them as surrogates."""
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    upstream = FakeResponse(b"{}", content_type=content_type, headers={"x-name": name})
    response = await published(FakeWire(upstream), recorder).send(REQUEST, Patience())
    assert await response.read() == b"{}"
    flow = recorder.only()
    assert flow.response is not None
    assert (b"x-name", b"caf\xe9") in flow.response.headers.fields


def intercepting(recorder: Recorder, hook: str) -> None:
    recorder.actions[hook] = lambda flow: flow.intercept()


@pytest.mark.parametrize("hook", ["request", "response"])
async def test_a_held_flow_waits_and_then_goes_on_as_edited(recorder: Recorder, hook: str) -> None:
    intercepting(recorder, hook)
    wire = FakeWire(whole(b"{}"))
    call = asyncio.ensure_future(published(wire, recorder).send(REQUEST, Patience()))
    await recorder.until(hook)
    assert not call.done()
    assert len(wire.requests) == (0 if hook == "request" else 1)
    if hook == "request":
        recorder.only().request.text = "edited"
    else:
        set_text("edited")(recorder.only())
    recorder.only().resume()
    response = await asyncio.wait_for(call, DEADLINE)
    assert b"edited" in {wire.requests[0].body, await read_whole(response)}


@pytest.mark.parametrize("hook", ["request", "response"])
async def test_killing_a_held_flow_fails_the_call_for_good(recorder: Recorder, hook: str) -> None:
    intercepting(recorder, hook)
    wire = FakeWire(whole(b"{}"))
    call = asyncio.ensure_future(published(wire, recorder).send(REQUEST, Patience()))
    await recorder.until(hook)
    recorder.only().kill()
    with pytest.raises(UpstreamConnectionError) as caught:
        await asyncio.wait_for(call, DEADLINE)
    assert caught.value.retry is Retry.NEVER
    assert len(wire.requests) == (0 if hook == "request" else 1)
    assert error_text(recorder.only()) == mflow.Error.KILLED_MESSAGE
    assert recorder.hooks[-1] == "error"
    assert_over(recorder)


async def test_an_addon_may_kill_without_holding(recorder: Recorder) -> None:
    recorder.actions["request"] = lambda flow: flow.kill()
    wire = FakeWire(whole(b"{}"))
    with pytest.raises(UpstreamError, match="killed"):
        await published(wire, recorder).send(REQUEST, Patience())
    assert wire.requests == []


async def test_limits_stand_still_while_a_flow_is_held(recorder: Recorder) -> None:
    intercepting(recorder, "request")
    loop = asyncio.get_running_loop()
    patience = Patience()
    wire = FakeWire(whole(b"{}"))

    async def call() -> UpstreamResponse:
        async with patience.limit(0.01):
            return await published(wire, recorder).send(REQUEST, patience)

    running = asyncio.ensure_future(call())
    await recorder.until("request")
    loop.call_later(0.05, recorder.only().resume)
    assert await asyncio.wait_for(running, DEADLINE)


async def test_a_flow_that_nobody_stopped_is_not_held() -> None:
    await hold(tflow.tflow(), Patience())
