"""The ends of a call: which counts, what it says of target and provider, and what it cost."""

import asyncio
from collections.abc import Callable

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.config import BREAKER_MINUTE, Limits, Windows
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnsupported,
)
from llm_gateway.limits.gate import Permit
from support.fakes import make_model
from support.gates import BRITTLE, COUNTING, Keeper
from support.virtual_time import run

BUSY = UpstreamUnavailable("Busy.")
LIMITED = UpstreamRateLimited("Slow down.")
UNREACHABLE = UpstreamConnectionError("Nobody there.").unsent()

TARGET, PROVIDER, NOBODY = "target", "provider", "nobody"

KILLED = UpstreamConnectionError("Killed by hand.", retry=Retry.NEVER)
STOPPING = UpstreamConnectionError("Stopping.", code="gateway_shutdown")

FAILURES: list[tuple[UpstreamError, str]] = [
    (UpstreamConnectionError("It broke."), TARGET),
    (UpstreamTimeout("Too slow."), TARGET),
    (BUSY, TARGET),
    (UpstreamInvalidResponse("HTML."), TARGET),
    (UpstreamAuthError("The key is wrong."), TARGET),
    (UpstreamAuthError("No token for this key.").unsent(), TARGET),
    (UpstreamAuthError("Nor is the next token taken.", retry=Retry.HERE), TARGET),
    (UpstreamError("Something."), TARGET),
    (UNREACHABLE, PROVIDER),
    (UpstreamConnectionError("No certificate.", retry=Retry.ELSEWHERE).unsent(), PROVIDER),
    (UpstreamTimeout("Nobody in time.").unsent(), PROVIDER),
    (UpstreamUnavailable("Who gives tokens is busy.").unsent(), PROVIDER),
    (UpstreamInvalidResponse("Who gives tokens talks nonsense.").unsent(), PROVIDER),
    (LIMITED, NOBODY),
    (UpstreamRateLimited("Who gives tokens says slow down.").unsent(), NOBODY),
    (UpstreamRejected("No."), NOBODY),
    (UpstreamRejected("No such model.", retry=Retry.ELSEWHERE), NOBODY),
    (UpstreamUnsupported("Not here."), NOBODY),
    (KILLED, NOBODY),
    (STOPPING, NOBODY),
    (UpstreamConnectionError("Stopping.", code="gateway_shutdown").unsent(), NOBODY),
]


@pytest.mark.parametrize(("error", "blamed"), FAILURES, ids=str)
def test_a_failure_is_blamed_on_who_is_at_fault(error: UpstreamError, blamed: str) -> None:
    async def main() -> None:
        keeper = Keeper()
        (await keeper.admit()).fail(error)
        gate = keeper.gate
        assert (gate.breaker.wait() > 0) is (blamed == TARGET)
        assert (gate.provider.breaker.wait() > 0) is (blamed == PROVIDER)
        assert keeper.places == (0, 0)
        assert await keeper.spent() == ((1, 0) if error.sent else (0, 0))

    run(main())


def test_a_request_that_had_left_before_it_did_not_leave_again_counts() -> None:
    async def main() -> None:
        keeper = Keeper()
        error = UpstreamConnectionError("Nobody there any more.").unsent()
        error.resent = True
        (await keeper.admit()).fail(error)
        assert keeper.gate.provider.breaker.wait() > 0
        assert await keeper.spent() == (1, 0)

    run(main())


@pytest.mark.parametrize(
    ("error", "worked"),
    [
        (BUSY, True),
        (LIMITED, True),
        (UpstreamRejected("No."), True),
        (UpstreamUnsupported("Not here."), False),
        (UpstreamAuthError("No token.").unsent(), False),
        (KILLED, False),
        (STOPPING, False),
    ],
    ids=str,
)
def test_a_provider_can_be_reached_again_once_it_has_answered(
    error: UpstreamError, worked: bool
) -> None:
    async def main() -> None:
        keeper = Keeper()
        (await keeper.admit()).fail(UNREACHABLE)
        await asyncio.sleep(5)
        probe = await keeper.admit()
        assert keeper.gate.provider.breaker.wait() > 0
        probe.fail(error)
        assert (keeper.gate.provider.breaker.reason == "") is worked
        assert keeper.gate.provider.breaker.wait() == 0.0, "the probe's place is free"

    run(main())


def test_with_the_breaker_of_a_minute_a_rate_limit_is_a_failure_too() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(breaker=BREAKER_MINUTE))
        (await keeper.admit()).fail(LIMITED)
        assert keeper.gate.breaker.wait() == 60.0

    run(main())


