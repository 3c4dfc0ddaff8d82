"""Background tasks that neither vanish nor fail unseen.

The event loop holds tasks weakly, and an exception in a task that nobody awaits is reported only
when the task is collected. :func:`spawn` keeps a reference until the task ends, and logs how it
failed.
"""

import asyncio
import logging
from collections.abc import Coroutine

logger = logging.getLogger(__name__)

_running: set[asyncio.Task[None]] = set()


def spawn(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """Run ``work`` in the background; it begins at once, up to where it first waits."""
    task = asyncio.eager_task_factory(asyncio.get_running_loop(), work, name=name)
    if not task.done():
        _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("Task %s failed.", task.get_name(), exc_info=error)
