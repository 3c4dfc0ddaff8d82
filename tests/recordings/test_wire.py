"""A recording answers in a provider's place, at its pace or at once."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from llm_gateway import sse
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.patience import Patience
from llm_gateway.recordings.library import Library
from llm_gateway.recordings.tape import Tape
from llm_gateway.recordings.wire import Pace, PacedResponse, RecordingWire
from llm_gateway.wire import UpstreamRequest, read_whole
from support import virtual_time
from support.fakes import LABEL
from support.openai_shapes import error_body
from support.tapes import arrivals, chat, flow, record, stream, whole

URL = "http://recording.invalid/v1/chat/completions"
WORDS = ("One ", "two ", "three")
TIMES = (500, 1000, 1500, 3000, 3100, 3100)
"""When the events of a stream of three words came, in milliseconds: a role, an end and [DONE]."""
STREAM = stream(*WORDS)


def make_wire(path: Path, *flows: Any, pace: Pace = Pace.RECORDED) -> RecordingWire:
    library = Library(Tape(record(path / "tape.mitm", flows)))
    return RecordingWire(lambda: library, lambda: pace, bytes)


def request(body: Any) -> UpstreamRequest:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return UpstreamRequest("POST", URL, (), content, LABEL)


async def send(wire: RecordingWire, body: Any) -> PacedResponse:
    return await wire.send(request(body), Patience())


async def timed(wire: RecordingWire, body: Any) -> list[tuple[float, bytes]]:
    """The pieces of the answer, each with when it came."""
    clock = asyncio.get_running_loop().time
    began = clock()
    response = await send(wire, body)
    pieces = []
    while piece := await response.read():
        pieces.append((round(clock() - began, 3), piece))
    return pieces


def recorded_stream() -> Any:
    metadata = {"ai.arrivals": arrivals(STREAM, TIMES)}
    return flow(chat(stream=True), STREAM, metadata=metadata)


def test_a_stream_comes_at_the_pace_at_which_it_was_recorded(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, recorded_stream())
    pieces = virtual_time.run(timed(wire, chat(stream=True)))
    assert [time for time, _ in pieces] == [0.5, 1.0, 1.5, 3.0, 3.1, 3.1]
    assert b"".join(piece for _, piece in pieces) == STREAM


def test_at_once_nothing_is_waited_for(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, recorded_stream(), pace=Pace.NONE)
    pieces = virtual_time.run(timed(wire, chat(stream=True)))
    assert {time for time, _ in pieces} == {0.0}
    assert b"".join(piece for _, piece in pieces) == STREAM


def test_who_reads_slowly_is_given_what_is_due_and_does_not_fall_behind(tmp_path: Path) -> None:
    async def slow() -> list[float]:
        loop = virtual_time.current()
        response = await send(make_wire(tmp_path, recorded_stream()), chat(stream=True))
        times = []
        while await response.read():
            times.append(round(loop.time(), 3))
            if len(times) == 1:
                loop.hold_up(0.9)
        return times

    assert virtual_time.run(slow()) == [0.5, 1.4, 1.5, 3.0, 3.1, 3.1]


@pytest.mark.parametrize("status", [200, 503])
def test_a_whole_answer_comes_when_it_came(tmp_path: Path, status: int) -> None:
    body = whole("Hi") if status == 200 else orjson.dumps(error_body("No."))
    wire = make_wire(tmp_path, flow(chat(), body, status=status))
    assert virtual_time.run(timed(wire, chat())) == [(2.0, body)]


def test_a_stream_put_together_comes_when_its_end_came(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, recorded_stream())
    [(time, piece)] = virtual_time.run(timed(wire, chat()))
    assert time == 3.1
    assert orjson.loads(piece)["choices"][0]["message"]["content"] == "".join(WORDS)


async def test_a_recorded_error_comes_with_its_status_and_headers(tmp_path: Path) -> None:
    body = orjson.dumps(error_body("Slow down."))
    headers = {"Retry-After": "7", "x-should-retry": "true"}
    limited = flow(chat(), body, status=429, headers=headers)
    response = await send(make_wire(tmp_path, limited, pace=Pace.NONE), chat())
    assert response.status == 429
    assert response.headers["retry-after"] == "7"
    assert await read_whole(response) == body


async def test_the_pace_is_asked_for_at_each_request(tmp_path: Path) -> None:
    library = Library(Tape(record(tmp_path / "tape.mitm", [recorded_stream()])))
    paces = iter([Pace.NONE, Pace.RECORDED])
    wire = RecordingWire(lambda: library, lambda: next(paces), bytes)
    assert len((await send(wire, chat(stream=True)))._pieces) == 2
    assert len((await send(wire, chat(stream=True)))._pieces) == len(TIMES)


async def test_what_was_masked_is_found_by_who_masks_the_same(tmp_path: Path) -> None:
    library = Library(Tape(record(tmp_path / "t", [flow(chat("I am [masked:0a1b2c3d]"), b"{}")])))

    def hide(body: bytes) -> bytes:
        return body.replace(b"Ann", b"[masked:99999999]")

    masking = RecordingWire(lambda: library, lambda: Pace.NONE, hide)
    plain = RecordingWire(lambda: library, lambda: Pace.NONE, bytes)
    assert (await send(masking, chat("I am Ann"))).status == 200
    assert (await send(plain, chat("I am Ann"))).status == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (chat("Who is it?"), "The nearest is number 1 of 1"),
        (b"{broken", "no JSON object"),
    ],
)
async def test_what_was_not_recorded_is_a_404(tmp_path: Path, body: Any, said: str) -> None:
    response = await send(make_wire(tmp_path, flow(chat(), whole("Hi"))), body)
    assert response.status == 404
    error = orjson.loads(await read_whole(response))["error"]
    assert error["code"] == "recording_not_found"
    assert said in error["message"]


async def test_a_file_that_is_gone_is_a_404_that_says_so(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, flow(chat(), whole("Hi")))
    (tmp_path / "tape.mitm").unlink()
    response = await send(wire, chat())
    assert response.status == 404
    assert b"has changed since it was read" in await read_whole(response)


def test_closing_ends_a_read_that_waits(tmp_path: Path) -> None:
    async def cut() -> float:
        loop = virtual_time.current()
        response = await send(make_wire(tmp_path, recorded_stream()), chat(stream=True))
        loop.call_later(0.2, response.close)
        with pytest.raises(UpstreamConnectionError):
            await response.read()
        return loop.time()

    assert virtual_time.run(cut()) == pytest.approx(0.2)


async def test_after_its_release_there_is_no_more(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, recorded_stream(), pace=Pace.NONE)
    response = await send(wire, chat(stream=True))
    await response.release()
    assert await response.read() == b""
    await wire.close()


async def test_a_closed_answer_is_read_no_further(tmp_path: Path) -> None:
    response = await send(make_wire(tmp_path, flow(chat(), STREAM)), chat(stream=True))
    response.close()
    with pytest.raises(UpstreamConnectionError):
        await response.read()


def test_a_stream_without_times_comes_at_its_end(tmp_path: Path) -> None:
    wire = make_wire(tmp_path, flow(chat(), STREAM + b"", metadata={"ai.seconds": 4.0}))
    pieces = virtual_time.run(timed(wire, chat(stream=True)))
    assert pieces == [(4.0, STREAM)]
    assert pieces[0][1].endswith(sse.DONE)
