"""Background tasks are kept, and their failures are seen."""

import asyncio
import gc
import logging
import weakref

import pytest

from llm_gateway.tasks import spawn


async def test_the_work_is_done() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    task = spawn(work(), "some work")
    assert task.get_name() == "some work"
    await task
    assert done.is_set()


async def test_a_task_that_nobody_keeps_is_not_collected() -> None:
    async def work() -> None:
        inner = asyncio.get_running_loop().create_future()
        waiting.append(weakref.ref(inner))
        await inner

    waiting: list[weakref.ref[asyncio.Future[None]]] = []
    spawn(work(), "waits for what only itself knows")
    await asyncio.sleep(0)
    gc.collect()
    inner = waiting[0]()
    assert inner is not None, "the task was collected"
    inner.set_result(None)
    await asyncio.sleep(0)


async def test_a_task_that_has_ended_is_let_go() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    task = spawn(work(), "short")
    await task
    gone = weakref.ref(task)
    del task
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None


async def test_a_failure_is_logged_with_the_name_and_the_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        raise KeyError("cause")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait([spawn(work(), "bad work")])
        await asyncio.sleep(0)
    [record] = caplog.records
    assert record.getMessage() == "Task bad work failed."
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


async def test_cancelling_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    task = spawn(work(), "waits")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert task.cancelled()
    assert caplog.records == []


async def test_work_that_is_done_at_once_in_an_eager_loop_is_fine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        raise KeyError("at once")

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        task = spawn(work(), "eager")
    finally:
        loop.set_task_factory(None)
    assert task.done()
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == ["Task eager failed."]
