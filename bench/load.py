"""The load generator: ``python -m bench.load``.

Reads one :class:`Job` as a JSON line. It opens the job's connections, sends a plain request over
each so that the proxy connects to the provider, and prints ``{"ready": true}``; at the next line
of input it does the work and prints a :class:`Tally`. Then it waits for the next job, until its
standard input ends. Every answer is checked; the first bad one ends the job, and what is printed
is ``{"error": …}``.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, override

from bench.http1 import Answer, BadAnswer
from bench.provider import CREDIT
from bench.sockets import Connected
from bench.traffic import DONE, EVENTS, Case, request, whole_answer

DEADLINE = 120.0
"""Seconds for one job, so that a proxy that hangs is an error."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where. ``held`` ignores ``requests``: it is one stream per connection."""

    case: Case
    port: int
    credit_port: int
    requests: int
    connections: int


@dataclass(slots=True)
class Tally:
    """What was answered, every answer complete and valid. ``seconds`` is time on the clock."""

    requests: int = 0
    events: int = 0
    seconds: float = 0.0


class ClientConnection(Connected):
    """One keep-alive connection: one request at a time."""

    def __init__(self, number: int, port: int, credits_: asyncio.Transport) -> None:
        super().__init__()
        self._number = number
        self._port = port
        self._credits = credits_
        self._case = Case.WHOLE
        self._answer = Answer()
        self._events = 0
        self._arrived: asyncio.Future[Answer] | None = None

    @override
    def data_received(self, data: bytes) -> None:
        try:
            if self._arrived is None:
                raise BadAnswer(f"bytes without a request: {data[:100]!r}")
            self._take(data)
        except (BadAnswer, ValueError, KeyError) as error:
            self._fail(error)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(BadAnswer(f"the connection closed before the answer's end ({exc})"))

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    async def ask(self, case: Case) -> Answer:
        """Send a request; the answer when it is complete, or when a held one has begun."""
        self._case = case
        self._answer = Answer()
        self._events = 0
        self._arrived = asyncio.get_running_loop().create_future()
        self.transport.write(request(case, self._port, self._number))
        try:
            return await self._arrived
        finally:
            self._arrived = None

    def _take(self, data: bytes) -> None:
        answer = self._answer
        seen = max(0, len(answer.body) - 1)
        answer.feed(data)
        arrived = answer.body.count(b"\n\n", seen)
        self._events += arrived
        if self._case is Case.STREAM:
            # The last event of a stream is [DONE], which nothing follows.
            due = arrived - (self._events > EVENTS)
            self._credits.write(CREDIT.pack(self._number) * due)
        if answer.complete or (self._case is Case.HELD and self._events):
            self._succeed(answer)

    def _succeed(self, answer: Answer) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_exception(error)


def check(case: Case, answer: Answer) -> int:
    """The number of events in the answer. Raises BadAnswer unless it is valid for the case."""
    if answer.status != HTTPStatus.OK:
        raise BadAnswer(f"status {answer.status}: {bytes(answer.body[:300])!r}")
    if case is Case.WHOLE:
        if answer.body != whole_answer():
            raise BadAnswer(f"not the provider's answer: {bytes(answer.body[:300])!r}")
        return 0
    frames = bytes(answer.body).split(b"\n\n")
    if frames.pop() or not all(frame.startswith(b"data: ") for frame in frames):
        raise BadAnswer("a stream holds something else than events")
    if case is Case.HELD:
        return len(frames)
    done = DONE.removesuffix(b"\n\n")
    if frames.count(done) != 1 or frames.pop() != done:
        raise BadAnswer("a stream does not have exactly one [DONE], at its end")
    if len(frames) != EVENTS:
        raise BadAnswer(f"a stream has {len(frames)} events, expected {EVENTS}")
    return EVENTS


@asynccontextmanager
async def connections(job: Job) -> AsyncIterator[list[ClientConnection]]:
    """The job's connections, open and known to work."""
    loop = asyncio.get_running_loop()
    credits_, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", job.credit_port)
    opened: list[ClientConnection] = []
    try:
        for number in range(job.connections):
            _, connection = await loop.create_connection(
                partial(ClientConnection, number, job.port, credits_), "127.0.0.1", job.port
            )
            opened.append(connection)
            check(Case.WHOLE, await connection.ask(Case.WHOLE))
        yield opened
    finally:
        for connection in opened:
            connection.close()
        credits_.close()


async def run(job: Job, opened: list[ClientConnection]) -> Tally:
    """Send the job's requests over the connections, on each one after the other."""
    tally = Tally()
    waiting = iter(range(job.requests))
    started = asyncio.get_running_loop().time()

    async def work(connection: ClientConnection) -> None:
        for _ in waiting:
            await exchange(job.case, connection, tally)

    async with asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(work(connection))
    tally.seconds = asyncio.get_running_loop().time() - started
    return tally


async def exchange(case: Case, connection: ClientConnection, tally: Tally) -> None:
    """One request and its answer, checked and counted."""
    answer = await connection.ask(case)
    tally.events += check(case, answer)
    tally.requests += 1


async def hold(opened: list[ClientConnection]) -> Tally:
    """Open a stream on each connection, and leave it open."""
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(exchange(Case.HELD, connection, tally))
    return tally


async def serve(job: Job) -> None:
    """Do one job."""
    async with asyncio.timeout(DEADLINE), connections(job) as opened:
        tally = await hold(opened) if job.case is Case.HELD else None
        say({"ready": True})
        await asyncio.to_thread(sys.stdin.readline)
        say(asdict(tally or await run(job, opened)))


def say(message: dict[str, Any]) -> None:
    """Print one JSON line."""
    print(json.dumps(message), flush=True)


def reasons(error: BaseException) -> str:
    """The innermost errors of a group, in words."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(sorted({reasons(inner) for inner in error.exceptions}))
    return f"{type(error).__name__}: {error}"


async def main() -> None:
    """Do jobs until standard input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        fields = json.loads(line)
        try:
            await serve(Job(**{**fields, "case": Case(fields["case"])}))
        except Exception as error:
            say({"error": reasons(error)})


if __name__ == "__main__":
    asyncio.run(main())
