"""A gate between the events of a stream, for proofs of order that need no clock."""

import math

from support.waiting import DEADLINE, Changes


class Gate:
    """Holds the numbered steps (from 1) of one answer until the test lets them go.

    The answering side calls `hold` before each step and `mark` after it; the test calls
    `release` or `open` and may wait with `sent`. One gate serves one answer at a time.
    """

    def __init__(self) -> None:
        self._allowed: float = 0
        self._held = 0
        self._sent = 0
        self._changes = Changes()

    @property
    def sent_count(self) -> int:
        """The number of the last step done."""
        return self._sent

    def allow(self, count: int = 1) -> None:
        """Let the next `count` steps go, without waiting for them."""
        self._allowed += count
        self._changes.tell()

    def open(self) -> None:
        """Let every step go."""
        self._allowed = math.inf
        self._changes.tell()

    async def release(self, count: int = 1) -> int:
        """Let the next `count` steps go and wait until they are done; return the last number."""
        self.allow(count)
        last = int(self._allowed)
        await self.sent(last)
        return last

    async def sent(self, number: int, within: float = DEADLINE) -> None:
        """Wait until step `number` is done: its bytes are with the kernel."""
        await self._changes.until(lambda: self._sent >= number, within)

    async def reached(self, number: int, within: float = DEADLINE) -> None:
        """Wait until the answer stands before step `number`, or is past it."""
        await self._changes.until(lambda: self._held >= number, within)

    async def hold(self, number: int) -> None:
        """Wait, as the answering side, until step `number` may go."""
        self._held = max(self._held, number)
        self._changes.tell()
        await self._changes.until(lambda: self._allowed >= number, None)

    def mark(self, number: int) -> None:
        """Tell that step `number` is done."""
        self._sent = max(self._sent, number)
        self._changes.tell()
