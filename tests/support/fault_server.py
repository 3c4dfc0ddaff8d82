"""A provider that fails on demand, byte for byte, and remembers every call.

How a call is answered is in the name of the model that it asks for: `status-500.ok` fails the first
time and answers from then on, `status-500:3.ok` fails three times; support.fault_scripts has the
steps. One server is as many providers as one likes: the first segment of a call's path,
`/{provider}/v1/chat/completions`, tells them apart, so that one gateway with one configuration
serves a whole table of faults.
"""

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from support.fault_attempt import Attempt, Script
from support.fault_scripts import script_of
from support.recording_server import Received, RecordingServer, Reply
from support.waiting import DEADLINE

PATH = "v1/chat/completions"

type Ending = Literal["complete", "cut", "left"]
"""The whole answer was sent; the server broke it off; the client left before its end."""


@dataclass(eq=False)
class Call:
    """One call. Times are the event loop's, in seconds, the same in all that is on this machine.

    `number` counts all calls from 1 and is in the content of the answer. `reused` tells whether its
    connection had carried another call before, `left` when the client closed it during the answer.
    """

    number: int
    provider: str
    model: str
    step: str
    began: float
    reused: bool
    received: Received = field(repr=False)
    sent: list[tuple[float, int]] = field(repr=False)
    """When something was sent, and how many bytes."""
    ending: Ending | None = None
    ended: float | None = None
    left: float | None = None


class FaultServer(RecordingServer):
    """`async with FaultServer() as server:` serves the provider x at `server.base_url("x")`."""

    def __init__(self) -> None:
        super().__init__(self._play)
        self.calls: list[Call] = []
        self.strays: list[Received] = []
        """Requests for anything else, like the place that a redirect leads to."""
        self._turns: Counter[tuple[str, str]] = Counter()
        self._used: set[int] = set()
        self._let_go: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def base_url(self, provider: str) -> str:
        """What an OpenAI client of this provider takes as its base URL."""
        return f"{self.url}/{provider}/v1"

    def calls_of(self, provider: str) -> list[Call]:
        """The calls of one provider so far, in order."""
        return [call for call in self.calls if call.provider == provider]

    def let_go(self, provider: str) -> None:
        """Let the `held` steps of this provider go on, now and later."""
        self._let_go[provider].set()

    async def call(self, provider: str, number: int = 1, within: float = DEADLINE) -> Call:
        """Wait for the `number`-th call (from 1) of this provider and return it."""
        await self.until(lambda: len(self.calls_of(provider)) >= number, within)
        return self.calls_of(provider)[number - 1]

    async def ended(self, call: Call, within: float = DEADLINE) -> Ending:
        """Wait until the call is over and tell how it ended."""
        await self.until(lambda: call.ending is not None, within)
        assert call.ending is not None
        return call.ending

    def script(self, call: Call) -> Script:
        """How a call is answered: as its step says."""
        return script_of(call.step)

    async def _play(self, received: Received, reply: Reply) -> None:
        provider, _, path = received.path.removeprefix("/").partition("/")
        if path != PATH:
            self.strays.append(received)
            await reply.json(404, {"error": {"message": f"There is no {path}."}})
            return
        call = self._record(provider, received, reply)
        play = self.script(call)
        attempt = Attempt(call.number, call.reused, received, reply, self._let_go[provider])
        noticing = asyncio.get_running_loop().create_task(self._notice(call))
        try:
            await play(attempt)
        finally:
            # Before anything else runs: the end of a connection that was cut here comes later.
            self._end(call, reply)
            noticing.cancel()
            with suppress(asyncio.CancelledError):
                await noticing

    def _record(self, provider: str, received: Received, reply: Reply) -> Call:
        model = received.json["model"]
        steps = _steps(model)
        turn = self._turns[provider, model]
        self._turns[provider, model] += 1
        call = Call(
            number=len(self.calls) + 1,
            provider=provider,
            model=model,
            step=steps[min(turn, len(steps) - 1)],
            began=asyncio.get_running_loop().time(),
            reused=received.connection_id in self._used,
            received=received,
            sent=reply.sent,
        )
        self._used.add(received.connection_id)
        self.calls.append(call)
        self._changes.tell()
        return call

    async def _notice(self, call: Call) -> None:
        await call.received.closed.wait()
        if call.ending is not None:
            return
        call.left = asyncio.get_running_loop().time()
        self._changes.tell()

    def _end(self, call: Call, reply: Reply) -> None:
        call.ended = asyncio.get_running_loop().time()
        if call.received.closed.is_set():
            call.ending = "left"
            call.left = call.left or call.ended
        else:
            call.ending = "complete" if reply.is_open else "cut"
        self._changes.tell()


def _steps(model: str) -> list[str]:
    steps: list[str] = []
    for part in model.split("."):
        step, _, times = part.partition(":")
        steps += [step] * int(times or 1)
    return steps
