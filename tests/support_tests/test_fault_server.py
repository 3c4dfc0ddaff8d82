"""The fault server does what the names of its models say, and remembers each call as it was."""

import asyncio
import json

import pytest

from support.fault_attempt import CANARY, PIECES
from support.fault_scripts import script_of
from support.fault_server import PATH, FaultServer
from support.marks import call_of, mark, pieces_in
from support.raw_http import Head, RawConnection, json_request
from support.rig import stream_text


def chat(model: str, *, provider: str = "one", stream: bool = False) -> bytes:
    content = {"model": model, "messages": [], "stream": stream}
    return json_request(f"/{provider}/{PATH}", content, host="faults.test")


async def ask(server: FaultServer, model: str, *, stream: bool = False) -> tuple[Head, bytes]:
    async with RawConnection(server.port) as client:
        return await client.exchange(chat(model, stream=stream))


async def read_on(server: FaultServer, model: str, *, stream: bool = True) -> bytes:
    """All bytes of an answer up to where the connection ends, or its reset."""
    received = b""
    async with RawConnection(server.port) as client:
        await client.send(chat(model, stream=stream))
        while piece := await client.read_some():
            received += piece
    return received


def text_of(body: bytes) -> str:
    return str(json.loads(body)["choices"][0]["message"]["content"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_good_answer_names_its_call_in_each_piece(stream: bool) -> None:
    async with FaultServer() as server:
        for number in (1, 2):
            head, body = await ask(server, "ok", stream=stream)
            text = stream_text(body) if stream else text_of(body)
            assert head.status == 200
            assert call_of(text) == number
            assert pieces_in(text) == PIECES


@pytest.mark.parametrize(
    "text",
    [
        "",
        mark(1, 1),
        mark(1, 0) + mark(1, 2),
        mark(1, 0) + mark(1, 0),
        mark(1, 0) + mark(2, 1),
        mark(1, 0) + "more",
    ],
    ids=["nothing", "no-beginning", "gap", "twice", "mixed", "other"],
)
def test_text_that_is_not_one_answers_pieces_in_order_is_found_out(text: str) -> None:
    with pytest.raises(AssertionError):
        call_of(text)


async def test_steps_follow_one_another_and_the_last_one_stays() -> None:
    async with FaultServer() as server:
        statuses = [(await ask(server, "status-500.limited-3.ok"))[0] for _ in range(4)]
        assert [head.status for head in statuses] == [500, 429, 200, 200]
        assert statuses[1].header("retry-after") == "3"


async def test_a_step_may_stand_for_several() -> None:
    async with FaultServer() as server:
        statuses = [(await ask(server, "status-500:2.ok"))[0].status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]


async def test_providers_and_models_have_turns_of_their_own() -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        for provider in ("one", "two"):
            for status in (500, 200):
                head, _ = await client.exchange(chat("status-500.ok", provider=provider))
                assert head.status == status
        assert [len(server.calls_of(provider)) for provider in ("one", "two")] == [2, 2]
        head, _ = await client.exchange(chat("status-500.html"))
        assert head.status == 500


async def test_calls_are_remembered_with_their_times_and_connections() -> None:
    clock = asyncio.get_running_loop().time
    async with FaultServer() as server:
        begun = clock()
        async with RawConnection(server.port) as client:
            await client.exchange(chat("ok", stream=True))
            await client.exchange(chat("ok", stream=True))
        await ask(server, "ok")
        first, second, third = server.calls
        await server.ended(third)
        assert [call.reused for call in server.calls] == [False, True, False]
        assert begun < first.began < second.began < third.began < clock()
        assert [call.ending for call in server.calls] == ["complete"] * 3
        times = [when for when, _ in first.sent]
        assert times == sorted(times)
        assert first.ended is not None
        assert first.began <= times[0] <= first.ended
        assert sum(count for _, count in third.sent) > len(text_of_call(third.number))
        assert first.left is None


def text_of_call(number: int) -> str:
    return "".join(mark(number, place) for place in range(PIECES))


@pytest.mark.parametrize("model", ["hang", "headers-then-silence", "comments-forever", "flood"])
async def test_a_client_that_leaves_is_seen_to_leave(model: str) -> None:
    async with FaultServer() as server:
        async with RawConnection(server.port) as client:
            await client.send(chat(model, stream=True))
            call = await server.call("one")
        assert await server.ended(call) == "left"
        assert call.left is not None
        assert call.began <= call.left


@pytest.mark.parametrize("model", ["held-ok", "held-after-1", "held-status-503"])
async def test_a_held_step_waits_for_the_test(model: str) -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        await client.send(chat(model, stream=True))
        call = await server.call("one")
        assert call.ending is None
        server.let_go("one")
        head = await client.read_head()
        body = await client.read_body(head)
        if head.status == 200:
            assert call_of(stream_text(body)) == call.number
        assert await server.ended(call) == "complete"


async def test_a_late_step_is_late() -> None:
    async with FaultServer() as server:
        head, _ = await ask(server, "late-30-status-503")
        [call] = server.calls
    assert head.status == 503
    assert call.sent[0][0] - call.began >= 0.03


CUT = ["short-body", "eof-after-headers", "content-then-close", "role-then-close"]
RESET = ["rst-before-headers", "rst-in-body", "content-then-rst", "headers-then-rst"]


@pytest.mark.parametrize("model", CUT)
async def test_a_body_is_cut_where_the_name_says_so(model: str) -> None:
    async with FaultServer() as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await ask(server, model, stream=True)
        assert server.calls[0].ending == "cut"


@pytest.mark.parametrize("model", RESET)
async def test_a_connection_is_reset_where_the_name_says_so(model: str) -> None:
    async with FaultServer() as server:
        with pytest.raises(ConnectionResetError):
            await read_on(server, model)
        assert server.calls[0].ending == "cut"


async def test_a_connection_is_closed_without_a_byte() -> None:
    async with FaultServer() as server:
        assert await read_on(server, "close-before-headers") == b""


async def test_only_a_reused_connection_is_reset() -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        head, _ = await client.exchange(chat("rst-if-reused"))
        assert head.status == 200
        with pytest.raises(ConnectionError):
            await client.exchange(chat("rst-if-reused"))


NOT_GOOD: dict[str, tuple[int, bytes]] = {
    "status-529": (529, CANARY.encode()),
    "spent": (429, b"insufficient_quota"),
    "limited": (429, b"rate_limit_exceeded"),
    "unknown-model": (404, b"internal-name-of-the-model"),
    "error-in-200-502": (200, b'"code": 502'),
    "html": (200, b"<!doctype html>"),
    "broken-json": (200, b'"choices": ['),
    "no-choices": (200, b'"choices": []'),
    "empty-body": (200, b""),
    "no-content": (204, b""),
    "redirect": (307, b""),
}


@pytest.mark.parametrize("model", NOT_GOOD)
async def test_what_is_no_good_answer(model: str) -> None:
    status, part = NOT_GOOD[model]
    async with FaultServer() as server:
        head, body = await ask(server, model)
    assert head.status == status
    assert part in body
    assert bool(body) == bool(part)


@pytest.mark.parametrize(
    ("model", "hint"), [("nan", "NaN"), ("minus", "-1"), ("huge", "1e400"), ("word", "soon")]
)
async def test_hints_that_mean_nothing(model: str, hint: str) -> None:
    async with FaultServer() as server:
        head, _ = await ask(server, f"limited-odd-{model}")
    assert (head.status, head.header("retry-after")) == (429, hint)


async def test_a_place_that_is_not_the_api_is_remembered_as_a_stray() -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        head, _ = await client.exchange(json_request("/elsewhere", {}, host="faults.test"))
        assert head.status == 404
        assert [stray.path for stray in server.strays] == ["/elsewhere"]
        assert not server.calls


ENDS = {
    "error-first-429": ['"code": 429'],
    "content-then-error-500": [
        *[f":{place}] " for place in range(PIECES)],
        '"code": 500',
        "[DONE]",
    ],
    "content-then-eof": [f":{place}] " for place in range(PIECES)],
    "no-done": [*[f":{place}] " for place in range(PIECES)], '"finish_reason": "stop"'],
    "two-dones": [
        *[f":{place}] " for place in range(PIECES)],
        '"finish_reason": "stop"',
        "[DONE]",
        *[f":{place}] " for place in range(PIECES, 2 * PIECES)],
        "[DONE]",
    ],
    "call-then-eof": ['"tool_calls"'],
}


@pytest.mark.parametrize("model", ENDS)
async def test_what_a_stream_holds(model: str) -> None:
    async with FaultServer() as server:
        _, body = await ask(server, model, stream=True)
    events = [each for each in body.decode().split("\n\n") if each]
    role = [] if model.startswith("error-first") else ['"role": "assistant"']
    wanted = [*role, *ENDS[model]]
    assert len(events) == len(wanted)
    for event, part in zip(events, wanted, strict=True):
        assert part in event


@pytest.mark.parametrize(("model", "end"), [("", "\n"), ("-cr", "\r"), ("-crlf", "\r\n")])
async def test_a_stream_in_single_bytes_is_the_same_stream(model: str, end: str) -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        await client.send(chat(f"bytewise{model}", stream=True))
        head = await client.read_head()
        chunks = [chunk async for chunk in client.body(head)]
    assert {len(chunk) for chunk in chunks} == {1}
    body = b"".join(chunks).decode().replace(end, "\n")
    assert call_of(stream_text(body.encode())) == 1


async def test_big_streams_are_as_big_as_they_say() -> None:
    async with FaultServer() as server:
        _, body = await ask(server, "burst-2500", stream=True)
        assert pieces_in(stream_text(body)) == 2500
        _, body = await ask(server, "big-event-1", stream=True)
        assert max(map(len, body.split(b"\n\n"))) > 1_000_000


async def test_an_unknown_step_fails_the_test_that_asks_for_it() -> None:
    for step in ("nonsense", "nonsense-1", "held-nonsense", "late-1-nonsense"):
        with pytest.raises(KeyError):
            script_of(step)
    with pytest.raises(ExceptionGroup) as failure:
        await nonsense()
    assert failure.group_contains(KeyError)


async def nonsense() -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        await client.send(chat("nonsense"))
        with pytest.raises(ConnectionError):
            await client.read_head()


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("informed", [b"HTTP/1.1 100 ", b"HTTP/1.1 103 ", b"HTTP/1.1 200 "]),
        ("trailers", [b"\r\n0\r\nx-checksum: 1\r\n"]),
        ("many-headers", [b"\r\nx-field-0: x", b"\r\nx-field-9999: x"]),
        ("huge-header", [b"\r\nx-huge: " + b"x" * 8_000_000]),
        ("headers-to-reflect", [b"set-cookie: ", rb'"id": "id\r\nx-evil: 1"']),
    ],
)
async def test_what_stands_around_an_answer(model: str, parts: list[bytes]) -> None:
    async with FaultServer() as server, RawConnection(server.port) as client:
        await client.send(chat(model))
        received = b""
        while not all(part in received for part in parts):
            received += await client.read_some()
