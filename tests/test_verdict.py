"""What a client is told where no target gave an answer."""

import asyncio

import pytest

from llm_gateway import verdict
from llm_gateway.config import BreakerPolicy, Gateway, RetryPolicy
from llm_gateway.errors import (
    NoTargetError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRecorded,
    UpstreamRejected,
    UpstreamUnavailable,
)
from llm_gateway.limits.gate import Reason, Refused
from llm_gateway.limits.quota import Level, QuotaExceeded, Unit
from llm_gateway.trace import Step, Trace
from support.targets import Targets, status
from support.virtual_time import run

BUSY = "Slow down."
GOOD_FOR_NOTHING = ("x-should-retry", "false")


def trace_of(*route: tuple[str, str]) -> Trace:
    return Trace("req_test", model="m", steps=[Step(*step) for step in route])


def exceeded(
    unit: Unit = "requests", *, remaining: int = 0, wait: float | None = 41.2
) -> QuotaExceeded:
    return QuotaExceeded("target a/up", unit, Level(20, remaining, 61.0, "minute"), wait)


def quota(unit: Unit = "requests", *, wait: float | None = 41.2) -> Refused:
    return Refused(Reason.QUOTA, wait, exceeded=exceeded(unit, wait=wait))


def told(error: UpstreamError | NoTargetError) -> tuple[int, str | None, str | None]:
    """Status, code, and for how long it is told to wait."""
    return error.status, error.code, dict(error.headers).get("retry-after")


