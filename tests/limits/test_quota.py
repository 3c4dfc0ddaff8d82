"""Takes, refusals, refunds and settlements of quotas, by hand."""

import asyncio

import pytest

from llm_gateway.config import Limits, Windows
from llm_gateway.limits.quota import (
    Claim,
    Level,
    MemoryStore,
    QuotaExceeded,
    Reading,
    Receipt,
    Standing,
)
from support.two_clocks import TwoClocks, at

HOUR = 3600.0
DAY = 24 * HOUR

THREE_A_MINUTE = Limits(requests=Windows(minute=3))


class Desk:
    """A store and its clocks; it is noon, and a minute of the monotonic clock begins."""

    def __init__(self, wall: str = "2026-06-01T12:00") -> None:
        self.clocks = TwoClocks(at(wall))
        self.clocks.monotonic.now = 6000.0
        self.store = MemoryStore(self.clocks.monotonic, self.clocks.wall)

    async def take(self, *claims: Claim) -> Receipt:
        return await self.store.take(claims)

    async def refusal(self, *claims: Claim) -> QuotaExceeded:
        with pytest.raises(QuotaExceeded) as refused:
            await self.store.take(claims)
        return refused.value

    async def refused_until(self, claim: Claim) -> float:
        """Checks that the claim is refused for exactly as long as it is told, and takes it then."""
        wait = (await self.refusal(claim)).retry_after
        assert wait is not None
        self.clocks.advance(wait - 0.125)
        await self.refusal(claim)
        self.clocks.advance(0.125)
        await self.take(claim)
        return wait


def claim(limits: Limits, tokens: int = 0, key: str = "target a/b") -> Claim:
    return Claim(key, limits, tokens)


def requests(minute: int | None = None, hour: int | None = None, day: int | None = None) -> Limits:
    return Limits(requests=Windows(minute, hour, day))


def tokens(minute: int | None = None, hour: int | None = None, day: int | None = None) -> Limits:
    return Limits(tokens=Windows(minute, hour, day))


@pytest.mark.parametrize(
    ("limits", "window", "seconds"),
    [
        (requests(minute=2), "minute", 61),
        (requests(hour=2), "hour", 3660),
        (requests(day=2), "day", 12 * HOUR),
    ],
)
async def test_a_limit_is_refused_in_exact_numbers(
    limits: Limits, window: str, seconds: float
) -> None:
    desk = Desk()
    for _ in range(2):
        await desk.take(claim(limits))
    exceeded = await desk.refusal(claim(limits))
    assert exceeded.key == "target a/b"
    assert exceeded.unit == "requests"
    assert exceeded.level == Level(2, 0, seconds, window)  # type: ignore[arg-type] # from a table
    assert exceeded.retry_after == seconds
    words = f"0 left of 2 requests per {window}, enough in {seconds:.3f} s"
    assert str(exceeded) == f"target a/b: {words}"


async def test_waiting_exactly_as_told_succeeds() -> None:
    desk = Desk()
    for _ in range(3):
        desk.clocks.advance(7.125)
        await desk.take(claim(THREE_A_MINUTE))
    assert await desk.refused_until(claim(THREE_A_MINUTE)) == 61 - 14.375
    assert await desk.refused_until(claim(THREE_A_MINUTE)) == 7


async def test_waiting_exactly_as_told_succeeds_for_tokens() -> None:
    desk = Desk()
    for spent in (30, 20, 50):
        await desk.take(claim(tokens(minute=100), spent))
        desk.clocks.advance(5)
    assert await desk.refused_until(claim(tokens(minute=100), 40)) == 51
    assert await desk.refused_until(claim(tokens(minute=100), 60)) == 5


async def test_a_claim_that_still_fits_is_not_refused() -> None:
    desk = Desk()
    limits = tokens(minute=100)
    await desk.take(claim(limits, 70))
    exceeded = await desk.refusal(claim(limits, 31))
    assert exceeded.level == Level(100, 30, 61, "minute")
    assert exceeded.unit == "tokens"
    await desk.take(claim(limits, 30))
    await desk.take(claim(limits, 0))


@pytest.mark.parametrize("short", [{"minute": 0}, {"hour": 0}, {"day": 0}])
async def test_a_window_that_refuses_costs_nothing_in_the_others(short: dict[str, int]) -> None:
    desk = Desk()
    await desk.refusal(claim(requests(**{"minute": 1, "hour": 1, "day": 1, **short})))
    await desk.take(claim(requests(minute=1, hour=1, day=1)))


