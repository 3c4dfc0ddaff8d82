"""When a target may be asked: each reason why not, in its order, and what a refusal costs."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_gateway.config import Limits, ThrottlePolicy, Windows
from llm_gateway.errors import UpstreamConnectionError, UpstreamUnavailable
from llm_gateway.limits.breaker import PROBE_SECONDS
from llm_gateway.limits.gate import Permit, Reason, Refused
from support.fakes import make_model
from support.gates import BRITTLE, COUNTING, Keeper
from support.virtual_time import run

BUSY = UpstreamUnavailable("Busy.")
UNREACHABLE = UpstreamConnectionError("Nobody there.").unsent()
ONE_PLACE = ThrottlePolicy(max_concurrent=1, queue=1, queue_timeout=10.0)

type Scene = Callable[[Keeper], Awaitable[None]]


def one(limits: Limits = COUNTING) -> Keeper:
    """One target with one place."""
    return Keeper(make_model(limits=limits, breaker=BRITTLE), throttle=ONE_PLACE)


def soon[T](work: Awaitable[T]) -> asyncio.Future[T]:
    return asyncio.ensure_future(work)


async def failed(keeper: Keeper, error: UpstreamConnectionError | UpstreamUnavailable) -> None:
    (await keeper.admit()).fail(error)


def test_a_target_that_nobody_has_asked_may_be_asked_at_once() -> None:
    async def main() -> None:
        keeper = Keeper()
        assert keeper.gate.refusal() is None
        assert not keeper.gate.is_busy
        admission = keeper.gate.admit(0)
        with pytest.raises(StopIteration) as given:
            admission.send(None)
        assert isinstance(given.value.value, Permit)
        assert keeper.places == (1, 0)
        given.value.value.succeed(None)
        assert keeper.places == (0, 0)

    run(main())


def test_a_rest_is_told_with_what_is_left_of_it() -> None:
    async def main() -> None:
        keeper = Keeper()
        (await keeper.admit()).rest(30.0)
        await asyncio.sleep(10)
        refused = await keeper.refusal()
        assert (refused.reason, refused.wait, refused.cause) == (Reason.PARKED, 20.0, "")
        await asyncio.sleep(20)
        assert await keeper.reason() is None

    run(main())


@pytest.mark.parametrize("error", [BUSY, UNREACHABLE], ids=["target", "provider"])
def test_an_open_breaker_is_told_with_its_cause(
    error: UpstreamConnectionError | UpstreamUnavailable,
) -> None:
    async def main() -> None:
        keeper = Keeper()
        await failed(keeper, error)
        refused = await keeper.refusal()
        assert (refused.reason, refused.wait, refused.cause) == (Reason.BREAKER, 5.0, error.code)
        await asyncio.sleep(5)
        assert await keeper.reason() is None

    run(main())


def test_one_probe_at_a_time_goes_through_a_breaker_whose_time_is_over() -> None:
    async def main() -> None:
        keeper = Keeper()
        await failed(keeper, BUSY)
        await asyncio.sleep(5)
        probe = await keeper.admit()
        assert await keeper.reason() is Reason.BREAKER
        probe.release()
        probe = await keeper.admit()
        await asyncio.sleep(1)
        probe.answered()
        assert await keeper.reason() is None

    run(main())


@pytest.mark.parametrize(
    ("limits", "unit"),
    [
        (Limits(Windows(minute=1)), "requests"),
        (Limits(tokens=Windows(minute=100)), "tokens"),
    ],
)
def test_a_spent_quota_is_told_in_full(limits: Limits, unit: str) -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=limits))
        (await keeper.admit(60)).succeed(None)
        refused = await keeper.refusal(60)
        assert (refused.reason, refused.wait) == (Reason.QUOTA, 61.0)
        assert refused.exceeded is not None
        assert (refused.exceeded.unit, refused.exceeded.key) == (unit, "target p/up-model")
        await asyncio.sleep(61)
        await keeper.admit(60)

    run(main())


def test_a_limit_of_nothing_admits_nobody_ever() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=Limits(Windows(day=0))))
        refused = await keeper.refusal()
        assert (refused.reason, refused.wait) == (Reason.QUOTA, None)

    run(main())


def test_an_estimate_that_is_larger_than_a_limit_takes_all_of_it() -> None:
    async def main() -> None:
        limits = Limits(tokens=Windows(minute=200, hour=100))
        keeper = Keeper(make_model(limits=limits, breaker=BRITTLE))
        await keeper.admit(101)
        assert (await keeper.refusal(1)).reason is Reason.QUOTA
        assert await keeper.spent() == (1, 100)

    run(main())


def test_a_full_queue_is_told_at_once_and_too_long_a_wait_after_it() -> None:
    async def main() -> None:
        keeper = one()
        runs = await keeper.admit()
        waits = soon(keeper.refusal())
        await asyncio.sleep(1)
        assert keeper.gate.is_busy
        refused = await keeper.refusal()
        assert (refused.reason, refused.wait) == (Reason.QUEUE_FULL, 1.0)
        refused = await waits
        assert (refused.reason, refused.wait) == (Reason.QUEUE_TIMEOUT, 1.0)
        assert asyncio.get_running_loop().time() == 10.0
        assert keeper.places == (1, 0)
        runs.succeed(None)
        assert await keeper.spent() == (1, 0)

    run(main())


def test_of_several_reasons_the_first_to_be_looked_for_is_told() -> None:
    async def main() -> None:
        keeper = one(Limits(Windows(minute=2)))
        runs, waits = await keeper.admit(), soon(keeper.refusal())
        await asyncio.sleep(0)
        keeper.gate.breaker.acquire().fail("c")  # type: ignore[union-attr] # it is closed
        runs.rest(1.0)
        assert await keeper.reason() is Reason.PARKED
        await asyncio.sleep(1)
        assert await keeper.reason() is Reason.BREAKER
        await asyncio.sleep(4)
        assert await keeper.reason() is Reason.QUOTA
        keeper.adopt(models=(make_model(limits=COUNTING, breaker=BRITTLE),))
        assert await keeper.reason() is Reason.QUEUE_FULL
        assert (await waits).reason is Reason.QUEUE_TIMEOUT

    run(main())


async def parked(keeper: Keeper) -> None:
    keeper.gate.cooldown.park(99.0)


async def broken(keeper: Keeper) -> None:
    keeper.gate.breaker.acquire().fail("c")  # type: ignore[union-attr] # it is closed


async def unreachable(keeper: Keeper) -> None:
    keeper.gate.provider.breaker.acquire().fail("c")  # type: ignore[union-attr] # it is closed


async def smaller(keeper: Keeper) -> None:
    keeper.adopt(models=(make_model(limits=Limits(Windows(minute=0)), breaker=BRITTLE),))


LATE: list[tuple[Scene, Reason]] = [
    (parked, Reason.PARKED),
    (broken, Reason.BREAKER),
    (unreachable, Reason.BREAKER),
    (smaller, Reason.QUOTA),
]


@pytest.mark.parametrize(
    ("happens", "reason"), LATE, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_happened_during_the_wait_counts_when_its_turn_comes(
    happens: Scene, reason: Reason
) -> None:
    async def main() -> None:
        keeper = one()
        runs, waits = await keeper.admit(7), soon(keeper.refusal(7))
        await asyncio.sleep(3)
        assert keeper.places == (1, 1)
        await happens(keeper)
        runs.release(sent=False)
        assert (await waits).reason is reason
        assert asyncio.get_running_loop().time() == 3.0
        assert (keeper.places, await keeper.spent()) == ((0, 0), (0, 0))

    run(main())


@pytest.mark.parametrize(
    ("happens", "reason"), LATE[:3], ids=lambda value: getattr(value, "__name__", None)
)
def test_a_refusal_at_the_door_costs_nothing(happens: Scene, reason: Reason) -> None:
    async def main() -> None:
        keeper = one()
        await happens(keeper)
        assert (await keeper.refusal(7)).reason is reason
        assert (keeper.places, await keeper.spent()) == ((0, 0), (0, 0))

    run(main())


@pytest.mark.parametrize("turn_has_come", [False, True])
def test_who_leaves_the_queue_leaves_nothing_behind(turn_has_come: bool) -> None:
    """Also in the very pass of the event loop in which its turn came."""

    async def main() -> None:
        keeper = one()
        runs, waits = await keeper.admit(7), soon(keeper.admit(7))
        await asyncio.sleep(1)
        assert (keeper.places, await keeper.spent()) == ((1, 1), (2, 14))
        if turn_has_come:
            runs.succeed(None)
        waits.cancel()
        await asyncio.wait([waits])
        assert waits.cancelled()
        runs.succeed(None)
        assert (keeper.places, await keeper.spent()) == ((0, 0), (1, 7))

    run(main())


def test_what_waited_is_counted_from_when_it_begins() -> None:
    async def main() -> None:
        keeper = one(Limits(Windows(minute=2)))
        runs, waits = await keeper.admit(), soon(keeper.admit())
        await asyncio.sleep(9)
        runs.succeed(None)
        (await waits).succeed(None)
        await asyncio.sleep(53)
        (await keeper.admit()).succeed(None)
        assert (await keeper.refusal()).wait == 9 + 61 - 62

    run(main())


def test_the_quota_of_a_provider_is_spent_by_all_its_targets() -> None:
    async def main() -> None:
        models = (make_model(model="a"), make_model(model="b"))
        keeper = Keeper(*models, limits=Limits(Windows(minute=2)))
        for model in models:
            (await keeper.gatekeeper.gate(model).admit(0)).succeed(None)
        refused = await keeper.refusal()
        assert refused.exceeded is not None
        assert refused.exceeded.key == "provider p"

    run(main())


def test_a_quota_of_the_provider_that_is_spent_costs_the_target_nothing() -> None:
    async def main() -> None:
        keeper = Keeper(limits=Limits(Windows(minute=1)))
        (await keeper.admit(7)).succeed(None)
        await keeper.refusal(7)
        assert await keeper.spent() == (1, 7)

    run(main())


def test_who_has_nowhere_else_to_go_is_let_through_an_open_breaker_now_and_then() -> None:
    async def main() -> None:
        keeper = Keeper()
        for _ in range(4):
            await failed(keeper, BUSY)
            await asyncio.sleep(keeper.gate.breaker.wait())
        await failed(keeper, BUSY)
        assert keeper.gate.breaker.wait() == 60.0
        assert (await keeper.refusal(panic=True)).reason is Reason.BREAKER
        await asyncio.sleep(5)
        assert (await keeper.refusal()).reason is Reason.BREAKER
        probe = await keeper.admit(panic=True)
        refused = await keeper.refusal(panic=True)
        assert (refused.reason, keeper.places) == (Reason.BREAKER, (1, 0))
        probe.succeed(None)
        assert await keeper.reason() is None

    run(main())


def test_a_rest_or_a_quota_makes_no_exception() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=Limits(Windows(minute=1)), breaker=BRITTLE))
        (await keeper.admit()).rest(5.0)
        assert (await keeper.refusal(panic=True)).reason is Reason.PARKED
        await asyncio.sleep(5)
        assert (await keeper.refusal(panic=True)).reason is Reason.QUOTA

    run(main())


def test_how_long_a_breaker_is_waited_for_is_no_longer_than_until_a_probe_may_go() -> None:
    async def main() -> None:
        keeper = Keeper()
        for _ in range(3):
            await failed(keeper, BUSY)
            await asyncio.sleep(keeper.gate.breaker.wait())
        await failed(keeper, BUSY)
        assert keeper.gate.breaker.wait() == 40.0
        assert (await keeper.refusal()).wait == BRITTLE.open

    run(main())


def test_a_probe_that_is_lost_is_given_up_after_a_while() -> None:
    async def main() -> None:
        keeper = Keeper()
        await failed(keeper, BUSY)
        await asyncio.sleep(5)
        await keeper.admit()
        await asyncio.sleep(PROBE_SECONDS)
        await keeper.admit()

    run(main())


def test_who_was_asked_last_is_known() -> None:
    async def main() -> None:
        models = (make_model(model="a"), make_model(model="b"))
        keeper = Keeper(*models)
        first, second = (keeper.gatekeeper.gate(model) for model in models)
        assert (first.last_used, second.last_used) == (0, 0)
        await first.admit(0)
        await second.admit(0)
        assert 0 < first.last_used < second.last_used
        first.cooldown.park(1.0)
        with pytest.raises(Refused):
            await first.admit(0)
        assert first.last_used < second.last_used, "a refusal is no use"

    run(main())
