"""Streams that go wrong once content is with the client, and good ones that look strange.

A stream never just stops: it ends with its finish reason and [DONE], or with an error event and
[DONE]. What was sent is never sent again, and nothing of another call comes in between.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.fault_attempt import PIECES
from support.fault_scene import FaultScene, Target, chat_request, open_faults, provider_of
from support.fault_streams import MEGABYTE
from support.marks import call_of, mark, pieces_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE = 0.3
IDLE_KEYS = {"idle": f"{IDLE}s"}
WITHIN = 2.0
"""Seconds: the promise is one, the other is for a machine that does other things as well."""

BURST = 20_000

BROKEN_OFF = {
    "content-then-rst": "upstream_connection_error",
    "content-then-close": "upstream_connection_error",
    "content-then-eof": "upstream_stream_incomplete",
    "content-then-silence": "upstream_timeout",
    "endless-line": "upstream_invalid_response",
}
CALLS_BROKEN_OFF = {
    "call-then-rst": "upstream_connection_error",
    "call-then-eof": "upstream_stream_incomplete",
}
STRANGE = [
    "no-done",
    "two-dones",
    "bytewise",
    "bytewise-cr",
    "bytewise-crlf",
    "noise",
    "gzip",
    "json-always",
    "stream-always",
]
PHASES = {
    "before-the-head-whole": ("hang", False),
    "before-the-head": ("hang", True),
    "before-content": ("role-then-silence", True),
    "in-content": ("held-after-1", True),
}
"""Where a client leaves: what the provider does meanwhile, and whether a stream was asked for."""

ROUTES = {
    **{step: (Target(step, http=IDLE_KEYS), Target()) for step in BROKEN_OFF},
    **{step: (Target(step), Target()) for step in CALLS_BROKEN_OFF},
    **{step: (Target(step),) for step in STRANGE},
    **{
        f"leave-{phase}": (Target(f"{step}.ok", provider={"breaker": {"failures": 1}}),)
        for phase, (step, _) in PHASES.items()
    },
    "half-close": (Target("hang"),),
    "bad-utf8": (Target("bad-utf8"),),
    "big": (Target("big-event-5"),),
    "too-big": (Target("big-event-17", provider={"retry": {"attempts": 1}}), Target()),
    "burst": (Target(f"burst-{BURST}"),),
    "quiet": (Target(),),
    "flood": (Target("flood"),),
    "resumed": (
        Target("content-then-rst", model={"resume": "prefill"}),
        Target(model={"capabilities": ["chat", "prefill"]}),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultScene]:
    async with open_faults(tmp_path_factory.mktemp("gateway"), ROUTES) as scene:
        yield scene


@pytest.mark.parametrize("step", BROKEN_OFF)
async def test_a_stream_that_breaks_off_says_so_after_what_it_had(
    scene: FaultScene, step: str
) -> None:
    answer = await scene.ask(step, stream=True)
    told = answer.told
    [call] = scene.calls(step)
    assert call_of(told.text) == call.number
    assert pieces_in(told.text) == PIECES
    assert told.error is not None
    assert told.error["code"] == BROKEN_OFF[step]
    assert told.finish_reasons == []
    assert answer.attempts == 1
    assert not scene.calls(step, 1)
    assert await scene.server.ended(call) in {"cut", "left", "complete"}


@pytest.mark.parametrize("step", CALLS_BROKEN_OFF)
async def test_a_tool_call_that_breaks_off_is_not_begun_again(scene: FaultScene, step: str) -> None:
    answer = await scene.ask(step, stream=True)
    told = answer.told
    assert (told.text, told.finish_reasons) == ("", [])
    assert told.error is not None
    assert told.error["code"] == CALLS_BROKEN_OFF[step]
    assert answer.body.count(b"get_weather") == 1
    assert [len(scene.calls(step, place)) for place in (0, 1)] == [1, 0]


async def test_a_stream_that_falls_silent_is_ended_and_closed(scene: FaultScene) -> None:
    before = len(scene.calls("content-then-silence"))
    answer = await scene.ask("content-then-silence", stream=True)
    assert IDLE <= answer.seconds < IDLE + WITHIN
    call = await scene.call("content-then-silence", before + 1)
    assert await scene.server.ended(call, WITHIN) == "left"


@pytest.mark.parametrize("step", STRANGE)
async def test_a_strange_stream_is_the_same_stream(scene: FaultScene, step: str) -> None:
    answer = await scene.ask(step, stream=True)
    [call] = scene.calls(step)
    assert answer.call == call.number
    assert answer.attempts == 1


async def test_a_gzipped_answer_is_unpacked(scene: FaultScene) -> None:
    answer = await scene.ask("gzip")
    assert answer.call == scene.calls("gzip")[-1].number
    assert answer.head.header("content-encoding") is None


async def test_bytes_that_are_no_text_become_a_sign_for_it(scene: FaultScene) -> None:
    answer = await scene.ask("bad-utf8", stream=True)
    text = answer.text.rstrip("\N{REPLACEMENT CHARACTER}")
    assert len(text) < len(answer.text)
    assert call_of(text) == scene.calls("bad-utf8")[0].number


async def test_a_big_event_passes(scene: FaultScene) -> None:
    answer = await scene.ask("big", stream=True)
    [call] = scene.calls("big")
    assert answer.text == "x" * (5 * MEGABYTE) + "".join(
        mark(call.number, place) for place in range(PIECES)
    )


async def test_an_event_that_is_too_big_is_refused(scene: FaultScene) -> None:
    """It is the first that has content, so that another target can still be asked."""
    answer = await scene.ask("too-big", stream=True)
    [refused], [good] = scene.calls("too-big"), scene.calls("too-big", 1)
    assert answer.call == good.number
    assert await scene.server.ended(refused) in {"left", "complete"}


async def test_an_endless_line_is_given_up_and_costs_no_memory(scene: FaultScene) -> None:
    before = scene.gateway.rss()
    await scene.ask("endless-line", stream=True)
    call = scene.calls("endless-line")[-1]
    assert await scene.server.ended(call, WITHIN) == "left"
    assert sum(count for _, count in call.sent) < 64 * MEGABYTE
    assert scene.gateway.rss() - before < 100 * MEGABYTE


async def test_a_burst_of_small_events_comes_whole_and_keeps_nobody_waiting(
    scene: FaultScene,
) -> None:
    burst = asyncio.ensure_future(scene.ask("burst", stream=True))
    call = await scene.call("burst")
    waits = []
    while not burst.done():
        waits.append((await scene.ask("quiet")).seconds)
    text = (await burst).text
    assert pieces_in(text) == BURST
    assert call_of(text) == call.number
    assert max(waits) < WITHIN


@pytest.mark.parametrize("phase", PHASES)
async def test_a_client_that_leaves_takes_its_call_with_it(scene: FaultScene, phase: str) -> None:
    """And the target is none the worse for it: its breaker opens on a single failure."""
    route = f"leave-{phase}"
    async with scene.connect() as client:
        await client.send(chat_request(route, stream=PHASES[phase][1]))
        call = await scene.call(route)
        if phase == "in-content":
            events = client.events(await client.read_head())
            assert '"role"' in await anext(events)
            assert mark(call.number, 0) in await anext(events)
        assert call.left is None
        client.abort()
        assert await scene.server.ended(call, WITHIN) == "left"
    await scene.gateway.wait_output(f"{provider_of(route)}/{call.model} 499")
    answer = await scene.ask(route, stream=True)
    assert answer.call == scene.calls(route)[1].number


async def test_a_client_that_closes_its_side_has_left(scene: FaultScene) -> None:
    async with scene.connect() as client:
        await client.send(chat_request("half-close"))
        call = await scene.call("half-close")
        client.end()
        assert await scene.server.ended(call, WITHIN) == "left"


async def test_a_client_that_reads_nothing_holds_the_provider_up(scene: FaultScene) -> None:
    before = scene.gateway.rss()
    async with scene.connect(receive_buffer=64 * 1024) as client:
        await client.send(chat_request("flood", stream=True))
        call = await scene.call("flood")
        await client.read_head()
        sent = -1
        while sent != len(call.sent):
            sent = len(call.sent)
            # Nothing tells of a provider that is held up but that no more is sent.
            await asyncio.sleep(0.2)
        assert sum(count for _, count in call.sent) < 20 * MEGABYTE
        assert scene.gateway.rss() - before < 20 * MEGABYTE
        assert call.ending is None
        client.abort()
        assert await scene.server.ended(call, WITHIN) == "left"


async def test_a_text_that_breaks_off_goes_on_elsewhere_where_that_is_asked_for(
    scene: FaultScene,
) -> None:
    answer = await scene.ask("resumed", stream=True)
    [broken], [good] = scene.calls("resumed"), scene.calls("resumed", 1)
    begun, rest = (
        "".join(mark(call.number, place) for place in range(PIECES)) for call in (broken, good)
    )
    assert answer.text == begun + rest
    # The provider is told what was said, and goes on after it.
    *_, said = good.received.json["messages"]
    assert (said["role"], said["content"].rstrip()) == ("assistant", begun.rstrip())