@pytest.mark.parametrize("refuses", [0, 1])
async def test_a_quota_that_refuses_costs_nothing_in_the_others(refuses: int) -> None:
    desk = Desk()
    both = [
        claim(requests(minute=1, day=1), key="target a/b"),
        claim(requests(minute=1, day=1), key="provider a"),
    ]
    await desk.take(both[refuses])
    exceeded = await desk.refusal(*both)
    assert exceeded.key == both[refuses].key
    await desk.take(both[1 - refuses])


async def test_a_day_that_is_spent_leaves_the_minute_alone() -> None:
    desk = Desk()
    limits = requests(minute=5, day=3)
    for _ in range(3):
        await desk.take(claim(limits))
    desk.clocks.advance(61)
    for _ in range(10):
        assert (await desk.refusal(claim(limits))).level.window == "day"
    receipt = await desk.take(claim(requests(minute=5)))
    assert receipt.standing.requests == Level(5, 4, 61, "minute")


async def test_of_several_that_refuse_the_longest_is_told() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(minute=2, hour=3), tokens=Windows(minute=100))
    shared = Limits(tokens=Windows(hour=150, day=1000))
    pair = (claim(limits, 60), claim(shared, 60, key="provider a"))
    await desk.take(*pair)
    desk.clocks.advance(600)
    await desk.take(*pair)
    exceeded = await desk.refusal(*pair)
    assert (exceeded.key, exceeded.unit) == ("provider a", "tokens")
    assert exceeded.level == Level(150, 30, 3660, "hour")
    assert exceeded.retry_after == 3060
    desk.clocks.advance(3059.875)
    await desk.refusal(*pair)
    desk.clocks.advance(0.125)
    await desk.take(*pair)


@pytest.mark.parametrize(
    ("limits", "wanted", "words"),
    [
        (tokens(minute=100), 101, "100 tokens per minute"),
        (tokens(hour=100), 101, "100 tokens per hour"),
        (tokens(day=100), 101, "100 tokens per day"),
        (requests(day=0), 0, "0 requests per day"),
    ],
)
async def test_a_claim_larger_than_a_limit_is_told_that_it_never_fits(
    limits: Limits, wanted: int, words: str
) -> None:
    desk = Desk()
    exceeded = await desk.refusal(claim(limits, wanted))
    assert exceeded.retry_after is None
    assert str(exceeded) == f"target a/b: one call takes more than the limit of {words}"


async def test_never_is_longer_than_any_wait() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(day=1), tokens=Windows(minute=100))
    await desk.take(claim(limits, 10))
    exceeded = await desk.refusal(claim(limits, 101))
    assert (exceeded.unit, exceeded.retry_after) == ("tokens", None)
    assert exceeded.level == Level(100, 90, 61, "minute")


async def test_what_was_put_back_can_be_taken_again() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(1, 1, 1), tokens=Windows(10, 10, 10))
    pair = (claim(limits, 10), claim(limits, 10, key="provider a"))
    for _ in range(3):
        receipt = await desk.take(*pair)
        await desk.refusal(*pair)
        await desk.store.refund(receipt)
    await desk.take(*pair)


async def test_putting_back_twice_puts_back_once() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(minute=2), tokens=Windows(minute=20))
    first = await desk.take(claim(limits, 10))
    await desk.take(claim(limits, 10))
    for _ in range(3):
        await desk.store.refund(first)
    await desk.take(claim(limits, 10))
    await desk.refusal(claim(limits, 0))
    await desk.refusal(claim(tokens(minute=20), 1))


async def test_putting_back_what_has_left_the_window_puts_nothing_back() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(minute=1), tokens=Windows(minute=10))
    old = await desk.take(claim(limits, 10))
    desk.clocks.advance(61)
    await desk.take(claim(limits, 10))
    await desk.store.refund(old)
    await desk.refusal(claim(limits, 1))


async def test_what_has_left_the_minute_is_still_put_back_in_hour_and_day() -> None:
    desk = Desk()
    receipt = await desk.take(claim(requests(hour=1, day=1)))
    desk.clocks.advance(61)
    await desk.store.refund(receipt)
    await desk.take(claim(requests(hour=1, day=1)))


async def test_yesterdays_call_is_not_put_back_today() -> None:
    desk = Desk("2026-06-01T23:59")
    old = await desk.take(claim(requests(day=1)))
    desk.clocks.advance(60)
    await desk.take(claim(requests(day=1)))
    await desk.store.refund(old)
    await desk.refusal(claim(requests(day=1)))


