"""Time limits that a person can stop, and the watchdog; all in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from llm_gateway.patience import Patience, Watchdog
from support import virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def timed_out(work: Callable[[], Coroutine[None, None, None]]) -> float:
    """When the work ended in a TimeoutError."""
    with pytest.raises(TimeoutError):
        await work()
    return now()


def test_a_limit_ends_what_takes_longer() -> None:
    async def work() -> None:
        async with Patience().limit(5):
            await asyncio.sleep(6)

    assert virtual_time.run(timed_out(work)) == pytest.approx(5)


def test_a_limit_lets_be_what_is_done_in_time() -> None:
    async def work() -> float:
        async with Patience().limit(5):
            await asyncio.sleep(4)
        await asyncio.sleep(4)
        return now()

    assert virtual_time.run(work()) == pytest.approx(8)


def test_suspended_time_does_not_count() -> None:
    async def work() -> None:
        patience = Patience()
        async with patience.limit(5):
            await asyncio.sleep(2)
            with patience.suspended():
                await asyncio.sleep(100)
            await asyncio.sleep(10)

    assert virtual_time.run(timed_out(work)) == pytest.approx(105)


def test_several_suspensions_add_up() -> None:
    async def work() -> None:
        patience = Patience()
        async with patience.limit(5):
            for _ in range(3):
                await asyncio.sleep(1)
                with patience.suspended():
                    await asyncio.sleep(100)
            await asyncio.sleep(10)

    assert virtual_time.run(timed_out(work)) == pytest.approx(305)


@pytest.mark.parametrize(("outer", "inner", "end"), [(5, 3, 103), (3, 5, 103), (4, 4, 104)])
def test_every_limit_stands_still_and_the_shortest_ends(
    outer: float, inner: float, end: float
) -> None:
    async def work() -> None:
        patience = Patience()
        async with patience.limit(outer), patience.limit(inner):
            with patience.suspended():
                await asyncio.sleep(100)
            await asyncio.sleep(10)

    assert virtual_time.run(timed_out(work)) == pytest.approx(end)


async def suspended(patience: Patience, start: float, end: float) -> None:
    await asyncio.sleep(start)
    with patience.suspended():
        await asyncio.sleep(end - start)


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        ((1, 50), (2, 100), 104),
        ((1, 100), (2, 50), 104),
        ((1, 100), (1, 100), 104),
        ((1, 50), (52, 100), 102),
    ],
    ids=["longer", "inside", "together", "apart"],
)
def test_two_calls_of_an_exchange_may_be_suspended_at_a_time(
    first: tuple[float, float], second: tuple[float, float], end: float
) -> None:
    async def work() -> None:
        patience = Patience()
        async with patience.limit(5), asyncio.TaskGroup() as group:
            group.create_task(suspended(patience, *first))
            group.create_task(suspended(patience, *second))
            await asyncio.sleep(1000)

    assert virtual_time.run(timed_out(work)) == pytest.approx(end)


def test_a_call_may_end_while_another_one_is_suspended() -> None:
    async def call(patience: Patience) -> None:
        async with patience.limit(3):
            await asyncio.sleep(2)

    async def work() -> None:
        patience = Patience()
        async with patience.limit(5), asyncio.TaskGroup() as group:
            group.create_task(suspended(patience, 1, 100))
            group.create_task(call(patience))
            await asyncio.sleep(1000)

    assert virtual_time.run(timed_out(work)) == pytest.approx(104)


def test_a_limit_that_is_over_is_not_started_again() -> None:
    async def work() -> float:
        patience = Patience()
        async with patience.limit(5):
            await asyncio.sleep(1)
        with patience.suspended():
            await asyncio.sleep(100)
        return now()

    assert virtual_time.run(work()) == pytest.approx(101)


def test_one_exchange_s_suspension_is_no_other_s() -> None:
    async def work() -> None:
        held = Patience()
        async with Patience().limit(5):
            with held.suspended():
                await asyncio.sleep(100)

    assert virtual_time.run(timed_out(work)) == pytest.approx(5)


async def failing(patience: Patience) -> None:
    with patience.suspended():
        await asyncio.sleep(100)
        raise KeyError


def test_limits_run_on_after_a_failure_inside_a_suspension() -> None:
    async def work() -> None:
        patience = Patience()
        async with patience.limit(5):
            with pytest.raises(KeyError):
                await failing(patience)
            await asyncio.sleep(10)

    assert virtual_time.run(timed_out(work)) == pytest.approx(105)


def test_a_cancelled_body_is_cancelled_and_not_timed_out() -> None:
    async def work() -> None:
        async with Patience().limit(5):
            await asyncio.sleep(10)

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(main())


class Dog:
    """A watchdog of five seconds, and when it barked."""

    def __init__(self) -> None:
        self.barks: list[float] = []
        self.watchdog = Watchdog(5, lambda: self.barks.append(round(now(), 6)))


def barks(script: Callable[[Watchdog], Coroutine[None, None, None]]) -> list[float]:
    """When the watchdog barked during the script and the hundred seconds after it."""

    async def main() -> list[float]:
        dog = Dog()
        await script(dog.watchdog)
        await asyncio.sleep(100)
        assert dog.watchdog.barked == bool(dog.barks)
        return dog.barks

    return virtual_time.run(main())


def test_the_watchdog_barks_once_when_nothing_comes() -> None:
    async def script(dog: Watchdog) -> None:
        dog.watch()

    assert barks(script) == [5]


def test_the_watchdog_is_silent_before_it_watches() -> None:
    async def script(dog: Watchdog) -> None:
        del dog

    assert barks(script) == []


def test_what_comes_in_time_is_let_be_however_long_it_all_takes() -> None:
    async def script(dog: Watchdog) -> None:
        for _ in range(20):
            dog.watch()
            await asyncio.sleep(4)
            dog.rest()
        dog.stop()

    assert barks(script) == []


def test_time_at_rest_does_not_count() -> None:
    async def script(dog: Watchdog) -> None:
        dog.watch()
        await asyncio.sleep(4)
        dog.rest()
        await asyncio.sleep(50)
        dog.watch()
        await asyncio.sleep(4)
        dog.rest()

    assert barks(script) == []


def test_a_later_silence_is_measured_from_its_own_beginning() -> None:
    async def script(dog: Watchdog) -> None:
        dog.watch()
        await asyncio.sleep(4)
        dog.rest()
        dog.watch()

    assert barks(script) == [9]


def test_after_a_rest_beyond_its_timer_the_watchdog_watches_again() -> None:
    async def script(dog: Watchdog) -> None:
        dog.watch()
        await asyncio.sleep(1)
        dog.rest()
        await asyncio.sleep(20)
        dog.watch()

    assert barks(script) == [26]


def test_a_stopped_watchdog_is_silent() -> None:
    async def script(dog: Watchdog) -> None:
        dog.watch()
        await asyncio.sleep(4)
        dog.stop()

    assert barks(script) == []


def test_a_watchdog_s_many_watches_cost_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def counting(when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
            made.append(when)
            return call_at(when, callback)

        dog = Dog().watchdog
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_at", counting)
            for _ in range(1000):
                dog.watch()
                dog.rest()
            dog.stop()

    virtual_time.run(main())
    assert made == [5]
