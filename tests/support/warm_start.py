"""Starts mitmproxy's tools from a process that has loaded them already.

Loading mitmproxy takes two thirds of a start, and the suite makes a hundred of them. What is loaded
beforehand is mitmproxy and what others wrote, not the gateway.

As a program it serves the Unix socket that it is given, until its standard input ends: for each
connection it reads what to start (:class:`Start`, as JSON in a line), forks, and writes the process
id and in the end the exit status, each in a line. It has no threads and no event loop, so that
a fork of it is as good as new.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

PRELOADED = (
    "aiohttp",
    "certifi",
    "mitmproxy.tools.main",
    "mitmproxy.tools.dump",
    "mitmproxy.tools.web.master",
    "orjson",
    "tenacity",
    "yaml",
)


@dataclass(frozen=True)
class Start:
    """A tool to start: its command line, with its path first, and where its output goes."""

    command: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    log: str


class WarmProcess:
    """A process that was started so; as far as it goes like asyncio's."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reader = reader
        self._writer = writer

    async def wait(self) -> int:
        """The exit status, once there is one; minus the number of the signal that ended it."""
        self.returncode = int(await self._reader.readline())
        self._writer.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


async def start_warm(start: Start) -> WarmProcess:
    """Start a tool."""
    reader, writer = await asyncio.open_unix_connection(_served())
    writer.write(json.dumps(asdict(start)).encode() + b"\n")
    return WarmProcess(int(await reader.readline()), reader, writer)


@cache
def _served() -> str:
    """The socket of this process's own server, which ends with it."""
    directory = tempfile.TemporaryDirectory(prefix="warm-")
    path = str(Path(directory.name, "socket"))
    server = subprocess.Popen(
        [sys.executable, __file__, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdout.readline()  # it listens

    def end() -> None:
        server.communicate()
        directory.cleanup()

    atexit.register(end)
    return path


def _serve(path: str) -> Start:
    """Serve until the standard input ends; returns in each forked process, what it is to be."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    sys.stdout.write("ready\n")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes care of the keepers
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in readable:
            sys.exit()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _keep(connection)
        connection.close()


def _keep(connection: socket.socket) -> Start:
    """Fork the tool, and tell of its end; returns in the tool's process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection, connection.makefile("rwb", buffering=0) as file:
        start = Start(**json.loads(file.readline()))
        pid = os.fork()
        if pid == 0:
            return start
        file.write(b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        file.write(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(start: Start) -> None:
    """Be the tool, as if it had been started with this."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, source in enumerate((nothing, output, output)):
        os.dup2(source, number)
    os.close(nothing)
    os.close(output)
    os.chdir(start.directory)
    os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    sys.argv = [*start.command]
    sys.path[0] = str(Path(start.command[0]).parent)

    main = importlib.import_module("mitmproxy.tools.main")
    getattr(main, Path(start.command[0]).name)()


if __name__ == "__main__":
    _become(_serve(sys.argv[1]))
