"""Clients that only take up room, as a process: ``python -m soak.besiegers``.

It reads one command in JSON per line of standard input and answers each with a line: ``{"port",
"idle", "slow"}`` begins, ``{}`` counts, ``{"end": true}`` closes everything. Half of the idle
clients ask once, for what needs no token, and then nothing; the others never ask. Half of the slow
ones send a head byte by byte, half a body. Whoever is closed comes back.
"""

import asyncio
import itertools
import json
import random
import sys
from dataclasses import dataclass
from typing import Any, override

ADDRESSES = 8
"""Loopback addresses that they come from, so that no bound for one address is met."""
PACE = 1.0
"""Seconds between two bytes of a slow one."""
REST = (0.5, 1.5)
"""Seconds until one that was closed comes back."""
COMING = 8.0
"""Seconds in which they come for the first time."""

PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"


@dataclass(frozen=True, slots=True)
class Manner:
    """What one sends at once, and whether it goes on byte by byte."""

    first: bytes
    goes_on: bool


IDLE = (Manner(b"", False), Manner(PING, False))
SLOW = (Manner(HEAD + b"X-Slow: ", True), Manner(HEAD + b"\r\n", True))


class Besieger(asyncio.Protocol):
    """One connection."""

    def __init__(self, gone: asyncio.Future[None]) -> None:
        self._gone = gone

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)


class Besiegers:
    """All of them."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._lots = random.Random(1)
        self.held = 0
        self.closed = 0
        """How often one was closed."""
        self.refused = 0
        """How often one could not connect."""

    def begin(self, port: int, idle: int, slow: int) -> None:
        """Let so many come."""
        manners = [IDLE[n % 2] for n in range(idle)] + [SLOW[n % 2] for n in range(slow)]
        for number, manner in enumerate(manners):
            address = f"127.0.0.{2 + number % ADDRESSES}"
            delay = COMING * self._lots.random()
            task = asyncio.ensure_future(self._besiege(port, address, manner, delay))
            self._tasks.append(task)

    async def end(self) -> None:
        """Let all go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def counts(self) -> dict[str, int]:
        """How it stands."""
        return {"held": self.held, "closed": self.closed, "refused": self.refused}

    async def _besiege(self, port: int, address: str, manner: Manner, delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            try:
                await self._hold(port, address, manner)
            except OSError:
                self.refused += 1
            await asyncio.sleep(self._lots.uniform(*REST))

    async def _hold(self, port: int, address: str, manner: Manner) -> None:
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        transport, _ = await loop.create_connection(
            lambda: Besieger(gone), "127.0.0.1", port, local_addr=(address, 0)
        )
        self.held += 1
        try:
            transport.write(manner.first)
            for _ in itertools.count() if manner.goes_on else ():
                await asyncio.wait([gone], timeout=PACE)
                if gone.done():
                    break
                transport.write(b"x")
            await gone
            self.closed += 1
        finally:
            self.held -= 1
            transport.abort()


async def obey(besiegers: Besiegers, command: dict[str, Any]) -> dict[str, int]:
    """Do what a line says; the answer."""
    match command:
        case {"end": True}:
            await besiegers.end()
        case {"port": port, "idle": idle, "slow": slow}:
            besiegers.begin(port, idle, slow)
    return besiegers.counts()


async def serve() -> None:
    """Serve until standard input ends."""
    besiegers = Besiegers()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await obey(besiegers, json.loads(line))), flush=True)
    await besiegers.end()


if __name__ == "__main__":
    asyncio.run(serve())