@pytest.mark.parametrize(
    ("error", "rest"),
    [
        (LIMITED, 1.0),
        (UpstreamRateLimited("Slow down.", retry_after=30.0), 30.0),
        (UpstreamRateLimited("Day.", retry=Retry.ELSEWHERE, retry_after=9000.0), 9000.0),
        (UpstreamRateLimited("Slow down.", retry_after=30.0).unsent(), 30.0),
        (UpstreamUnavailable("Busy.", retry_after=30.0), 30.0),
        (BUSY, 0.0),
        (UpstreamConnectionError("It broke."), 0.0),
        (UpstreamRejected("No.", retry_after=30.0), 0.0),
    ],
    ids=str,
)
def test_a_target_rests_where_its_provider_says_so(error: UpstreamError, rest: float) -> None:
    async def main() -> None:
        keeper = Keeper()
        (await keeper.admit()).fail(error)
        assert keeper.gate.cooldown.left() == rest

    run(main())


def test_rate_limits_in_a_row_rest_longer_until_one_call_succeeds() -> None:
    async def main() -> None:
        keeper, rests = Keeper(), []
        for good in (False, False, True, False):
            permit = await keeper.admit()
            if good:
                permit.succeed(None)
                permit = await keeper.admit()
            permit.fail(LIMITED)
            rests.append(keeper.gate.cooldown.left())
            await asyncio.sleep(rests[-1])
        assert rests == [1.0, 2.0, 1.0, 2.0]

    run(main())


ENDS: list[Callable[[Permit], None]] = [
    lambda permit: permit.succeed(Usage(3, 2)),
    lambda permit: permit.succeed(None),
    lambda permit: permit.fail(BUSY),
    lambda permit: permit.fail(LIMITED, Usage(1, 0)),
    lambda permit: permit.fail(UNREACHABLE),
    lambda permit: permit.release(),
    lambda permit: permit.release(sent=False),
]


async def state(keeper: Keeper) -> tuple[object, ...]:
    gate = keeper.gate
    breakers = (gate.breaker.reason, gate.provider.breaker.reason)
    return keeper.places, await keeper.spent(), breakers, gate.cooldown.left()


@pytest.mark.parametrize("first", range(len(ENDS)))
@pytest.mark.parametrize("second", range(len(ENDS)))
def test_the_first_end_counts_and_no_other(first: int, second: int) -> None:
    async def main() -> None:
        keeper, other = Keeper(), Keeper()
        for each, ends in ((keeper, [first, second]), (other, [first])):
            permit = await each.admit(100)
            for end in ends:
                ENDS[end](permit)
        assert await state(keeper) == await state(other)

    run(main())


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        (lambda permit: permit.succeed(Usage(30, 20)), (1, 50)),
        (lambda permit: permit.succeed(Usage(0, 0)), (1, 0)),
        (lambda permit: permit.succeed(Usage(300, 200)), (1, 500)),
        (lambda permit: permit.succeed(None), (1, 100)),
        (lambda permit: permit.fail(BUSY), (1, 0)),
        (lambda permit: permit.fail(BUSY, Usage(30, 1)), (1, 31)),
        (lambda permit: permit.fail(UNREACHABLE), (0, 0)),
        (lambda permit: permit.fail(UpstreamUnsupported("Not here.")), (0, 0)),
        (lambda permit: permit.release(), (1, 100)),
        (lambda permit: permit.release(Usage(30, 1)), (1, 31)),
        (lambda permit: permit.release(sent=False), (0, 0)),
    ],
)
def test_the_tokens_that_it_came_to_take_the_place_of_the_estimate(
    end: Callable[[Permit], None], spent: tuple[int, int]
) -> None:
    async def main() -> None:
        keeper = Keeper(limits=COUNTING)
        permit = await keeper.admit(100)
        assert await keeper.spent() == (1, 100)
        end(permit)
        assert await keeper.spent() == await keeper.spent("provider p") == spent

    run(main())


def test_what_is_left_is_told_of_the_tightest_quota() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=Limits(Windows(day=9))), limits=Limits(Windows(hour=4)))
        standing = (await keeper.admit()).standing
        assert standing is not None
        assert standing.requests is not None
        assert (standing.requests.remaining, standing.requests.window) == (3, "hour")
        assert (await Keeper(make_model()).admit()).standing is None

    run(main())


def test_the_latency_of_a_target_is_mostly_what_it_was() -> None:
    async def main() -> None:
        keeper = Keeper()
        assert keeper.gate.latency is None
        for seconds, latency in ((2.0, 2.0), (4.0, 2.4), (0.4, 2.0)):
            permit = await keeper.admit()
            await asyncio.sleep(seconds)
            permit.answered()
            await asyncio.sleep(50)
            permit.succeed(None)
            assert keeper.gate.latency == pytest.approx(latency)

    run(main())


def test_a_probe_that_is_answered_lets_the_others_in_before_it_ends() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(breaker=BRITTLE))
        (await keeper.admit()).fail(BUSY)
        await asyncio.sleep(5)
        probe = await keeper.admit()
        probe.answered()
        (await keeper.admit()).succeed(None)
        probe.fail(BUSY)
        assert keeper.gate.breaker.wait() > 0, "how it ends counts all the same"

    run(main())
