"""Faults on demand: whom they hit, how often, and what each looks like from above."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

import pytest

from llm_gateway.adapters import KINDS
from llm_gateway.errors import (
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_gateway.injection import CUT_AFTER, EVERY, Fault, Faults, FaultyWire, error_body, parse
from llm_gateway.patience import Patience
from llm_gateway.wire import EVENT_STREAM, JSON, Label, UpstreamRequest, read_whole
from support import virtual_time
from support.calls import make_call
from support.fakes import LABEL, FakeResponse, FakeWire

TARGET = "p/up-model"
REQUEST = UpstreamRequest("POST", "https://p.invalid/v1/chat/completions", (), b"{}", LABEL)


def label(provider: str = "p", model: str = "up-model") -> Label:
    return replace(LABEL, provider=provider, model=model)


def pending(**faults: tuple[str, int]) -> Faults:
    """By target; ``any`` is the one that stands for all."""
    made = Faults()
    for target, (kind, times) in faults.items():
        made.inject(EVERY if target == "any" else target, parse(kind), times)
    return made


def injected(kind: str, times: int = 1) -> Faults:
    faults = Faults()
    faults.inject(TARGET, parse(kind), times)
    return faults


async def sent(
    faults: Faults, *answers: FakeResponse, request: UpstreamRequest = REQUEST
) -> tuple[Any, FakeWire]:
    wire = FakeWire(*answers)
    return await FaultyWire(wire, faults).send(request, Patience()), wire


def in_time[T](main: Coroutine[Any, Any, T]) -> T:
    return virtual_time.run(main)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("429", Fault("429", 429, 1.0)),
        ("429:0.25", Fault("429:0.25", 429, 0.25)),
        ("429:0", Fault("429:0", 429, 0.0)),
        ("503", Fault("503", 503)),
        ("503:20", Fault("503:20", 503, 20.0)),
        ("418", Fault("418", 418)),
        ("599", Fault("599", 599)),
        ("stall", Fault("stall")),
        ("cut", Fault("cut")),
        ("refuse", Fault("refuse")),
    ],
)
def test_a_fault_is_called_by_its_kind(kind: str, fault: Fault) -> None:
    assert parse(kind) == fault


@pytest.mark.parametrize(
    "kind", ["", "nope", "200", "399", "600", "4290", "429:", "429:x", "429:1e3", "Stall", "٤٢٩"]
)
def test_an_unknown_kind_is_answered_with_all_there_are(kind: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)no fault.*400 … 599.*stall.*cut.*refuse"):
        parse(kind)


def test_faults_hit_their_target_alone_and_as_often_as_asked() -> None:
    faults = pending(**{TARGET: ("500", 2)})
    assert faults.take(label(model="other")) is None
    assert faults.take(label(provider="other")) is None
    assert [faults.take(label()) for _ in range(3)] == [parse("500"), parse("500"), None]


def test_the_narrowest_target_counts() -> None:
    faults = pending(any=("500", 1), p=("501", 1), **{TARGET: ("502", 1)})
    taken = [faults.take(label()) for _ in range(4)]
    assert [fault and fault.status for fault in taken] == [502, 501, 500, None]


def test_a_list_of_models_is_no_attempt() -> None:
    faults = pending(any=("500", 1))
    assert faults.take(label(model="*")) is None
    assert faults.take(label()) is not None


def test_a_new_fault_takes_the_place_of_the_old_one() -> None:
    faults = pending(p=("500", 3))
    faults.inject("p", parse("stall"), 1)
    assert faults.pending == ["the next attempt meets stall at p"]


def test_what_is_pending_is_told_by_target() -> None:
    assert pending(p=("500", 3), any=("429:2", 1)).pending == [
        "the next 3 attempts meet 500 at p",
        "the next attempt meets 429:2 at any target",
    ]


@pytest.mark.parametrize(
    ("target", "left"), [("p", ["q"]), ("q", ["p"]), ("other", ["p", "q"]), (EVERY, [])]
)
def test_faults_can_be_cleared(target: str, left: list[str]) -> None:
    faults = pending(p=("500", 1), q=("500", 1))
    assert faults.clear(target) == 2 - len(left)
    assert faults.pending == [f"the next attempt meets 500 at {each}" for each in left]


def test_the_log_says_when_faults_begin_and_when_they_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    faults = pending(p=("500", 2))
    faults.take(label())
    faults.take(label())
    faults.inject("p", parse("cut"), 1)
    faults.clear()
    faults.clear()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Faults are injected: the next 2 attempts meet 500 at p."),
        ("WARNING", "The faults for p are used up."),
        ("WARNING", "Faults are injected: the next attempt meets cut at p."),
        ("WARNING", "Faults are no longer injected: p."),
    ]


async def test_a_request_without_a_fault_goes_to_the_wire_itself() -> None:
    response = FakeResponse()
    answer, wire = await sent(pending(other=("500", 1)), response)
    assert answer is response
    assert wire.requests == [REQUEST]


async def test_who_asks_to_is_told_of_the_fault() -> None:
    told: list[str] = []
    request = replace(REQUEST, on_fault=told.append)
    faults = injected("429:3")
    await sent(faults, request=request)
    await sent(faults, FakeResponse(), request=request)
    assert told == ["429:3"]


STATUSES: list[tuple[int, type[UpstreamError], int]] = [
    (400, UpstreamRejected, 400),
    (401, UpstreamAuthError, 502),
    (404, UpstreamRejected, 404),
    (429, UpstreamRateLimited, 429),
    (500, UpstreamUnavailable, 500),
    (503, UpstreamUnavailable, 503),
    (529, UpstreamUnavailable, 503),  # none of HTTP's own
]
FORMATS = ("openai", "anthropic", "cloudflare", "cloudflare-openai", "gemini", "gigachat", "echo")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("status", "error", "told"), STATUSES)
async def test_each_adapter_reads_an_injected_status_as_its_provider_s(
    kind: str, status: int, error: type[UpstreamError], told: int
) -> None:
    request = replace(REQUEST, label=replace(LABEL, kind=kind))
    answer, wire = await sent(injected(f"{status}:2.5"), request=request)
    assert not wire.requests
    assert answer.status == status
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    adapter = KINDS[kind].chat(make_call(asked))
    failure = adapter.failure(answer.status, answer.headers, await read_whole(answer))
    assert type(failure) is error
    assert failure.status == told
    if status in (429, 503):
        assert failure.retry_after == 2.5
    if error is not UpstreamAuthError:
        assert failure.message == f"Injected fault {status}."


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (
            "anthropic",
            529,
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Injected fault 529."},
            },
        ),
        (
            "gemini",
            503,
            {
                "error": {
                    "code": 503,
                    "message": "Injected fault 503.",
                    "status": "UNAVAILABLE",
                }
            },
        ),
        ("gigachat", 429, {"status": 429, "message": "Injected fault 429."}),
        (
            "groq",
            422,
            {
                "error": {
                    "message": "Injected fault 422.",
                    "type": "injected_fault",
                    "param": None,
                    "code": None,
                }
            },
        ),
    ],
)
def test_an_error_has_the_shape_of_its_provider_s(
    kind: str, status: int, body: dict[str, Any]
) -> None:
    assert json.loads(error_body(kind, status)) == body


async def test_a_refused_connection_was_never_sent() -> None:
    with pytest.raises(UpstreamConnectionError) as caught:
        await sent(injected("refuse"))
    assert not caught.value.sent


def test_a_stall_lasts_until_the_time_limit() -> None:
    async def stalled() -> float:
        patience = Patience()
        with pytest.raises(UpstreamTimeout):
            async with patience.limit(20, lambda: UpstreamTimeout("late")):
                await FaultyWire(FakeWire(), injected("stall")).send(REQUEST, patience)
        return virtual_time.current().time()

    assert in_time(stalled()) == 20


def test_a_stall_ends_when_the_client_leaves() -> None:
    async def left() -> bool:
        call = asyncio.ensure_future(sent(injected("stall")))
        await asyncio.sleep(3)
        call.cancel()
        await asyncio.wait([call])
        return call.cancelled()

    assert in_time(left())


def events(number: int, end: bytes = b"\n\n") -> list[bytes]:
    return [b'data: {"n": %d}' % each + end for each in range(number)]


async def read_until_it_breaks(response: Any) -> bytes:
    read: list[bytes] = []

    async def read_on() -> None:
        while data := await response.read():
            read.append(data)

    with pytest.raises(UpstreamConnectionError, match="broke before the answer was complete"):
        await read_on()
    return b"".join(read)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("pieces", ["events", "bytes", "whole"])
async def test_a_stream_is_cut_after_some_events(end: bytes, pieces: str) -> None:
    stream = b"".join(events(9, end))
    cuts: dict[str, Iterable[bytes]] = {
        "events": events(9, end),
        "bytes": [stream[at : at + 1] for at in range(len(stream))],
        "whole": [stream],
    }
    response = FakeResponse(*cuts[pieces])
    answer, _ = await sent(injected("cut"), response)
    assert (answer.status, answer.headers["content-type"]) == (200, EVENT_STREAM)
    assert await read_until_it_breaks(answer) == b"".join(events(CUT_AFTER, end))
    assert response.closed


@pytest.mark.parametrize("done", [b"", b"data: [DONE]\n\n"])
async def test_a_short_stream_is_cut_before_its_last_event(done: bytes) -> None:
    answer, _ = await sent(injected("cut"), FakeResponse(*events(3), done))
    assert await read_until_it_breaks(answer) == b"".join(events(2))


async def test_a_whole_answer_is_cut_in_the_middle() -> None:
    response = FakeResponse(b'{"answer": 42}', content_type=JSON)
    answer, wire = await sent(injected("cut"), response)
    assert await read_until_it_breaks(answer) == b'{"answe'
    assert response.closed
    assert wire.requests == [REQUEST]


async def test_a_cut_answer_of_nothing_breaks_at_once() -> None:
    answer, _ = await sent(injected("cut"), FakeResponse(content_type=JSON))
    assert await read_until_it_breaks(answer) == b""


@pytest.mark.parametrize("content_type", [EVENT_STREAM, JSON])
async def test_a_cut_answer_can_be_left_and_given_back(content_type: str) -> None:
    first, second = (FakeResponse(b"abc", content_type=content_type) for _ in range(2))
    faults = injected("cut", 2)
    answer, _ = await sent(faults, first)
    answer.close()
    assert first.closed
    answer, _ = await sent(faults, second)
    await answer.release()
    assert second.released


async def test_an_injected_answer_that_is_given_back_has_no_more_to_read() -> None:
    answer, _ = await sent(injected("500"))
    await answer.release()
    assert await answer.read() == b""


async def test_closing_closes_the_wire_below() -> None:
    wire = FakeWire()
    await Faults().wrap(wire).close()
    assert wire.closed
