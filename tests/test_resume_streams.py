"""Streams that break off and go on at another target, as the client and the targets see it."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config import BreakerPolicy, Capability, Http, ThrottlePolicy
from support.exchange import told_failure
from support.fakes import FakeResponse, Piece, chat_body, frame
from support.openai_shapes import last_chunk
from support.resuming import (
    BROKEN,
    PREFILL,
    RESUMING,
    breaking,
    ending,
    finishing,
    opening,
    said,
    sent,
    targets_of,
    unbroken,
)
from support.targets import Targets, status
from support.virtual_time import run


def test_a_text_that_breaks_off_goes_on_at_another_target() -> None:
    async def main() -> None:
        first, second = breaking("a", "Hello", " wor"), finishing("b", "ld", ".")
        targets = targets_of({"a": [first], "b": [second]})
        assert unbroken(await targets.streamed()) == "Hello world."
        assert targets.calls == ["a", "b"]
        assert (targets.trace.target, targets.trace.attempts) == ("b/up", 2)
        assert targets.trace.way == "a/up=ok, b/up=resumed"
        assert targets.trace.failure is None
        assert (first.closed, second.released) == (True, True)
        assert targets.are_at_rest

    run(main())


def test_what_was_said_is_the_assistant_s_last_message_in_what_is_asked_then() -> None:
    async def main() -> None:
        targets = targets_of({"a": [breaking("a", "Hello \n")], "b": [finishing("b", "world")]})
        await targets.streamed(temperature=0.5)
        first, second = sent(targets)
        assert first["messages"] == chat_body()["messages"]
        assert second == {
            **first,
            "messages": [*first["messages"], {"role": "assistant", "content": "Hello"}],
        }
        labels = [request.label for request in targets.wires.requests]
        assert [(each.attempt, each.resumes) for each in labels] == [(1, False), (2, True)]

    run(main())


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
    ],
    ids=str,
)
def test_what_is_no_plain_text_is_never_continued(fields: dict[str, Any]) -> None:
    async def main() -> None:
        targets = targets_of({"a": [breaking("a", "Hello")], "b": [finishing("b", "x")]})
        good, error = told_failure(await targets.streamed(**fields))
        assert (len(good), error["code"]) == (2, "upstream_connection_error")
        assert targets.calls == ["a"]

    run(main())


@pytest.mark.parametrize(
    "settings",
    [
        {"a": {"resume": False}},
        {"b": {"capabilities": frozenset({Capability.CHAT})}},
    ],
    ids=["not asked for", "nobody can"],
)
def test_it_is_continued_only_where_that_is_asked_for_and_can_be_done(
    settings: dict[str, Any],
) -> None:
    async def main() -> None:
        everywhere = {**RESUMING, "capabilities": frozenset({Capability.CHAT})}
        targets = Targets(
            {"a": [breaking("a", "Hello")], "b": [finishing("b", "x")]},
            everywhere=everywhere,
            settings={"b": {"capabilities": PREFILL}, **settings},
        )
        told_failure(await targets.streamed())
        assert targets.calls == ["a"]

    run(main())


def test_the_rule_of_the_target_that_broke_off_counts() -> None:
    async def main() -> None:
        targets = targets_of(
            {"a": [breaking("a", "Hello")], "b": [finishing("b", "!")]},
            settings={"b": {"resume": False}},
        )
        assert unbroken(await targets.streamed()) == "Hello!"

    run(main())


def test_before_any_text_the_stream_is_simply_made_anew() -> None:
    async def main() -> None:
        targets = targets_of({"a": [breaking("a")], "b": [finishing("b", "Hello")]})
        assert unbroken(await targets.streamed()) == "Hello"
        assert [request.label.resumes for request in targets.wires.requests] == [False, False]

    run(main())


def test_behind_its_end_a_stream_is_not_continued() -> None:
    async def main() -> None:
        over = FakeResponse(opening("a"), said("a", "Hello"), frame(last_chunk("a")), BROKEN)
        targets = targets_of({"a": [over], "b": [finishing("b", "x")]})
        told_failure(await targets.streamed())
        assert targets.calls == ["a"]

    run(main())


def test_the_target_that_failed_is_asked_last() -> None:
    async def main() -> None:
        targets = targets_of(
            {
                "a": [breaking("a", "one"), finishing("a", " three")],
                "b": [breaking("b", " two"), status(503)],
                "c": [status(401), status(401)],
            }
        )
        assert unbroken(await targets.streamed()) == "one two three"
        assert targets.calls == ["a", "b", "c", "a"]

    run(main())


def test_a_single_target_goes_on_with_its_own_text() -> None:
    async def main() -> None:
        script = [breaking("a", "one"), finishing("a", " two")]
        targets = targets_of(
            {"a": script}, providers={"a": {"throttle": ThrottlePolicy(max_concurrent=1)}}
        )
        assert unbroken(await targets.streamed()) == "one two"
        assert asyncio.get_running_loop().time() == 0, "nobody waits for a place of one's own"
        assert targets.are_at_rest

    run(main())


def test_a_stream_that_falls_silent_goes_on_elsewhere() -> None:
    async def main() -> None:
        silent = FakeResponse(opening("a"), said("a", "Hello"), asyncio.Event())
        targets = targets_of(
            {"a": [silent], "b": [finishing("b", " there")]}, {**RESUMING, "http": Http(idle=5.0)}
        )
        assert unbroken(await targets.streamed()) == "Hello there"
        assert asyncio.get_running_loop().time() == 5.0
        assert silent.closed

    run(main())


def test_each_call_counts_for_its_own_target() -> None:
    async def main() -> None:
        breaker = BreakerPolicy(failures=1, jitter=0.0)
        targets = targets_of(
            {"a": [breaking("a", "Hello")], "b": [finishing("b", "!")]},
            {**RESUMING, "breaker": breaker},
        )
        await targets.streamed()
        first, second = (targets.gatekeeper.gate(each) for each in targets.config.models)
        assert first.breaker.reason == "upstream_connection_error"
        assert (second.breaker.wait(), second.breaker.reason) == (0.0, "")

    run(main())


def chunked(data: bytes, cuts: list[int]) -> list[Piece]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(
    text=st.text(st.sampled_from("ab é😀\n"), min_size=2, max_size=30).filter(str.strip),
    broken_at=st.integers(0, 30),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
def test_wherever_a_stream_breaks_the_client_sees_one_whole_text(
    text: str, broken_at: int, cuts: list[int]
) -> None:
    async def main() -> None:
        split = broken_at % len(text)
        before, after = text[:split], text[len(text[:split].rstrip()) :]
        first = opening("a") + b"".join(said("a", char) for char in before)
        if not before.strip():
            # Nothing to go on from: either made anew, or told.
            return
        second = opening("b") + b"".join(said("b", char) for char in after)
        targets = targets_of(
            {
                "a": [FakeResponse(*chunked(first, cuts), BROKEN)],
                "b": [FakeResponse(*chunked(second + ending("b"), cuts))],
            }
        )
        assert unbroken(await targets.streamed()) == text
        assert sent(targets)[1]["messages"][-1]["content"] == before.rstrip()
        assert targets.are_at_rest

    run(main())
