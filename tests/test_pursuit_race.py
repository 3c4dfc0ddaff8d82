"""Two targets asked beside each other: one answer is kept, whatever becomes of the other one."""

import asyncio
from typing import override

import pytest

from llm_gateway.config import Gateway, Limits, ThrottlePolicy, Windows
from llm_gateway.errors import RequestError, UpstreamConnectionError
from support.exchange import DONE, FIRST, GOOD, HELLO
from support.fakes import FakeResponse
from support.targets import Targets, status, whole
from support.virtual_time import run

HEDGE = {"a": {"hedge": 1.0}}
BROKEN = UpstreamConnectionError("It broke.")


def now() -> float:
    return asyncio.get_running_loop().time()


class Reluctant(FakeResponse):
    """Never answers, and takes its time to be broken off."""

    def __init__(self, seconds: float, then: Exception | None = None) -> None:
        super().__init__()
        self._seconds = seconds
        self._then = then

    @override
    async def read(self) -> bytes:
        try:
            return await asyncio.Event().wait() and b""
        finally:
            await asyncio.sleep(self._seconds)
            if self._then is not None:
                raise self._then


def test_of_two_answers_at_the_same_time_one_is_kept_and_the_other_closed() -> None:
    async def main() -> None:
        answers = {name: FakeResponse(FIRST, HELLO, GOOD) for name in "ab"}
        targets = Targets({"a": [2.0, answers["a"]], "b": [1.0, answers["b"]]}, settings=HEDGE)
        body = (await targets.ask(stream=True)).body
        assert not isinstance(body, bytes)
        assert targets.trace.target is not None
        [winner] = [name for name in answers if targets.trace.target == f"{name}/up"]
        assert {name: each.closed for name, each in answers.items()} == {
            name: name != winner for name in answers
        }
        await body.aclose()
        assert targets.are_at_rest

    run(main())


def test_what_is_told_of_an_answer_is_its_own_target_s() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [1.0, whole("a")], "b": [9.0, whole("b")]},
            settings={
                "a": {"hedge": 1.0, "omit": frozenset({"seed"}), "limits": Limits(Windows(day=7))},
                "b": {"omit": frozenset({"user"}), "limits": Limits(Windows(day=3))},
            },
        )
        assert await targets.text(seed=7, user="u") == "a"
        trace = targets.trace
        assert targets.calls == ["a", "b"], "both at the very moment in which one answered"
        assert (trace.target, trace.dropped) == ("a/up", ("seed",))
        assert trace.standing is not None
        assert trace.standing.requests is not None
        assert trace.standing.requests.limit == 7

    run(main())


def test_a_client_that_leaves_while_the_loser_is_broken_off_ends_the_winner_as_well() -> None:
    async def main() -> None:
        winner = FakeResponse(FIRST, HELLO, asyncio.Event())
        targets = Targets({"a": [Reluctant(5.0)], "b": [winner]}, settings=HEDGE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await targets.streamed()
        assert winner.closed
        assert targets.are_at_rest

    run(main())


@pytest.mark.parametrize(
    "failure", [RequestError(400, "No."), ZeroDivisionError("a bug"), BROKEN], ids=repr
)
def test_a_loser_that_fails_as_it_is_broken_off_does_not_take_the_answer_away(
    failure: Exception,
) -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [Reluctant(0.5, failure)], "b": [FakeResponse(GOOD)]}, settings=HEDGE
        )
        assert await targets.streamed() == GOOD
        assert targets.trace.target == "b/up"
        assert targets.are_at_rest

    run(main())


def test_what_is_no_provider_s_failure_ends_both_ways_at_once() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [3.0, ZeroDivisionError("a bug")], "b": [9.0, whole("b")]}, settings=HEDGE
        )
        with pytest.raises(ZeroDivisionError):
            await targets.text()
        assert (now(), targets.calls) == (3.0, ["a", "b"])
        assert targets.are_at_rest

    run(main())


def test_a_refusal_of_the_request_by_one_does_not_end_the_other() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [3.0, status(400)], "b": [9.0, whole("b")], "c": [whole("c")]}, settings=HEDGE
        )
        assert await targets.text() == "b"
        assert (now(), targets.calls) == (10.0, ["a", "b"])

    run(main())


@pytest.mark.parametrize(
    ("most", "throttle", "calls"),
    [
        (1, ThrottlePolicy(), ["a"]),
        (2, ThrottlePolicy(), ["a", "b"]),
        (2, ThrottlePolicy(max_concurrent=1), ["a", "b"]),
    ],
    ids=["one", "two", "one waits"],
)
def test_both_ways_together_call_no_more_often_than_they_may(
    most: int, throttle: ThrottlePolicy, calls: list[str]
) -> None:
    async def main() -> None:
        targets = Targets(
            {name: [2.0, BROKEN] for name in "abc"},
            settings=HEDGE,
            providers={name: {"throttle": throttle} for name in "bc"},
            gateway=Gateway(max_attempts=most),
        )
        for model in targets.config.models[1:]:
            gate = targets.gatekeeper.gate(model)
            await gate.provider.throttle.acquire()
            asyncio.get_running_loop().call_later(5, gate.provider.throttle.release)
        await targets.failure()
        assert targets.calls == calls

    run(main())


def test_a_second_way_that_finds_nobody_leaves_the_first_alone() -> None:
    async def main() -> None:
        spent = Limits(Windows(day=0))
        targets = Targets(
            {"a": [9.0, whole("a")], "b": [whole("b")]},
            settings={**HEDGE, "b": {"limits": spent}},
        )
        assert await targets.text() == "a"
        assert targets.trace.way == "a/up=ok, b/up=quota"

    run(main())


def test_the_last_content_of_a_winner_is_still_there_when_the_loser_was_broken_off() -> None:
    async def main() -> None:
        winner = FakeResponse(FIRST, HELLO + DONE)
        targets = Targets({"a": [Reluctant(2.0)], "b": [winner]}, settings=HEDGE)
        stream = await targets.streamed()
        assert stream.startswith(FIRST + HELLO)
        assert now() == 3.0

    run(main())