async def test_fewer_tokens_than_estimated_leave_room() -> None:
    desk = Desk()
    receipt = await desk.take(claim(tokens(minute=100), 100))
    await desk.store.settle(receipt, 40)
    await desk.refusal(claim(tokens(minute=100), 61))
    await desk.take(claim(tokens(minute=100), 60))


async def test_more_tokens_than_the_limit_hold_up_the_next_until_they_have_left() -> None:
    desk = Desk()
    receipt = await desk.take(claim(tokens(minute=100), 10))
    desk.clocks.advance(30)
    await desk.take(claim(tokens(minute=100), 50))
    await desk.store.settle(receipt, 500)
    exceeded = await desk.refusal(claim(tokens(minute=100), 0))
    assert exceeded.level == Level(100, 0, 61, "minute")
    assert exceeded.retry_after == 31
    assert await desk.refused_until(claim(tokens(minute=100), 50)) == 31


async def test_tokens_may_be_settled_again_but_not_after_they_were_put_back() -> None:
    desk = Desk()
    receipt = await desk.take(claim(tokens(minute=100), 100))
    await desk.store.settle(receipt, 500)
    await desk.store.settle(receipt, 90)
    await desk.take(claim(tokens(minute=100), 10))
    await desk.store.refund(receipt)
    await desk.store.settle(receipt, 90)
    await desk.take(claim(tokens(minute=100), 90))


async def test_the_standing_is_of_the_tightest_window_of_all_quotas() -> None:
    desk = Desk()
    limits = Limits(requests=Windows(minute=10, day=100), tokens=Windows(hour=5000))
    shared = Limits(requests=Windows(hour=7, day=8), tokens=Windows(minute=9000, day=5000))
    pair = (claim(limits, 1000), claim(shared, 1000, key="provider a"))
    receipt = await desk.take(*pair)
    # Among equals, the one that takes longest to be whole.
    assert receipt.standing == Standing(Level(7, 6, 3660, "hour"), Level(5000, 4000, 43200, "day"))
    desk.clocks.advance(11.75 * HOUR)
    receipt = await desk.take(*pair)
    assert receipt.standing == Standing(Level(7, 6, 3660, "hour"), Level(5000, 3000, 900, "day"))
    desk.clocks.advance(0.25 * HOUR)
    receipt = await desk.take(*pair)
    assert receipt.standing == Standing(Level(7, 5, 3660, "hour"), Level(5000, 3000, 3660, "hour"))


async def test_a_unit_without_a_limit_has_no_standing() -> None:
    desk = Desk()
    assert (await desk.take()).standing == Standing(None, None)
    assert (await desk.take(claim(Limits(), 10**9))).standing == Standing(None, None)
    receipt = await desk.take(claim(tokens(day=50), 20, key="target a/c"))
    assert receipt.standing == Standing(None, Level(50, 30, 12 * HOUR, "day"))


async def test_tokens_of_nobody_are_whole_at_once() -> None:
    desk = Desk()
    receipt = await desk.take(claim(tokens(minute=50, day=50), 0))
    assert receipt.standing.tokens == Level(50, 50, 0.0, "minute")


async def test_keys_are_counted_apart() -> None:
    desk = Desk()
    await desk.take(claim(requests(minute=1), key="target a/b"))
    await desk.take(claim(requests(minute=1), key="target a/c"))
    await desk.refusal(claim(requests(minute=1), key="target a/c"))


async def test_other_limits_keep_the_counts() -> None:
    desk = Desk()
    for _ in range(3):
        await desk.take(claim(requests(minute=3), 10))
    await desk.refusal(claim(requests(minute=3)))
    receipt = await desk.take(claim(requests(minute=5)))
    assert receipt.standing.requests == Level(5, 1, 61, "minute")
    exceeded = await desk.refusal(claim(requests(minute=2)))
    assert exceeded.level == Level(2, 0, 61, "minute")


async def test_a_limit_that_is_new_knows_what_went_before() -> None:
    desk = Desk()
    for _ in range(3):
        await desk.take(claim(requests(minute=5), 10))
    await desk.refusal(claim(requests(hour=3)))
    await desk.refusal(claim(requests(day=3)))
    await desk.refusal(claim(tokens(day=35), 6))


async def test_the_day_begins_at_midnight_in_its_zone() -> None:
    desk = Desk("2026-03-28T22:30")
    limits = Limits(requests=Windows(day=1), zone="Europe/Berlin")
    await desk.take(claim(limits))
    assert await desk.refused_until(claim(limits)) == 0.5 * HOUR
    # This day of Berlin's has 23 hours.
    assert await desk.refused_until(claim(limits)) == 23 * HOUR


