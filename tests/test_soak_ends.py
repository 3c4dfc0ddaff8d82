"""The soak's clients see what an answer is, down to the piece; its providers fail on command."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from soak import plan
from soak.answers import WrongAnswer, judge, parts_of, remaining
from soak.crowd import Asked, draw, plain
from soak.evidence import Kind, Outcome, UpstreamCall
from soak.faults import FAULTS, endless
from soak.load import Crowd
from soak.provider import Providers

from llm_gateway import config
from llm_gateway.adapters import KINDS
from support.fault_attempt import PIECES
from support.fault_scripts import script_of
from support.fault_server import PATH
from support.marks import mark
from support.openai_shapes import (
    completion,
    error_body,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    usage,
)
from support.raw_http import Head, RawConnection, json_request
from support.recording_server import Received, RecordingServer, Reply

EXCHANGE = "req_" + "0" * 32


def text(*pieces: tuple[int, int]) -> str:
    return "".join(mark(call, place) for call, place in pieces)


def stream(*events: Any, done: int = 1) -> bytes:
    frames = [*(json.dumps(event) for event in events), *["[DONE]"] * done]
    return "".join(f"data: {frame}\n\n" for frame in frames).encode()


BEGINNING = (first_chunk("m"), text_chunk("m", mark(7, 0)), text_chunk("m", mark(7, 1)))
GOOD = stream(*BEGINNING, last_chunk("m"))
BROKEN = error_body("It broke.", "server_error", code="upstream_timeout")
SSE = [("content-type", "text/event-stream"), ("x-request-id", EXCHANGE)]
JSON = [("content-type", "application/json"), ("x-request-id", EXCHANGE)]


def judgement(status: int, headers: list[tuple[str, str]], body: bytes) -> Outcome:
    return judge(Head(status, "", headers), body, at=2.0, first=0.5)


def whole(content: str) -> bytes:
    return json.dumps(completion("m", [message(content)], "stop", usage(1, 2))).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "code"),
    [
        (200, SSE, GOOD, Kind.COMPLETE, ""),
        (200, SSE, b": keepalive\n\n" + GOOD, Kind.COMPLETE, ""),
        (200, JSON, whole(text((7, 0), (7, 1))), Kind.COMPLETE, ""),
        (200, SSE, stream(*BEGINNING, BROKEN), Kind.BROKEN, "upstream_timeout"),
        (200, SSE, stream(BROKEN), Kind.BROKEN, "upstream_timeout"),
        (504, JSON, json.dumps(BROKEN).encode(), Kind.REFUSED, "upstream_timeout"),
    ],
)
def test_good_answers_and_clear_errors_are_told_apart(
    status: int, headers: list[tuple[str, str]], body: bytes, kind: Kind, code: str
) -> None:
    outcome = judgement(status, headers, body)
    assert (outcome.kind, outcome.status, outcome.code) == (kind, status, code)
    assert outcome.exchange == EXCHANGE
    assert outcome.parts in {(), ((7, 2),)}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, SSE, stream(*BEGINNING, last_chunk("m"), done=0)),
        (200, SSE, stream(*BEGINNING, last_chunk("m"), done=2)),
        (200, SSE, GOOD[:-1]),
        (200, SSE, stream(*BEGINNING)),
        (200, SSE, stream(*BEGINNING, last_chunk("m"), last_chunk("m"))),
        (200, SSE, stream(*BEGINNING, last_chunk("m"), BROKEN)),
        (200, SSE, stream(BROKEN, *BEGINNING)),
        (200, SSE, stream(*BEGINNING, {"error": {"message": "It broke."}})),
        (200, SSE, stream(first_chunk("m"), last_chunk("m"))),
        (200, SSE, stream(*BEGINNING, text_chunk("m", mark(8, 2)), last_chunk("m"))),
        (200, SSE, stream(*BEGINNING, text_chunk("m", mark(7, 3)), last_chunk("m"))),
        (200, JSON, b"{"),
        (200, JSON, whole("Hello")),
        (502, JSON, b'{"error": "bad"}'),
        (502, [("content-type", "text/html")], b"<html>"),
    ],
    ids=lambda value: None,
)
def test_whatever_is_neither_is_wrong(
    status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    with pytest.raises(WrongAnswer):
        judgement(status, headers, body)


@pytest.mark.parametrize(
    "pieces",
    [
        [(7, 1), (7, 2)],
        [(7, 0), (7, 2)],
        [(7, 0), (7, 1), (7, 1)],
        [(7, 0), (8, 1), (7, 2)],
        [(7, 0), (8, 0), (7, 1)],
    ],
    ids=["no-beginning", "gap", "twice", "mixed", "interleaved"],
)
def test_text_that_is_not_all_of_its_calls_pieces_is_wrong(pieces: list[tuple[int, int]]) -> None:
    with pytest.raises(WrongAnswer):
        list(parts_of(text(*pieces)))


def test_a_text_that_was_continued_has_several_parts() -> None:
    assert [*parts_of(text((7, 0), (7, 1), (9, 0)))] == [(7, 2), (9, 1)]
    assert [*parts_of("")] == []


def test_what_is_left_of_a_quota_is_read_from_its_header() -> None:
    assert remaining(Head(200, "", [("x-ratelimit-remaining-requests", "12")])) == 12
    assert remaining(Head(429, "", [])) == 0


@pytest.mark.parametrize("other", [False, True])
def test_the_gateway_takes_the_configurations_as_they_are(tmp_path: Path, other: bool) -> None:
    path = tmp_path / "provider_config.yaml"
    path.write_text(plan.configuration("http://127.0.0.1:1", other=other))
    path.chmod(0o600)
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    loaded = config.load(path, {}, kinds)
    assert loaded.warnings == ()
    assert {model.name for model in loaded.models} > {*plan.SHARED, plan.NARROW}
    assert {**loaded.providers}.keys() == {*plan.PLACES, plan.METERED}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_that_the_fault_server_knows(fault: str) -> None:
    script_of(fault)


def test_every_fault_comes_before_any_comes_again() -> None:
    drawn = [*itertools.islice(endless(random.Random(5)), 2 * len(FAULTS))]
    assert sorted(drawn[: len(FAULTS)]) == sorted(drawn[len(FAULTS) :]) == sorted(FAULTS)


def test_the_same_seed_draws_the_same_requests() -> None:
    drawn = [draw(5, number) for number in range(1, 200)]
    assert drawn == [draw(5, number) for number in range(1, 200)]
    assert drawn != [draw(6, number) for number in range(1, 200)]
    assert {asked.name for asked in drawn} == {*plan.SHARED, plan.NARROW}
    assert any(asked.leaves is not None for asked in drawn)


ANSWERS = {
    "good": (Kind.COMPLETE, GOOD),
    "cut": (Kind.WRONG, GOOD[:-20]),
    "mixed": (Kind.WRONG, GOOD.replace(mark(7, 1).encode(), mark(8, 1).encode())),
    "no-done": (Kind.WRONG, GOOD.removesuffix(b"data: [DONE]\n\n")),
}


async def answer(received: Received, reply: Reply) -> None:
    name = received.json["model"]
    if name == "silent":
        await reply.client_gone()
        await reply.close()
        return
    _, body = ANSWERS[name]
    await reply.head(200, [*SSE, ("content-length", str(len(GOOD)))])
    await reply.send(body)
    if len(body) < len(GOOD):
        await reply.close()


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_client_sees_what_an_answer_is(name: str) -> None:
    async with RecordingServer(answer) as server:
        crowd = Crowd(server.port)
        entry, _ = await crowd.ask(plain(name, 1))
        await crowd.rest()
    assert [outcome.kind for outcome in entry.outcomes] == [ANSWERS[name][0]]
    assert crowd.entries == [entry]


@pytest.mark.parametrize("resets", [False, True])
async def test_a_client_that_leaves_is_seen_to_have_left(resets: bool) -> None:
    async with RecordingServer(answer) as server:
        asked = Asked(1, "silent", False, 4, leaves=0.05, resets=resets)
        entry, _ = await Crowd(server.port).ask(asked)
        received = await server.request()
        await received.closed.wait()
    assert entry.outcome.kind is Kind.LEFT


async def ask_provider(server: Providers) -> tuple[int, str]:
    """The status and the text of an answer of the provider alpha."""
    content = {
        "model": "soak",
        "messages": [{"role": "user", "content": "request 1"}],
        "max_tokens": 5,
    }
    async with RawConnection(server.port) as client:
        request = json_request(f"/alpha/{PATH}", content, host="127.0.0.1")
        head, body = await client.exchange(request)
    answer = json.loads(body)
    said = answer["choices"][0]["message"]["content"] if "choices" in answer else ""
    return head.status, said


async def test_providers_change_while_they_run_and_can_be_out_of_reach() -> None:
    async with Providers() as server:
        assert [*parts_of((await ask_provider(server))[1])] == [(1, 5)]
        server.switch({"alpha": "ok"})
        assert [*parts_of((await ask_provider(server))[1])] == [(2, PIECES)]
        server.shut()
        with pytest.raises(ConnectionRefusedError):
            await ask_provider(server)
        await server.reopen()
        server.switch({"alpha": "status-503"})
        assert await ask_provider(server) == (503, "")
        assert server.busy("alpha") == 0
        with pytest.raises(KeyError):
            server.switch({"alpha": "no-such-step"})


async def test_what_providers_saw_can_be_written_down(tmp_path: Path) -> None:
    async with Providers() as server:
        await ask_provider(server)
        server.write(tmp_path / "calls")
    [line] = (tmp_path / "calls").read_text().splitlines()
    call = UpstreamCall(**json.loads(line))
    assert (call.number, call.provider, call.request, call.step) == (1, "alpha", 1, "well")
    assert call.ending == "complete"
