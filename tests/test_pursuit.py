"""From target to target: what is tried again, what elsewhere, and what ends it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from llm_gateway.config import (
    BreakerPolicy,
    FallbackOn,
    Gateway,
    Http,
    Limits,
    RetryPolicy,
    Windows,
)
from llm_gateway.errors import RequestError, Retry, UpstreamConnectionError, UpstreamError
from llm_gateway.limits.gate import Refused
from llm_gateway.manner import Manner
from support.exchange import DONE, FIRST, GOOD, HELLO, LAST
from support.fakes import FakeResponse, frame
from support.openai_shapes import error_body
from support.targets import Answer, Targets, status, whole
from support.virtual_time import run

THREE = RetryPolicy()
BROKEN = UpstreamConnectionError("It broke.")
UNREACHABLE = UpstreamConnectionError("Nobody there.").unsent()


def now() -> float:
    return asyncio.get_running_loop().time()


def answers(first: list[Answer], times: int = 20) -> list[Answer]:
    """The same answers again and again."""
    return first * times


def many(number: int, times: int = 20, **headers: str) -> list[Answer]:
    """Errors of this status, one for each call."""
    return [status(number, **headers) for _ in range(times)]


def test_a_passing_failure_is_tried_again_at_the_same_target() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(500), BROKEN, whole("a")], "b": [whole("b")]}, everywhere={"retry": THREE}
        )
        assert await targets.text() == "a"
        assert targets.calls == ["a", "a", "a"]
        assert (targets.trace.attempts, targets.trace.target) == (3, "a/up")
        assert targets.trace.way == (
            "a/up=upstream_unavailable, a/up=upstream_connection_error, a/up=ok"
        )

    run(main())


def test_the_waits_between_tries_are_drawn_from_steps_that_double() -> None:
    async def main() -> None:
        gaps: list[tuple[float, float]] = []
        for _ in range(50):
            targets = Targets({"a": many(500)}, everywhere={"retry": THREE})
            targets.dispatcher._chance.seed(len(gaps))
            await targets.failure()
            first, second, third = (at for at, _ in targets.wires.calls)
            gaps.append((second - first, third - second))
        assert 0 <= min(gap for gap, _ in gaps) < 0.1
        assert 0.4 < max(gap for gap, _ in gaps) <= 0.5
        assert 0 <= min(gap for _, gap in gaps) < 0.2
        assert 0.8 < max(gap for _, gap in gaps) <= 1.0

    run(main())


@pytest.mark.parametrize(
    ("failing", "calls"),
    [
        (many(503), ["a", "a", "a", "b"]),
        ([BROKEN], ["a", "a", "a", "b"]),
        (many(401), ["a", "b"]),
        (many(402), ["a", "b"]),
        (many(404), ["a", "b"]),
        (many(413), ["a", "b"]),
        (many(429, retry_after="3600"), ["a", "b"]),
        ([UpstreamError("Not here.", retry=Retry.ELSEWHERE)], ["a", "b"]),
    ],
    ids=["503", "broken", "401", "402", "404", "413", "long wait", "elsewhere"],
)
def test_what_one_target_cannot_mend_another_one_may(
    failing: list[Answer], calls: list[str]
) -> None:
    async def main() -> None:
        targets = Targets({"a": failing, "b": [whole("b")]}, everywhere={"retry": THREE})
        assert await targets.text() == "b"
        assert targets.calls == calls

    run(main())


def test_a_provider_that_cannot_be_reached_is_tried_again_only_if_no_other_is_free() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [UNREACHABLE], "b": [UNREACHABLE, whole("b")]}, everywhere={"retry": THREE}
        )
        assert await targets.text() == "b"
        assert targets.calls == ["a", "b", "b"]

    run(main())


@pytest.mark.parametrize("number", [400, 422])
def test_what_no_target_can_mend_is_asked_of_none_but_the_first(number: int) -> None:
    async def main() -> None:
        targets = Targets({"a": many(number), "b": [whole("b")]}, everywhere={"retry": THREE})
        assert (await targets.failure()).status == number
        assert targets.calls == ["a"]

    run(main())


def test_a_request_that_a_target_cannot_be_told_is_no_call_that_broke_off() -> None:
    async def main() -> None:
        unfit = RequestError(400, "Not to this one.", code="invalid_value", param="tools")
        targets = Targets({"a": [unfit]}, everywhere={"retry": THREE})
        assert (await targets.failure()).message == "Not to this one."
        [step] = targets.trace.steps
        assert (step.outcome, step.reason) == ("invalid_value", "Not to this one.")

    run(main())


def test_the_last_failure_is_told_with_all_that_was_tried() -> None:
    async def main() -> None:
        targets = Targets({"a": many(401), "b": many(503)}, everywhere={"retry": THREE})
        error = await targets.failure()
        assert (error.status, error.code) == (503, "upstream_unavailable")
        assert error.message.endswith(
            "Tried: a/up=upstream_auth_error, b/up=upstream_unavailable x3."
        )

    run(main())


def test_an_exchange_calls_providers_no_more_often_than_it_may() -> None:
    async def main() -> None:
        targets = Targets(
            {name: many(503) for name in "abc"},
            everywhere={"retry": THREE},
            gateway=Gateway(max_attempts=4),
        )
        await targets.failure()
        assert targets.calls == ["a", "a", "b", "c"]

    run(main())


def test_every_target_is_asked_before_one_is_asked_too_often() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": many(500), "b": many(429), "c": many(500), "d": [whole("d")]},
            everywhere={"retry": THREE},
        )
        assert await targets.text() == "d"
        assert targets.calls == ["a", "a", "a", "b", "c", "d"]

    run(main())


def test_a_rate_limit_is_not_waited_for_where_another_target_is_free() -> None:
    async def main() -> None:
        targets = Targets({"a": many(429), "b": [whole("b")]}, everywhere={"retry": THREE})
        assert await targets.text() == "b"
        assert (targets.calls, now()) == (["a", "b"], 0)

    run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_a_target_that_hangs_is_left_for_another_one(stream: bool) -> None:
    async def main() -> None:
        answer = FakeResponse(GOOD) if stream else whole("b")
        targets = Targets(
            {"a": [1e6, BROKEN], "b": [answer]},
            everywhere={"retry": THREE, "http": Http(first_event=60.0, answer=300.0)},
        )
        await targets.ask(stream=stream)
        assert (targets.calls, now()) == (["a", "b"], 60.0 if stream else 300.0)

    run(main())


def test_of_a_short_deadline_half_is_for_the_other_target_of_a_stream() -> None:
    async def main() -> None:
        targets = Targets({"a": [1e6, BROKEN], "b": [FakeResponse(GOOD)]})
        await targets.ask(stream=True, manner=Manner(patience=40.0))
        assert (targets.calls, now()) == (["a", "b"], 19.0)

    run(main())


def test_a_target_that_hangs_until_the_deadline_is_to_blame_if_it_had_a_fair_time() -> None:
    async def main() -> None:
        for seconds, is_open in ((5.0, False), (20.0, True)):
            targets = Targets({"a": [1e6] * 9}, everywhere={"http": Http(answer=1e5)})
            for _ in range(5):
                assert (await targets.failure(manner=Manner(patience=seconds))).status == 504
            gate = targets.gatekeeper.gate(targets.config.models[0])
            assert gate.is_shut is is_open

    run(main())


def test_a_fallback_without_quota_is_no_reason_to_give_a_target_up() -> None:
    async def main() -> None:
        limits = {"limits": Limits(Windows(day=1))}
        targets = Targets(
            {"b": [whole("b")], "a": [status(429, retry_after="5"), whole("a")]},
            settings={"b": {**limits, "priority": 9}},
            everywhere={"retry": THREE},
        )
        gate = targets.gatekeeper.gate(targets.config.models[0])
        (await gate.admit(0)).succeed(None)
        with pytest.raises(Refused):
            await gate.admit(0)
        assert await targets.text() == "a"
        assert targets.calls == ["a", "a"]

    run(main())


def test_a_client_that_tries_again_by_itself_gets_one_attempt_at_each_target() -> None:
    async def main() -> None:
        targets = Targets({"a": many(503), "b": many(503)}, everywhere={"retry": THREE})
        await targets.failure(manner=Manner(retries=True))
        assert targets.calls == ["a", "b"]

    run(main())


def test_a_short_hint_is_waited_for_where_there_is_no_other_target() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429, retry_after="7"), whole("a")]}, everywhere={"retry": THREE}
        )
        assert await targets.text() == "a"
        (first, _), (second, _) = targets.wires.calls
        assert 7.0 <= second - first <= 7.7

    run(main())


def test_those_who_met_a_limit_one_after_the_other_wait_for_its_end_together() -> None:
    async def main() -> None:
        pauses: list[Answer] = [number / 10 for number in range(1, 10)]
        limits: list[Answer] = [status(429, retry_after="2") for _ in pauses]
        targets = Targets(
            {"a": [*pauses, *limits, *(whole("a") for _ in pauses)]}, everywhere={"retry": THREE}
        )
        assert await asyncio.gather(*(targets.text() for _ in pauses)) == ["a"] * 9
        assert all(at >= 2.9 for at, _ in targets.wires.calls[9:])

    run(main())


def test_a_hint_is_a_reason_to_go_elsewhere() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429, retry_after="7"), whole("a")], "b": [whole("b")]},
            everywhere={"retry": THREE},
        )
        assert await targets.text() == "b"
        assert now() == 0

    run(main())


def test_a_hint_is_waited_for_where_the_other_target_may_not_be_asked_either() -> None:
    async def main() -> None:
        targets = Targets(
            {
                "b": many(429, retry_after="60"),
                "a": [status(429, retry_after="7"), whole("a")],
            },
            everywhere={"retry": THREE},
        )
        assert await targets.text() == "a"
        assert targets.calls == ["b", "a", "a"]

    run(main())


def test_a_parked_target_is_passed_over_until_its_time_has_come() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429, retry_after="60"), whole("a")], "b": [whole("b") for _ in range(9)]},
            everywhere={"retry": THREE},
        )
        for second, expected in ((0, "b"), (59.9, "b"), (60, "a")):
            await asyncio.sleep(second - now())
            assert await targets.text() == expected
        assert targets.calls == ["a", "b", "b", "a"]

    run(main())


def test_when_every_target_rests_the_client_learns_when_to_come_again() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": many(429, retry_after="60"), "b": many(429, retry_after="90")},
            everywhere={"retry": RetryPolicy(attempts=1)},
        )
        await targets.failure()
        await asyncio.sleep(10)
        error = await targets.failure()
        assert (error.status, error.code) == (429, "rate_limit_exceeded")
        assert dict(error.headers)["retry-after"] == "50"
        assert targets.calls == ["a", "b"]
        await asyncio.sleep(50)
        await targets.failure()
        assert targets.calls == ["a", "b", "a"]

    run(main())


def test_the_soonest_of_the_times_named_is_told() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": many(429, retry_after="60"), "b": many(429, retry_after="900")},
            everywhere={"retry": THREE},
        )
        error = await targets.failure()
        assert dict(error.headers)["retry-after"] == "60"

    run(main())


def test_a_rate_limit_without_a_time_rests_for_a_second_and_then_for_longer() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429), status(429), whole("a")]}, everywhere={"retry": THREE}
        )
        assert await targets.text() == "a"
        times = [at for at, _ in targets.wires.calls]
        assert 1.0 <= times[1] - times[0] <= 1.1
        assert 2.0 <= times[2] - times[1] <= 2.2

    run(main())


def test_a_limit_of_which_nothing_remains_by_its_headers_rests() -> None:
    async def main() -> None:
        last = whole("a")
        last.headers = {
            **last.headers,
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "30s",
        }
        targets = Targets({"a": [last], "b": [whole("b")]})
        assert [await targets.text(), await targets.text()] == ["a", "b"]

    run(main())


def test_no_try_is_begun_that_has_no_time_left() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [1.5, *many(500)]},
            everywhere={"retry": THREE},
            gateway=Gateway(deadline=2.0),
        )
        error = await targets.failure()
        assert (error.status, error.code) == (504, "upstream_timeout")
        assert "deadline of 2 s" in error.message
        assert "status 500" in error.message
        assert (targets.calls, now()) == (["a"], 1.5)

    run(main())


def test_a_client_s_own_time_limit_is_the_deadline_a_little_shortened() -> None:
    async def main() -> None:
        targets = Targets({"a": [100.0, whole("a")]})
        error = await targets.failure(manner=Manner(patience=20.0))
        assert (error.status, now()) == (504, 19.0)

    run(main())


@pytest.mark.parametrize(
    ("kinds", "calls"),
    [(frozenset(FallbackOn) - {FallbackOn.CONTEXT}, ["a"]), (frozenset(FallbackOn), ["a", "c"])],
)
def test_a_request_that_is_too_long_goes_to_a_larger_target_if_that_is_asked_for(
    kinds: frozenset[FallbackOn], calls: list[str]
) -> None:
    async def main() -> None:
        body = error_body("Too long.", code="context_length_exceeded")
        targets = Targets(
            {
                "a": [FakeResponse(frame(body)[6:], status=400, content_type="application/json")],
                "b": [whole("b")],
                "c": [whole("c")],
            },
            everywhere={"retry": RetryPolicy(fallback_on=kinds)},
            settings={"a": {"max_request_bytes": 200}, "b": {"max_request_bytes": 100}},
        )
        if len(calls) == 1:
            assert (await targets.failure(size=50)).code == "context_length_exceeded"
        else:
            assert await targets.text(size=50) == "c"
        assert targets.calls == calls

    run(main())


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_refused_content_goes_elsewhere_only_if_that_is_asked_for(
    asked: bool, stream: bool
) -> None:
    async def main() -> None:
        body = error_body("No.", code="content_policy_violation")
        kinds = frozenset(FallbackOn) if asked else RetryPolicy().fallback_on
        refused = FakeResponse(frame(body)[6:], status=400, content_type="application/json")
        targets = Targets(
            {"a": [refused], "b": [FakeResponse(GOOD) if stream else whole("b")]},
            everywhere={"retry": RetryPolicy(fallback_on=kinds)},
        )
        if asked:
            await targets.ask(stream=stream)
        else:
            assert (await targets.failure(stream=stream)).code == "content_policy_violation"
        assert targets.calls == (["a", "b"] if asked else ["a"])

    run(main())


def test_who_wants_no_fallback_gets_none() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": many(503), "b": [whole("b")]},
            everywhere={"retry": RetryPolicy(fallback_on=frozenset())},
        )
        assert (await targets.failure()).status == 503
        assert (await targets.failure(stream=True)).status == 503
        assert set(targets.calls) == {"a"}

    run(main())


def test_a_request_longer_than_a_target_takes_is_never_sent_there() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [whole("a")], "b": [whole("b")]},
            settings={"a": {"max_request_bytes": 100}, "b": {"max_request_bytes": 1000}},
        )
        assert await targets.text(size=101) == "b"
        assert targets.trace.way == "a/up=too_long, b/up=ok"
        error = await targets.failure(size=1001)
        assert (error.status, error.code) == (400, "context_length_exceeded")
        assert "takes more than 1000" in error.message

    run(main())


def test_a_quota_that_is_spent_is_the_next_target_s_turn() -> None:
    async def main() -> None:
        one = {"limits": Limits(Windows(minute=1))}
        targets = Targets(
            {"a": [whole("a"), whole("a")], "b": [whole("b")]}, settings={"a": one, "b": one}
        )
        assert [await targets.text(), await targets.text()] == ["a", "b"]
        error = await targets.failure()
        assert (error.status, error.code, error.type) == (429, "rate_limit_exceeded", "requests")
        headers = dict(error.headers)
        assert headers["x-ratelimit-limit-requests"] == "1"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        await asyncio.sleep(float(headers["retry-after"]))
        assert await targets.text() == "a"

    run(main())


def test_a_provider_s_quota_is_shared_by_its_targets_and_spent_with_each_try() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(500), whole("a"), whole("a")]},
            everywhere={"retry": THREE},
            providers={"a": {"limits": Limits(Windows(day=2))}},
        )
        assert await targets.text() == "a"
        assert targets.trace.standing is not None
        assert targets.trace.standing.requests is not None
        assert targets.trace.standing.requests.remaining == 0
        error = await targets.failure()
        assert (error.status, "per day (provider a)" in error.message) == (429, True)

    run(main())


def test_a_call_that_never_left_costs_no_quota() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [UNREACHABLE, whole("a"), whole("a")]},
            everywhere={"retry": THREE, "limits": Limits(Windows(minute=1))},
        )
        assert await targets.text() == "a"
        assert targets.calls == ["a", "a"]

    run(main())


def test_a_target_that_fails_and_fails_is_left_alone_for_a_while() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [*many(503, 5), whole("a")], "b": [whole("b") for _ in range(20)]},
            settings={"a": {"breaker": BreakerPolicy(jitter=0.0)}},
        )
        for _ in range(8):
            assert await targets.text() == "b"
        assert targets.calls.count("a") == 5
        assert targets.trace.way == "a/up=breaker, b/up=ok"
        await asyncio.sleep(5)
        assert await targets.text() == "a"

    run(main())


def test_when_every_breaker_is_open_one_probe_goes_through_now_and_then() -> None:
    async def main() -> None:
        breaker = BreakerPolicy(failures=1, open=5.0, max_open=300.0, jitter=0.0)
        targets = Targets({"a": many(503), "b": many(503)}, everywhere={"breaker": breaker})
        await targets.failure()
        assert targets.calls == ["a", "b"]
        error = await targets.failure()
        assert (error.status, error.code) == (503, "no_healthy_upstream")
        assert "upstream_unavailable" in error.message
        assert dict(error.headers)["retry-after"] == "5"
        assert len(targets.calls) == 2
        seconds = 60
        for _ in range(seconds):
            await asyncio.sleep(1)
            await asyncio.gather(*(targets.failure() for _ in range(5)))
        assert 2 <= len(targets.calls) - 2 <= 2 * seconds / 5

    run(main())


def test_unreachable_providers_are_left_alone_with_all_their_targets() -> None:
    async def main() -> None:
        breaker = BreakerPolicy(failures=2, jitter=0.0)
        targets = Targets({"a": [UNREACHABLE]}, providers={"a": {"breaker": breaker}})
        await targets.failure()
        await targets.failure()
        other = targets.gatekeeper.gate(
            Targets({"a": [UNREACHABLE]}, everywhere={"model": "other"}).config.models[0]
        )
        refused = other.refusal()
        assert refused is not None
        assert refused.cause == "upstream_connection_error"

    run(main())


def test_a_role_alone_commits_nothing() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [FakeResponse(FIRST, BROKEN)], "b": [FakeResponse(GOOD)]},
        )
        assert await targets.streamed() == GOOD
        assert targets.trace.way == "a/up=upstream_connection_error, b/up=ok"

    run(main())


def test_after_content_nothing_is_tried_again() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [FakeResponse(FIRST, HELLO, BROKEN)], "b": [FakeResponse(GOOD)]},
            everywhere={"retry": THREE},
        )
        stream = await targets.streamed()
        assert stream.startswith(FIRST + HELLO)
        assert stream.endswith(DONE)
        assert b"upstream_connection_error" in stream
        assert targets.calls == ["a"]

    run(main())


def test_streams_that_break_off_open_the_breaker() -> None:
    async def main() -> None:
        targets = Targets(
            {
                "a": [FakeResponse(FIRST, HELLO, BROKEN) for _ in range(5)],
                "b": [FakeResponse(GOOD)],
            },
        )
        for _ in range(5):
            await targets.streamed()
        await targets.streamed()
        assert targets.calls == ["a"] * 5 + ["b"]

    run(main())


def test_retries_are_kept_within_their_share_of_a_provider_s_requests() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": many(500, 2000)},
            everywhere={"retry": THREE, "breaker": BreakerPolicy(failures=10**9, ratio=9.0)},
        )

        async def client(number: int) -> None:
            await asyncio.sleep(number / 50)
            await targets.failure()

        await asyncio.gather(*(client(number) for number in range(500)))
        assert len(targets.calls) <= 1.2 * 500 + 10

    run(main())


def test_a_second_target_is_asked_beside_one_that_does_not_answer() -> None:
    async def main() -> None:
        slow = FakeResponse(GOOD)
        targets = Targets(
            {"a": [9.0, slow], "b": [1.0, FakeResponse(GOOD)]},
            settings={"a": {"hedge": 2.0}},
        )
        assert await targets.streamed() == GOOD
        assert now() == 3.0
        assert targets.wires.calls == [(0.0, "a"), (2.0, "b")]
        assert targets.trace.target == "b/up"
        assert "a/up=broken_off" in targets.trace.way
        for name in "ab":
            gate = targets.gatekeeper.gate(targets.config.models["ab".index(name)])
            assert gate.provider.throttle.running == 0

    run(main())


def test_the_first_target_wins_where_it_answers_first_after_all() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [3.0, whole("a")], "b": [9.0, whole("b")]}, settings={"a": {"hedge": 2.0}}
        )
        assert await targets.text() == "a"
        assert (now(), targets.calls, targets.trace.target) == (3.0, ["a", "b"], "a/up")

    run(main())


def test_a_target_that_fails_before_its_hedge_is_followed_at_once() -> None:
    async def main() -> None:
        targets = Targets({"a": [status(401)], "b": [whole("b")]}, settings={"a": {"hedge": 2.0}})
        assert await targets.text() == "b"
        assert (now(), targets.calls) == (0.0, ["a", "b"])

    run(main())


def test_both_ways_of_a_hedge_that_fail_are_one_failure() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [5.0, status(401)], "b": [5.0, status(403)]}, settings={"a": {"hedge": 2.0}}
        )
        error = await targets.failure()
        assert (error.status, targets.calls, now()) == (502, ["a", "b"], 7.0)

    run(main())


def everywhere_at_rest(targets: Targets) -> None:
    for model in targets.config.models:
        throttle = targets.gatekeeper.gate(model).provider.throttle
        assert (throttle.running, throttle.waiting) == (0, 0)


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("hedge", [None, 1.0])
def test_a_client_that_leaves_ends_everything_at_once(after: float, hedge: float | None) -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [1.0, status(429, retry_after="1"), 10.0, whole("a")], "b": [10.0, whole("b")]},
            settings={"a": {"hedge": hedge}},
            everywhere={"retry": THREE},
        )
        work: Coroutine[Any, Any, Any] = targets.ask()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(after):
                await work
        calls = len(targets.calls)
        everywhere_at_rest(targets)
        await asyncio.sleep(100)
        assert len(targets.calls) == calls

    run(main())


def test_an_answer_that_ends_without_content_is_tried_elsewhere() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [FakeResponse(FIRST + DONE)], "b": [FakeResponse(FIRST + LAST + DONE)]}
        )
        assert await targets.streamed() == FIRST + LAST + DONE
        assert targets.calls == ["a", "b"]

    run(main())