async def test_an_hour_back_over_midnight_gives_no_second_day() -> None:
    desk = Desk("2026-06-02T00:10")
    await desk.take(claim(requests(minute=5, day=1)))
    desk.clocks.step(-HOUR)
    assert await desk.refused_until(claim(requests(minute=5, day=1))) == DAY + 50 * 60


async def test_a_day_forward_and_back_ends_at_the_true_midnight() -> None:
    desk = Desk()
    await desk.take(claim(requests(day=2)))
    desk.clocks.step(DAY)
    await desk.take(claim(requests(day=2)))
    await desk.take(claim(requests(day=2)))
    desk.clocks.step(-DAY)
    assert await desk.refused_until(claim(requests(day=2))) == 12 * HOUR


@pytest.mark.parametrize("step", [-365 * DAY, -DAY, -HOUR, HOUR, DAY, 365 * DAY])
async def test_minutes_and_hours_do_not_look_at_the_wall_clock(step: float) -> None:
    desk = Desk()
    await desk.take(claim(requests(minute=1, hour=2)))
    desk.clocks.step(step)
    assert await desk.refused_until(claim(requests(minute=1, hour=2))) == 61
    assert await desk.refused_until(claim(requests(minute=1, hour=2))) == 3660 - 61


async def test_of_500_at_once_as_many_pass_as_may() -> None:
    desk = Desk()

    async def ask() -> bool:
        try:
            await desk.take(claim(requests(minute=100)))
        except QuotaExceeded:
            return False
        return True

    passed = await asyncio.gather(*(ask() for _ in range(500)))
    assert sum(passed) == 100


async def test_keys_that_nobody_asks_for_are_forgotten() -> None:
    desk = Desk()
    for number in range(100):
        await desk.take(claim(THREE_A_MINUTE, key=f"target a/{number}"))
    desk.clocks.advance(30 * HOUR)
    await desk.take(claim(THREE_A_MINUTE, key="target a/0"))
    desk.clocks.advance(30 * HOUR)
    await desk.take(claim(THREE_A_MINUTE, key="target a/new"))
    assert sorted(desk.store._quotas) == ["target a/0", "target a/new"]


async def test_a_key_is_not_forgotten_within_a_day() -> None:
    desk = Desk("2026-06-01T00:00")
    limits = Limits(requests=Windows(day=1))
    await desk.take(claim(limits))
    desk.clocks.advance(23.75 * HOUR)
    await desk.take(claim(THREE_A_MINUTE, key="target a/new"))
    await desk.refusal(claim(limits))


async def test_by_itself_it_goes_by_the_clocks_of_the_machine() -> None:
    store = MemoryStore()
    await store.take([claim(requests(hour=1))])
    with pytest.raises(QuotaExceeded) as refused:
        await store.take([claim(requests(hour=1))])
    assert refused.value.retry_after is not None
    assert 3590 < refused.value.retry_after <= 3660


async def test_a_quota_is_read_limit_by_limit() -> None:
    desk = Desk()
    limits = Limits(Windows(minute=3, day=2), Windows(hour=100))
    await desk.take(claim(limits, 30))
    desk.clocks.advance(10)
    receipt = await desk.take(claim(limits, 40))
    await desk.store.settle(receipt, 90)
    assert desk.store.read("target a/b", limits) == [
        Reading("requests", "minute", 3, 2, 61.0),
        Reading("requests", "day", 2, 2, 12 * HOUR - 10),
        Reading("tokens", "hour", 100, 120, HOUR + 50),
    ]
    assert [each.remaining for each in desk.store.read("target a/b", limits)] == [1, 0, 0]


async def test_a_quota_that_nobody_has_claimed_from_is_read_as_whole_and_not_kept() -> None:
    desk = Desk()
    assert desk.store.read("target a/b", requests(minute=3, day=5)) == [
        Reading("requests", "minute", 3, 0, 0.0),
        Reading("requests", "day", 5, 0, 0.0),
    ]
    assert not desk.store._quotas


async def test_reading_keeps_no_key_from_being_forgotten() -> None:
    desk = Desk()
    await desk.take(claim(THREE_A_MINUTE))
    desk.clocks.advance(49 * HOUR)
    desk.store.read("target a/b", THREE_A_MINUTE)
    await desk.take(claim(THREE_A_MINUTE, key="target a/new"))
    assert [*desk.store._quotas] == ["target a/new"]
