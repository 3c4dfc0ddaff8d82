"""Child processes: proxies that are measured, and helpers that are talked to in JSON lines.

Each is ended when its block is left, in whatever way. They have sessions of their own, so that
Ctrl-C in a terminal reaches only the parent, which then ends them in order.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[1]
START_SECONDS = 60.0
ANSWER_SECONDS = 150.0
STOP_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.05
SHOWN_OUTPUT = 4000


class BenchError(Exception):
    """The measurement cannot go on; the message says why."""


class Proxy:
    """A running mitmdump. Made by :func:`run_proxy`."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.port = 0
        self._process = process
        self._statistics = psutil.Process(process.pid)
        self._log = log

    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system."""
        times = self._statistics.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        """Resident memory in bytes."""
        return int(self._statistics.memory_info().rss)

    async def started(self) -> None:
        """Wait until it listens. Raises BenchError if it ends first, or takes too long."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not self._listens():
                    if self._process.returncode is not None:
                        raise self.failure(f"exited with {self._process.returncode}")
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise self.failure(f"did not listen within {START_SECONDS:g} s") from None

    def failure(self, what: str) -> BenchError:
        """An error about this process, with the end of what it wrote."""
        output = self._log.read_text(errors="replace")[-SHOWN_OUTPUT:]
        return BenchError(f"{self.name}: {what}\n{output}".rstrip())

    def _listens(self) -> bool:
        try:
            sockets = self._statistics.net_connections(kind="tcp")
        except psutil.Error:
            return False
        ports = [each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN]
        self.port = ports[0] if ports else 0
        return bool(ports)


class Helper:
    """A running module of this package. Made by :func:`run_helper`."""

    def __init__(
        self, name: str, to_it: asyncio.StreamWriter, from_it: asyncio.StreamReader
    ) -> None:
        self._name = name
        self._input = to_it
        self._output = from_it

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write a line to it."""
        self._input.write(json.dumps(message).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """The next line from it. Raises BenchError for none, and for one that reports an error."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                line = await self._output.readline()
        except TimeoutError:
            raise BenchError(f"{self._name}: silent for {ANSWER_SECONDS:g} s") from None
        if not line:
            raise BenchError(f"{self._name}: ended")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise BenchError(f"{self._name}: {message['error']}")
        return message


@asynccontextmanager
async def run_proxy(
    name: str, arguments: Sequence[str], directory: Path, settings: Mapping[str, str]
) -> AsyncIterator[Proxy]:
    """Run mitmdump with these arguments and environment variables; it chooses its port itself."""
    tool = Path(sys.executable).parent / "mitmdump"
    command = [str(tool), *arguments, "--listen-host", "127.0.0.1", "--listen-port", "0"]
    # Of our own environment nothing else: a proxy set there would be used.
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **settings}
    log = directory / "output"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--set",
            f"confdir={directory}",
            cwd=directory,
            env=environment,
            stdin=DEVNULL,
            # Quiet, it writes errors only; else every flow.
            stdout=output if "-q" in arguments else DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Proxy(name, process, log)
    finally:
        await _end(process)


@asynccontextmanager
async def run_helper(module: str) -> AsyncIterator[Helper]:
    """Run a module of this package, which ends by itself when we do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        cwd=REPOSITORY,
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise BenchError(f"{module}: no pipes")
        yield Helper(module, process.stdin, process.stdout)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