@pytest.mark.parametrize(
    "error",
    [
        UpstreamConnectionError("It broke.", detail="d"),
        UpstreamUnavailable("Busy.", status=529),
        UpstreamAuthError("The key is wrong."),
        UpstreamRejected("No.", status=422, code="c", param="p"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_only_failure_is_told_as_it_is(error: UpstreamError) -> None:
    message, headers = error.message, error.headers
    trace = trace_of(("a/up", error.code or ""))
    assert verdict.of_failures([error], [], trace) is error
    assert error.message == message
    assert [each for each in error.headers if each != GOOD_FOR_NOTHING] == [*headers]


def test_of_several_failures_the_last_is_told_with_the_whole_way() -> None:
    first, last = UpstreamUnavailable("First."), UpstreamConnectionError("Last.")
    trace = trace_of(("a/up", "busy"), ("a/up", "busy"), ("b/up", "quota"), ("c/up", "broken"))
    assert verdict.of_failures([first, last], [quota()], trace) is last
    assert last.message == "Last. Tried: a/up=busy x2, b/up=quota, c/up=broken."
    assert first.message == "First."


def test_a_provider_s_name_of_a_model_it_does_not_have_is_not_told() -> None:
    error = UpstreamRejected(
        "No such model: secret-deployment.", status=404, code="model_not_found"
    )
    verdict.of_failures([error], [], trace_of(("a/up", "model_not_found")))
    assert error.message == "The model `m` does not exist at its provider."


def limited(hint: float | None) -> UpstreamRateLimited:
    return UpstreamRateLimited(BUSY, retry_after=hint)


@pytest.mark.parametrize(
    ("failures", "skips", "wait"),
    [
        ([limited(None)], [], None),
        ([limited(7.2)], [], "8"),
        ([limited(90), limited(60)], [], "60"),
        ([limited(60), limited(90)], [], "60"),
        ([limited(60), limited(None)], [], "60"),
        ([limited(60)], [Refused(Reason.PARKED, 30.0)], "30"),
        ([limited(60)], [Refused(Reason.BREAKER, 5.0), quota(wait=None)], "5"),
        ([limited(None)], [quota(wait=12.0)], "12"),
        ([UpstreamUnavailable("Busy.", retry_after=1), limited(60)], [], "1"),
    ],
)
def test_the_soonest_time_that_anybody_names_is_told(
    failures: list[UpstreamError], skips: list[Refused], wait: str | None
) -> None:
    error = verdict.of_failures(failures, skips, trace_of())
    assert told(error) == (429, "rate_limit_exceeded", wait)
    names = [name for name, _ in error.headers]
    assert len(names) == len(set(names)), "each header once"


def test_it_is_told_of_any_failure_but_one_that_waiting_does_not_mend() -> None:
    busy = UpstreamUnavailable("Busy.", retry_after=30)
    assert told(verdict.of_failures([limited(5), busy], [], trace_of()))[2] == "5"
    refused = UpstreamRejected("No.")
    assert told(verdict.of_failures([limited(5), refused], [], trace_of()))[2] is None


@pytest.mark.parametrize(
    ("failures", "skips", "hopeless"),
    [
        ([UpstreamAuthError("No.")], [], True),
        (
            [UpstreamAuthError("No."), UpstreamRateLimited("Broke.", retry=Retry.ELSEWHERE)],
            [],
            True,
        ),
        ([UpstreamRateLimited("Day.", retry=Retry.ELSEWHERE, retry_after=3600)], [], False),
        ([UpstreamUnavailable("Busy."), UpstreamAuthError("No.")], [], False),
        ([UpstreamAuthError("No.")], [Refused(Reason.BREAKER, 5.0)], False),
        ([UpstreamUnavailable("Busy.")], [], False),
        ([UpstreamRejected("No.")], [], False),
    ],
)
def test_a_client_need_not_try_again_where_no_target_will_answer(
    failures: list[UpstreamError], skips: list[Refused], hopeless: bool
) -> None:
    error = verdict.of_failures(failures, skips, trace_of())
    assert (GOOD_FOR_NOTHING in error.headers) is hopeless


def test_a_deadline_is_told_with_the_last_failure_and_the_way() -> None:
    failures = [UpstreamUnavailable("Busy."), UpstreamConnectionError("It broke.", detail="d")]
    trace = trace_of(("a/up", "busy"), ("b/up", "broken"))
    error = verdict.of_time(2.0, failures, trace)
    assert (error.status, error.code) == (504, "upstream_timeout")
    assert error.message == (
        "No answer within the deadline of 2 s. The last failure: It broke. "
        "Tried: a/up=busy, b/up=broken."
    )
    assert error.detail == "d"


def test_a_deadline_before_anything_failed_is_told_with_what_was_asked() -> None:
    error = verdict.of_time(0.5, [], trace_of(("a/up", "broken_off")))
    assert error.message == "No answer within the deadline of 0.5 s. Tried: a/up=broken_off."
    assert error.detail == ""
    hasty = verdict.of_time(2.85, [], trace_of(), clients=True)
    assert hasty.message.endswith("2.85 s, which is a little less than the client waits.")


@pytest.mark.parametrize(
    ("refused", "status_and_code", "said"),
    [
        (
            quota(),
            (429, "rate_limit_exceeded"),
            "the limit is 20 requests per minute (target a/up)",
        ),
        (quota("tokens"), (429, "rate_limit_exceeded"), "20 tokens per minute"),
        (Refused(Reason.PARKED, 41.2), (429, "rate_limit_exceeded"), "at its limit"),
        (Refused(Reason.BREAKER, 41.2, "busy"), (503, "no_healthy_upstream"), "was: busy."),
        (Refused(Reason.BREAKER, 41.2), (503, "no_healthy_upstream"), "latest calls failed"),
        (Refused(Reason.QUEUE_FULL, 41.2), (503, "queue_full"), "Too many requests wait"),
        (Refused(Reason.QUEUE_TIMEOUT, 41.2), (503, "queue_timeout"), "waited too long"),
    ],
    ids=lambda value: str(value.reason) if isinstance(value, Refused) else None,
)
def test_each_reason_not_to_ask_is_told(
    refused: Refused, status_and_code: tuple[int, str], said: str
) -> None:
    error = verdict.of_skips([refused], "m", trace_of(("a/up", str(refused.reason))))
    assert isinstance(error, NoTargetError)
    assert told(error) == (*status_and_code, "42")
    assert said in error.message
    assert "`m`" in error.message
    assert "Passed over" not in error.message


@pytest.mark.parametrize("unit", ["requests", "tokens"])
def test_a_spent_quota_is_told_in_numbers(unit: Unit) -> None:
    error = verdict.of_skips([quota(unit)], "m", trace_of())
    assert error.type == unit
    headers = dict(error.headers)
    assert headers[f"x-ratelimit-limit-{unit}"] == "20"
    assert headers[f"x-ratelimit-remaining-{unit}"] == "0"
    assert headers[f"x-ratelimit-reset-{unit}"] == "1m1s"
    assert headers["retry-after-ms"] == "41200"


def test_a_request_that_no_window_will_ever_take_need_not_come_again() -> None:
    error = verdict.of_skips([quota("tokens", wait=None)], "m", trace_of())
    assert "the request alone is more than the limit of 20 tokens per minute" in error.message
    assert GOOD_FOR_NOTHING in error.headers
    assert "retry-after" not in dict(error.headers)


def test_every_reason_can_be_told() -> None:
    for reason in Reason:
        error = verdict.of_skips([Refused(reason, 1.0, exceeded=exceeded())], "m", trace_of())
        assert dict(error.headers)["retry-after"] == "1"


def test_of_several_reasons_that_of_the_target_that_is_free_soonest_is_told() -> None:
    trace = trace_of(("a/up", "quota"), ("b/up", "breaker"), ("c/up", "parked"))
    skips = [quota(wait=None), Refused(Reason.BREAKER, 5.0), Refused(Reason.PARKED, 60.0)]
    for order in (skips, skips[::-1]):
        error = verdict.of_skips(order, "m", trace)
        assert told(error) == (503, "no_healthy_upstream", "5")  # type: ignore[arg-type]
        assert error.message.endswith("Passed over: a/up=quota, b/up=breaker, c/up=parked.")


def test_a_client_s_name_of_the_model_is_shown_safely() -> None:
    error = verdict.of_skips([Refused(Reason.PARKED, 1.0)], "a\r\nb`" + "x" * 999, trace_of())
    assert error.message.isprintable()
    assert len(error.message) < 200


def test_the_time_told_is_that_of_the_latest_rate_limit_of_each_target() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429, retry_after="1"), status(429, retry_after="3600")]},
            everywhere={"retry": RetryPolicy(attempts=2)},
        )
        error = await targets.failure()
        assert dict(error.headers)["retry-after"] == "3600"

    run(main())


