"""The throttle: its places, the time between two calls, its queue, and who leaves it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from llm_gateway.config import ThrottlePolicy
from llm_gateway.limits.throttle import Throttle
from support import virtual_time
from support.callers import Callers, settle


def play(
    scene: Callable[[Callers], Coroutine[Any, Any, None]],
    policy: ThrottlePolicy,
    max_connections: int = 100,
) -> None:
    """Play a scene in virtual time; at its end no place may be lost."""

    async def whole() -> None:
        callers = Callers(Throttle(policy, max_connections))
        await scene(callers)
        await callers.go()

    virtual_time.run(whole())


def test_calls_that_may_begin_do_so_without_yielding_to_the_event_loop() -> None:
    async def scene(callers: Callers) -> None:
        for _ in range(3):
            call = callers.throttle.acquire()
            with pytest.raises(StopIteration) as end:
                call.send(None)
            assert end.value.value == 0.0
        for _ in range(3):
            callers.throttle.release()

    play(scene, ThrottlePolicy())


@pytest.mark.parametrize(
    ("max_concurrent", "max_connections", "places"),
    [(2, 100, 2), (None, 3, 3), (5, 3, 3)],
)
def test_no_more_calls_run_than_there_are_places(
    max_concurrent: int | None, max_connections: int, places: int
) -> None:
    async def scene(callers: Callers) -> None:
        for _ in range(places):
            assert not callers.throttle.busy
            callers.come()
        assert callers.throttle.busy
        callers.come()
        assert callers.fates == ["runs"] * places + ["waits"]
        assert callers.throttle.places == places
        assert (callers.throttle.running, callers.throttle.waiting) == (places, 1)
        callers.end(callers.all[0])
        await settle()
        assert callers.all[-1].fate == "runs"
        assert (callers.throttle.running, callers.throttle.waiting) == (places, 0)

    play(scene, ThrottlePolicy(max_concurrent=max_concurrent), max_connections)


def test_calls_begin_in_the_order_in_which_they_came() -> None:
    async def scene(callers: Callers) -> None:
        for caller in callers.come(5):
            await settle()
            callers.end(caller)
        assert [number for number, _ in callers.began] == [1, 2, 3, 4, 5]

    play(scene, ThrottlePolicy(max_concurrent=1))


def test_places_that_become_free_together_are_taken_together() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(50)
        for caller in callers.of("runs"):
            callers.end(caller)
        await asyncio.sleep(0)
        assert len(callers.of("runs")) == 25

    play(scene, ThrottlePolicy(max_concurrent=25))


def test_a_newcomer_does_not_overtake_who_was_given_a_turn_and_has_not_taken_it() -> None:
    async def scene(callers: Callers) -> None:
        first, second, _ = callers.come(3)
        callers.end(first)
        callers.end(second)
        assert callers.throttle.running == 1
        assert callers.throttle.busy
        callers.come()
        await settle()
        assert [number for number, _ in callers.began] == [1, 2, 3, 4]

    play(scene, ThrottlePolicy(max_concurrent=2))


def test_calls_begin_min_interval_apart() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(4)
        await asyncio.sleep(2)
        assert [at for _, at in callers.began] == [0, 0.5, 1, 1.5]

    play(scene, ThrottlePolicy(min_interval=0.5))


def test_the_interval_is_between_beginnings_and_not_after_an_end() -> None:
    async def scene(callers: Callers) -> None:
        [first] = callers.come()
        await asyncio.sleep(3)
        callers.end(first)
        assert not callers.throttle.busy
        [second] = callers.come()
        assert second.fate == "runs"

    play(scene, ThrottlePolicy(min_interval=2))


def test_a_newcomer_does_not_overtake_who_waits_for_the_interval() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(3)
        await asyncio.sleep(1.5)
        callers.come()
        await asyncio.sleep(5)
        assert callers.began == [(1, 0), (2, 1), (3, 2), (4, 3)]

    play(scene, ThrottlePolicy(min_interval=1))


def test_a_newcomer_does_not_overtake_who_waits_when_the_event_loop_is_late() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(2)
        await asyncio.sleep(0.75)
        virtual_time.current().hold_up(0.5)
        callers.come()
        await asyncio.sleep(3)
        assert callers.began == [(1, 0), (2, 1.25), (3, 2.25)]

    play(scene, ThrottlePolicy(min_interval=1))


def test_after_a_delay_of_the_event_loop_calls_begin_no_closer_to_each_other() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(3)
        # Right after the turn is given: the alarm was set first.
        loop = virtual_time.current()
        loop.call_at(1, loop.hold_up, 0.75)
        await asyncio.sleep(4)
        assert callers.began == [(1, 0), (2, 1.75), (3, 2.75)]

    play(scene, ThrottlePolicy(min_interval=1))


def test_when_the_queue_is_full_a_call_is_refused_at_once() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(5)
        assert callers.fates == ["runs", "waits", "waits", "refused", "refused"]
        callers.end(callers.all[0])
        [sixth] = callers.come()
        assert sixth.fate == "waits"

    play(scene, ThrottlePolicy(max_concurrent=1, queue=2))


def test_without_a_queue_a_call_begins_or_is_refused() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(2)
        assert callers.fates == ["runs", "refused"]

    play(scene, ThrottlePolicy(max_concurrent=1, queue=0))


def test_a_call_waits_no_longer_than_queue_timeout() -> None:
    async def scene(callers: Callers) -> None:
        first, second = callers.come(2)
        await asyncio.sleep(1)
        [third] = callers.come()
        await asyncio.sleep(2.5)
        assert (second.fate, second.at) == ("timed out", 3)
        assert (third.fate, callers.throttle.waiting) == ("waits", 1)
        callers.end(first)
        await settle()
        assert third.fate == "runs"

    play(scene, ThrottlePolicy(max_concurrent=1, queue_timeout=3))


def test_who_has_its_turn_does_not_time_out() -> None:
    async def scene(callers: Callers) -> None:
        first, second = callers.come(2)
        await asyncio.sleep(2)
        callers.end(first)
        await asyncio.sleep(20)
        assert (second.fate, second.at) == ("runs", 2)

    play(scene, ThrottlePolicy(max_concurrent=1, queue_timeout=3))


def test_who_was_cancelled_at_the_moment_of_its_timeout_is_gone() -> None:
    async def scene(callers: Callers) -> None:
        def cancel() -> None:
            callers.all[1].cancel()

        # Right before the timeouts, which are set later.
        asyncio.get_running_loop().call_at(3, cancel)
        _, second = callers.come(2)
        await asyncio.sleep(4)
        assert (second.fate, callers.throttle.waiting) == ("cancelled", 0)

    play(scene, ThrottlePolicy(max_concurrent=1, queue_timeout=3))


def test_no_timer_is_left_of_who_waits_no_more() -> None:
    async def scene(callers: Callers) -> None:
        first, second, third = callers.come(3)
        third.cancel()
        callers.end(first)
        await settle()
        assert (second.fate, third.fate) == ("runs", "cancelled")
        assert virtual_time.current().timers() == 0

    play(scene, ThrottlePolicy(max_concurrent=1))


def test_who_timed_out_and_was_cancelled_at_once_is_gone() -> None:
    async def scene(callers: Callers) -> None:
        _, second, third = callers.come(3)
        # Right after its timeout, which was set first.
        asyncio.get_running_loop().call_at(3, second.cancel)
        await asyncio.sleep(4)
        assert (second.fate, third.fate) == ("cancelled", "timed out")
        assert (callers.throttle.running, callers.throttle.waiting) == (1, 0)

    play(scene, ThrottlePolicy(max_concurrent=1, queue_timeout=3))


@pytest.mark.parametrize("cancelled", [2, 3, 4])
def test_a_cancelled_waiter_takes_neither_place_nor_interval(cancelled: int) -> None:
    async def scene(callers: Callers) -> None:
        callers.come(5)
        callers.all[cancelled - 1].cancel()
        await asyncio.sleep(5)
        others = [number for number in range(1, 6) if number != cancelled]
        assert callers.began == list(zip(others, range(4), strict=True))

    play(scene, ThrottlePolicy(min_interval=1))


def test_a_waiter_that_is_cancelled_when_its_turn_was_given_passes_the_place_on() -> None:
    async def scene(callers: Callers) -> None:
        first, second, _ = callers.come(3)
        callers.end(first)
        second.cancel()
        await settle()
        assert callers.fates == ["over", "cancelled", "runs"]

    play(scene, ThrottlePolicy(max_concurrent=1))


def test_a_waiter_that_is_cancelled_before_the_place_is_free_is_passed_by() -> None:
    async def scene(callers: Callers) -> None:
        first, second, _ = callers.come(3)
        second.cancel()
        callers.end(first)
        await asyncio.sleep(0)
        assert callers.fates == ["over", "cancelled", "runs"]

    play(scene, ThrottlePolicy(max_concurrent=1))


def test_a_waiter_that_is_cancelled_when_its_turn_was_given_leaves_the_interval_to_the_next() -> (
    None
):
    async def scene(callers: Callers) -> None:
        _, second, _, _ = callers.come(4)

        def cancel() -> None:
            assert callers.throttle.running == 2, "the turn was given"
            second.cancel()

        # Right after that: the alarm was set first.
        asyncio.get_running_loop().call_at(1, cancel)
        await asyncio.sleep(5)
        assert callers.began == [(1, 0), (3, 1), (4, 2)]
        assert (second.fate, second.at) == ("cancelled", 1)

    play(scene, ThrottlePolicy(min_interval=1))


def test_when_all_waiters_are_cancelled_the_next_call_waits_for_the_interval_alone() -> None:
    async def scene(callers: Callers) -> None:
        for caller in callers.come(3)[1:]:
            caller.cancel()
        await asyncio.sleep(0.5)
        callers.come()
        await asyncio.sleep(1)
        assert callers.began == [(1, 0), (4, 1)]

    play(scene, ThrottlePolicy(min_interval=1))


def test_more_places_are_taken_at_once_by_those_who_wait() -> None:
    async def scene(callers: Callers) -> None:
        callers.come(6)
        callers.throttle.adopt(ThrottlePolicy(), 4)
        await asyncio.sleep(0)
        assert callers.fates == ["runs"] * 4 + ["waits"] * 2

    play(scene, ThrottlePolicy(max_concurrent=1))


def test_where_places_were_taken_away_those_inside_finish() -> None:
    async def scene(callers: Callers) -> None:
        first, second, third, _, waiter = callers.come(5)
        callers.throttle.adopt(ThrottlePolicy(max_concurrent=2), 100)
        for caller in (first, second):
            callers.end(caller)
            await settle()
            assert waiter.fate == "waits"
        callers.end(third)
        await settle()
        assert waiter.fate == "runs"

    play(scene, ThrottlePolicy(max_concurrent=4))


@pytest.mark.parametrize(
    ("interval", "begins"), [(1.0, 2.0), (0.25, 2.0), (3.0, 3.0), (20.0, 20.0), (0.0, 2.0)]
)
def test_another_interval_counts_from_the_last_beginning(interval: float, begins: float) -> None:
    async def scene(callers: Callers) -> None:
        _, second = callers.come(2)
        await asyncio.sleep(2)
        callers.throttle.adopt(ThrottlePolicy(min_interval=interval), 100)
        await asyncio.sleep(20)
        assert (second.fate, second.at) == ("runs", begins)

    play(scene, ThrottlePolicy(min_interval=10))
