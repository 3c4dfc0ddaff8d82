"""The providers: ``python -m soak.provider``, the fault server of the tests with a control line.

Prints its origin as one JSON line, then reads commands, each a line and answered by one, until its
standard input ends. What each provider does is one step of the fault server's, and may be changed
at any time; those that are well answer at the pace and the length that they are asked for.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, override

from soak.crowd import SUBJECT
from soak.evidence import UpstreamCall
from soak.stalls import Stalls, watch_stalls
from support.fault_attempt import Attempt, Script
from support.fault_scripts import script_of
from support.fault_server import Call, FaultServer
from support.marks import mark
from support.openai_shapes import completion, message, usage

WELL = "well"
THINKING = 0.08
"""Seconds before an answer begins."""
PACE = 0.03
"""Seconds between two pieces of a stream."""
LONG = 100
"""Pieces; a longer stream goes in bursts of so many."""


async def _well(attempt: Attempt) -> None:
    await attempt.pause(THINKING)
    count = attempt.asked["max_tokens"]
    if not attempt.stream:
        text = "".join(mark(attempt.number, place) for place in range(count))
        counted = usage(1, count)
        await attempt.reply.json(200, completion(attempt.model, [message(text)], "stop", counted))
        return
    await attempt.begin()
    for place in range(count):
        await attempt.pieces(place, 1)
        if count <= LONG or place % LONG == 0:
            await attempt.pause(PACE)
    await attempt.finish()


class Providers(FaultServer):
    """Providers whose faults change while they run, and which can be out of reach altogether."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[str, str] = {}
        self._reserved: socket.socket | None = None
        """Holds the port while nobody listens to it."""

    @override
    def script(self, call: Call) -> Script:
        call.step = self._steps.get(call.provider, WELL)
        return _well if call.step == WELL else script_of(call.step)

    def switch(self, steps: dict[str, str]) -> None:
        """From now on these providers answer so."""
        for step in steps.values():
            if step != WELL:
                script_of(step)
        self._steps |= steps

    def shut(self) -> None:
        """Refuse connections, and cut those that are open. The port stays ours."""
        self._server.close()
        # With the protocol named: else asyncio leaves Nagle's algorithm on.
        self._reserved = reserved = socket.socket(proto=socket.IPPROTO_TCP)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", self.port))
        for connection in self._connections:
            connection.writer.transport.abort()

    async def reopen(self) -> None:
        """Accept connections again, after `shut`."""
        if self._reserved is None:
            raise RuntimeError("nobody is shut out")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, sock=self._reserved, backlog=1024)

    def busy(self, provider: str) -> int:
        """How many calls of this provider are being answered."""
        return sum(call.ended is None for call in self.calls_of(provider))

    def write(self, path: Path) -> None:
        """All calls so far, each as a line of JSON."""
        path.write_text("".join(json.dumps(asdict(call)) + "\n" for call in self._seen()))

    def _seen(self) -> Iterator[UpstreamCall]:
        for call in self.calls:
            yield UpstreamCall(
                number=call.number,
                provider=call.provider,
                model=call.model,
                step=call.step,
                request=_request(call),
                reused=call.reused,
                began=call.began,
                ended=call.ended,
                ending=call.ending,
            )

    def failures(self) -> list[str]:
        """What requests were malformed, and bugs of this server."""
        return [repr(failure) for failure in self._failures]


def _request(call: Call) -> int:
    content: str = call.received.json["messages"][0]["content"]
    return int(content.removeprefix(SUBJECT))


async def obey(server: Providers, stalls: Stalls, command: dict[str, Any]) -> dict[str, Any]:
    """Do what a line says; the answer."""
    match command:
        case {"stall": True}:
            return {"stall": stalls.take()}
        case {"switch": steps}:
            server.switch(steps)
        case {"shut": True}:
            server.shut()
        case {"shut": False}:
            await server.reopen()
        case {"let_go": provider}:
            server.let_go(provider)
        case {"busy": provider}:
            return {"busy": server.busy(provider)}
        case {"write": path}:
            server.write(Path(path))
            return {"failures": server.failures()}
        case _:
            return {"error": f"unknown command {command}"}
    return {}


async def serve() -> None:
    """Serve until standard input ends."""
    async with Providers() as server, watch_stalls() as stalls:
        print(json.dumps({"url": server.url}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await obey(server, stalls, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