def test_a_rate_limit_is_told_where_the_deadline_leaves_no_time_to_wait_it_out() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [status(429, retry_after="15")]},
            everywhere={"retry": RetryPolicy()},
            gateway=Gateway(deadline=10.0),
        )
        error = await targets.failure()
        assert (error.status, dict(error.headers)["retry-after"]) == (429, "15")
        assert asyncio.get_running_loop().time() == 0

    run(main())


def test_a_target_that_is_left_alone_is_no_reason_to_give_up_for_good() -> None:
    async def main() -> None:
        breaker = BreakerPolicy(failures=1, jitter=0.0)
        targets = Targets(
            {"a": [status(503)], "b": [status(401), status(401)]},
            settings={"a": {"breaker": breaker}},
        )
        await targets.failure()
        error = await targets.failure()
        assert targets.trace.way == "a/up=breaker, b/up=upstream_auth_error"
        assert (error.status, GOOD_FOR_NOTHING in error.headers) == (502, False)

    run(main())


def test_a_recorded_failure_is_told_as_it_was_recorded_and_nothing_is_added() -> None:
    for number, code in ((503, "upstream_unavailable"), (404, "model_not_found")):
        failure = UpstreamRecorded(number, "It was so.", type="t", code=code, param=None)
        told = verdict.of_failures([failure], [], Trace("req_1"))
        assert told is failure
        assert (told.message, told.headers) == ("It was so.", ())


@pytest.mark.parametrize(
    ("unit", "wait", "said", "header"),
    [
        (
            "requests",
            41.2,
            "20 requests per minute, of which 0 are left. Try again in 42 s.",
            ("retry-after", "42"),
        ),
        (
            "tokens",
            7000.0,
            "20 tokens per minute, of which 0 are left. Try again in 117 min.",
            ("retry-after", "7000"),
        ),
        ("tokens", None, "the request alone is more than 20 tokens per minute.", GOOD_FOR_NOTHING),
    ],
)
def test_a_client_is_told_which_of_its_own_limits_it_is_and_when_it_ends(
    unit: Unit, wait: float | None, said: str, header: tuple[str, str]
) -> None:
    error = verdict.of_allowance("on call", exceeded(unit, wait=wait))
    assert error.message == f"Rate limit reached for token `on call`: {said}"
    assert (error.status, error.type, error.code) == (429, unit, "rate_limit_exceeded")
    assert header in error.headers
    assert (f"x-ratelimit-limit-{unit}", "20") in error.headers
