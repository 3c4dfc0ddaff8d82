"""Stopping: what is under way may finish, and then it is ended, wherever it stands."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from llm_gateway.draining import LEAVING_SECONDS, LOOK_AGAIN, Draining
from llm_gateway.errors import GatewayShutdown
from support import virtual_time

BOUND = 30.0


class Exchange:
    """Work under a draining that may be cut; it says how it ended."""

    def __init__(self, draining: Draining, work: Coroutine[Any, Any, None]) -> None:
        self._draining = draining
        self._work = work
        self.ended: BaseException | None = None
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self._draining.exchange():
                await self._work
        except GatewayShutdown as error:
            self.ended = error
            # It still has to answer, and may be slow at it: nothing of the cut is left behind.
            async with asyncio.timeout(1.0):
                await asyncio.sleep(0.5)


class Clients:
    """Clients that wait until a moment, in the loop's time, and whose bytes leave later."""

    def __init__(
        self, number: int, until: float, *, unsent_until: float = 0.0, goodbye: float = 0.0
    ) -> None:
        """``goodbye``: how long their connections take to close."""
        self._number = number
        self._connected_until = goodbye
        self._until = until
        self._unsent_until = unsent_until
        self.held = True

    def waiting(self) -> int:
        return self._number if asyncio.get_running_loop().time() < self._until else 0

    def busy(self) -> bool:
        return bool(self.waiting()) or asyncio.get_running_loop().time() < self._unsent_until

    def let_go(self) -> None:
        self.held = False

    def hang_up(self) -> None:
        self._connected_until += asyncio.get_running_loop().time()

    def connected(self) -> bool:
        return asyncio.get_running_loop().time() < self._connected_until


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_is_cut_ends_wherever_it_waits() -> None:
    draining = Draining()
    cleaned = []

    async def nested() -> None:
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(forever())
        finally:
            cleaned.append(True)

    works = (forever(), asyncio.sleep(3600), nested())
    exchanges = [Exchange(draining, work) for work in works]
    await asyncio.sleep(0)
    draining.cut()
    await asyncio.gather(*(each.task for each in exchanges))
    assert [type(each.ended) for each in exchanges] == [GatewayShutdown] * 3
    assert cleaned == [True]


async def test_what_begins_after_the_cut_does_not_begin() -> None:
    draining = Draining()
    draining.cut()
    with pytest.raises(GatewayShutdown):
        async with draining.exchange():
            pytest.fail("it began")


async def test_cutting_twice_cuts_once() -> None:
    draining = Draining()
    exchange = Exchange(draining, forever())
    await asyncio.sleep(0)
    draining.cut()
    draining.cut()
    await exchange.task
    assert isinstance(exchange.ended, GatewayShutdown)


async def test_what_is_done_before_the_cut_is_left_alone() -> None:
    draining = Draining()
    async with draining.exchange():
        await asyncio.sleep(0)
    draining.cut()
    await asyncio.sleep(0)


async def test_a_timeout_of_the_exchange_itself_stays_one() -> None:
    with pytest.raises(TimeoutError):
        async with Draining().exchange(), asyncio.timeout(0):
            await forever()


@pytest.mark.parametrize("cut", [False, True], ids=["alone", "in the moment of the cut"])
async def test_a_client_that_leaves_is_no_cut(cut: bool) -> None:
    draining = Draining()
    exchange = Exchange(draining, forever())
    await asyncio.sleep(0)
    exchange.task.cancel()
    if cut:
        draining.cut()
    with pytest.raises(asyncio.CancelledError):
        await exchange.task
    assert exchange.ended is None


def drained(clients: Clients, *signals: float) -> float:
    """When draining these clients is over, if the operator asks again at these moments."""

    async def main() -> float:
        again = asyncio.Event()
        loop = asyncio.get_running_loop()
        for moment in signals:
            loop.call_at(moment, again.set)
        await Draining().drain(clients, BOUND, again)
        return loop.time()

    return virtual_time.run(main())


def test_nobody_is_waited_for_where_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    assert drained(Clients(0, 0.0)) == 0.0
    assert caplog.text == ""


@pytest.mark.parametrize(
    "clients",
    [Clients(2, 7.0), Clients(2, 3.0, unsent_until=7.0)],
    ids=["answers", "bytes of answers"],
)
def test_it_is_over_when_the_last_answer_has_left(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    assert 7.0 <= drained(clients) <= 7.0 + LOOK_AGAIN
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "Stopping after 2 requests under way, in 30 s at the latest. Stop again to stop now."
    )


@pytest.mark.parametrize(("goodbye", "over"), [(0.5, 7.5), (1000.0, 7.0 + LEAVING_SECONDS)])
def test_connections_have_a_moment_to_close(goodbye: float, over: float) -> None:
    clients = Clients(2, 7.0, goodbye=goodbye)
    assert drained(clients) == pytest.approx(over, abs=2 * LOOK_AGAIN)


def test_after_the_bound_the_rest_is_ended_and_has_a_moment_to_leave(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clients = Clients(1, BOUND + 0.5)
    assert BOUND + 0.5 <= drained(clients) <= BOUND + 0.5 + LOOK_AGAIN
    assert not clients.held
    assert [record.getMessage() for record in caplog.records] == [
        "Stopping after 1 request under way, in 30 s at the latest. Stop again to stop now.",
        "Ending 1 request still under way.",
    ]


@pytest.mark.parametrize(
    ("signals", "over"),
    [
        ((), BOUND + LEAVING_SECONDS),
        ((4.0,), 4.0 + LEAVING_SECONDS),
        ((4.0, 5.0), 5.0),
        ((BOUND + 1.0,), BOUND + 1.0),
    ],
    ids=["no signal", "one more", "two more", "one after the bound"],
)
def test_each_further_signal_ends_what_is_waited_for(
    signals: tuple[float, ...], over: float
) -> None:
    assert drained(Clients(1, 1000.0), *signals) == pytest.approx(over, abs=LOOK_AGAIN)


def test_the_cut_comes_at_the_bound() -> None:
    async def main() -> tuple[float, BaseException | None]:
        draining = Draining()
        exchange = Exchange(draining, forever())
        await asyncio.sleep(0)
        clients = Clients(1, BOUND + 0.1)
        await asyncio.gather(draining.drain(clients, BOUND, asyncio.Event()), exchange.task)
        return asyncio.get_running_loop().time(), exchange.ended

    moment, ended = virtual_time.run(main())
    assert moment == pytest.approx(BOUND + 0.5)
    assert isinstance(ended, GatewayShutdown)
