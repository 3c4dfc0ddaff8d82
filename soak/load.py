"""The clients. Each request is entered in the book when it is made, with what becomes of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

from soak.answers import WrongAnswer, judge
from soak.crowd import Asked, plain
from soak.evidence import Entry, Kind, Outcome
from support.http1 import Malformed
from support.raw_http import Head, RawConnection

PATIENCE = 20.0
"""Seconds without a byte after which a client takes the gateway for dead."""
MOST = 400
"""Requests under way at a time; more are not begun, so that everything is bounded."""
SMALL_BUFFER = 4096
SIP_BYTES = 32 * 1024
SIP_SECONDS = 0.1
"""How long a slow reader rests after so many bytes."""

type Draw = Callable[[int], Asked]
"""The request of a number."""
type Until = Callable[[], bool]

_BROKEN = (ConnectionError, asyncio.IncompleteReadError, Malformed, WrongAnswer, TimeoutError)


class Crowd:
    """All clients of the gateway at ``port``, with the connections that rest between requests."""

    def __init__(self, port: int) -> None:
        self.entries: list[Entry] = []
        self.phase = ""
        """What requests are entered under that begin now."""
        self._port = port
        self._numbers = itertools.count(1)
        self._resting: list[RawConnection] = []
        self._under_way = 0
        self._clock = asyncio.get_running_loop().time

    async def keep_asking(self, draw: Draw, rate: float, until: Until) -> None:
        """So many requests a second, evenly, whether they are answered or not.

        Returns when all have ended that were begun before ``until`` held.
        """
        began = self._clock()
        async with asyncio.TaskGroup() as group:
            for turn in itertools.count():
                await asyncio.sleep(max(0.0, began + turn / rate - self._clock()))
                if until():
                    return
                if self._under_way < MOST:
                    group.create_task(self.ask(draw(next(self._numbers))))

    async def in_turn(self, draw: Draw, clients: int, until: Until) -> None:
        """So many clients, each of which asks again when it has been answered."""

        async def client() -> None:
            while not until():
                await self.ask(draw(next(self._numbers)))

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())

    async def at_once(self, name: str, count: int, meanwhile: Awaitable[None]) -> None:
        """So many plain requests side by side, and ``meanwhile`` beside them."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.ask(plain(name, next(self._numbers))))
            await meanwhile

    async def ask_one(self, name: str) -> tuple[Entry, Head | None]:
        """One plain request, and the head of its answer."""
        return await self.ask(plain(name, next(self._numbers)))

    async def ask(self, asked: Asked) -> tuple[Entry, Head | None]:
        """Make one request, and see how it ends."""
        entry = Entry(asked, self.phase, self._clock())
        self.entries.append(entry)
        self._under_way += 1
        try:
            outcome, head = await self._outcome(asked, entry.began)
        finally:
            self._under_way -= 1
        entry.outcomes.append(outcome)
        return entry, head

    async def rest(self) -> None:
        """Close the connections that nobody uses."""
        while self._resting:
            await self._resting.pop().close()

    async def _outcome(self, asked: Asked, began: float) -> tuple[Outcome, Head | None]:
        visit = Visit(asked, self._clock)
        connection: RawConnection | None = None
        try:
            async with asyncio.timeout(asked.leaves) as leaving:
                connection = await self._connection(asked)
                outcome = await visit.answer(connection, began)
        except _BROKEN as error:
            if isinstance(error, TimeoutError) and leaving.expired():
                outcome = await _leave(asked, connection, visit)
            else:
                outcome = visit.ended(Kind.WRONG, f"{type(error).__name__}: {error}")
                await _close(connection)
        else:
            await self._put_back(asked, connection, visit)
        return outcome, visit.head

    async def _connection(self, asked: Asked) -> RawConnection:
        if self._resting and not asked.slow:
            return self._resting.pop()
        buffer = SMALL_BUFFER if asked.slow else None
        connection = RawConnection(self._port, deadline=PATIENCE, receive_buffer=buffer)
        return await connection.__aenter__()

    async def _put_back(self, asked: Asked, connection: RawConnection, visit: "Visit") -> None:
        if asked.slow or visit.closes:
            await _close(connection)
        else:
            self._resting.append(connection)


class Visit:
    """One request on one connection."""

    def __init__(self, asked: Asked, clock: Callable[[], float]) -> None:
        self.head: Head | None = None
        self._asked = asked
        self._clock = clock

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer."""
        return self.head is None or self.head.header("connection") == "close"

    async def answer(self, connection: RawConnection, began: float) -> Outcome:
        """Make the request and judge the whole answer. Raises one of _BROKEN."""
        await connection.send(self._asked.as_bytes())
        head = self.head = await connection.read_head()
        first = self._clock() - began
        body = bytearray()
        async for piece in connection.body(head):
            sips = (len(body) + len(piece)) // SIP_BYTES - len(body) // SIP_BYTES
            body += piece
            if self._asked.slow and sips:
                await asyncio.sleep(sips * SIP_SECONDS)
        return judge(head, bytes(body), self._clock(), first)

    def ended(self, kind: Kind, detail: str = "") -> Outcome:
        """What it comes to without a whole answer."""
        head = self.head
        exchange = head.header("x-request-id") if head is not None else None
        status = head.status if head is not None else 0
        return Outcome(kind, self._clock(), status, "", exchange or "", detail=detail)


async def _leave(asked: Asked, connection: RawConnection | None, visit: Visit) -> Outcome:
    outcome = visit.ended(Kind.LEFT)
    if connection is not None and asked.resets:
        connection.abort()
    await _close(connection)
    return outcome


async def _close(connection: RawConnection | None) -> None:
    if connection is not None:
        with suppress(ConnectionError):
            await connection.close()
