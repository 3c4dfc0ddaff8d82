"""Run the gateway in a real mitmdump or mitmweb process, with an environment of its own."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack

import psutil

from support.raw_http import RawConnection, request_bytes
from support.waiting import DEADLINE
from support.warm_start import Start, WarmProcess, start_warm

REPOSITORY = Path(__file__).parents[2]
ADDON = REPOSITORY / "addon" / "ai_proxy.py"
START_DEADLINE = 20.0
STOP_DEADLINE = 10.0
LOOK_AGAIN = 0.02
"""Seconds between two looks at what another process does; its exit is noticed at once."""

WEB_PASSWORD = "pw"
BAD_OUTPUT = ("Traceback", "Addon error", "has crashed", "never retrieved", "never awaited")
OUTPUT_TAIL = 8000


class GatewaySettings(TypedDict, total=False):
    """Keyword arguments of `run_gateway`."""

    config_text: str
    """Written to provider_config.yaml in the working directory."""
    env: Mapping[str, str]
    """Added to a clean environment."""
    args: Sequence[str]
    """More command line arguments, after ours."""
    tool: Literal["mitmdump", "mitmweb"]
    scripts: Sequence[Path]
    """Scripts to load; the gateway's addon by default."""
    mode: str
    """mitmproxy's mode; a reverse proxy to a closed port by default."""
    cold: bool
    """Started as a person does it, not from a process that has mitmproxy loaded already."""
    expect_clean: bool
    """Whether leaving the block fails on BAD_OUTPUT, an early exit or a forced kill (default)."""


class GatewayFailed(AssertionError):
    """The process did not start, did not stop or complained; the message has its output."""


class Gateway:
    """A running process. Made by `run_gateway`."""

    def __init__(
        self, process: Process | WarmProcess, log: Path, port: int, web_port: int | None
    ) -> None:
        self._process = process
        self._exit = asyncio.ensure_future(process.wait())
        self._log = log
        self._log_seen = 0
        self._statistics = psutil.Process(process.pid)
        self._web_port = web_port
        self.port = port
        self.told_to_end = False
        """Whether a test has sent it a signal, so that it may end by itself."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The proxy's origin."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def web_port(self) -> int:
        """The port of mitmweb's page; raises ValueError for mitmdump."""
        if self._web_port is None:
            raise ValueError("mitmdump has no web page; run with tool='mitmweb'")
        return self._web_port

    @property
    def web_url(self) -> str:
        """The origin of mitmweb's page."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.returncode

    def output(self) -> str:
        """Return what stdout and stderr said so far, in one."""
        return self._log.read_text(errors="replace")

    def fresh_output(self) -> str:
        """Return what was said since the last call of this."""
        with self._log.open("rb") as log:
            log.seek(self._log_seen)
            fresh = log.read()
        self._log_seen += len(fresh)
        return fresh.decode(errors="replace")

    def rss(self) -> int:
        """Return the resident memory in bytes."""
        return int(self._statistics.memory_info().rss)

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, user and system."""
        times = self._statistics.cpu_times()
        return float(times.user + times.system)

    async def wait_output(self, text: str, within: float = DEADLINE) -> None:
        """Wait until the output holds `text`; raises GatewayFailed on exit or deadline."""
        await self._until(lambda: text in self.output(), within, f"output {text!r}")

    async def web_json(self, path: str, method: str = "GET", content: object = None) -> Any:
        """Call mitmweb's REST interface and return its JSON, None for an empty answer.

        A write carries the double-submitted XSRF token that mitmweb asks for. Raises
        AssertionError on a status other than 2xx.
        """
        headers = [
            ("Authorization", f"Bearer {WEB_PASSWORD}"),
            ("Content-Type", "application/json"),
            ("Cookie", "_mitmproxy_xsrf=abc"),
            ("X-XSRFToken", "abc"),
        ]
        body = b"" if content is None else json.dumps(content).encode()
        host = f"127.0.0.1:{self.web_port}"
        async with RawConnection(self.web_port) as client:
            head, answer = await client.exchange(
                request_bytes(method, path, headers, body, host=host)
            )
        assert head.status // 100 == 2, f"{method} {path}: {head.status} {answer[:500]!r}"
        return json.loads(answer) if answer else None

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal that ends it."""
        self.told_to_end = True
        self._process.send_signal(number)

    async def wait_exit(self, within: float = DEADLINE) -> int:
        """Wait until the process ends by itself; return its exit status."""
        async with asyncio.timeout(within):
            return await asyncio.shield(self._exit)

    async def started(self) -> None:
        """Wait until the process itself listens on its ports."""
        wanted = {self.port} if self._web_port is None else {self.port, self._web_port}
        await self._until(lambda: wanted <= self._listening(), START_DEADLINE, "listening ports")

    async def stop(self) -> bool:
        """End the process with SIGTERM, or by force after a while; tell whether SIGTERM did it."""
        if self._exit.done():
            return True
        self._process.terminate()
        await asyncio.wait([self._exit], timeout=STOP_DEADLINE)
        if self._exit.done():
            return True
        self._process.kill()
        await self._exit
        return False

    def failure(self, text: str) -> GatewayFailed:
        """Return an error that says `text` and shows the end of the output."""
        return GatewayFailed(f"{text}; output:\n{self.output()[-OUTPUT_TAIL:]}")

    async def _until(self, fact: Callable[[], bool], within: float, wanted: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not fact():
            if self._exit.done() and not fact():
                raise self.failure(f"exited with {self.returncode} while waiting for {wanted}")
            if loop.time() >= end:
                raise self.failure(f"no {wanted} within {within} s")
            await asyncio.wait([self._exit], timeout=LOOK_AGAIN)

    def _listening(self) -> set[int]:
        try:
            sockets = self._statistics.net_connections(kind="tcp")
        except psutil.Error:
            return set()
        return {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN}


class StartGateway(Protocol):
    """Starts a gateway that the fixture stops after the test."""

    async def __call__(self, **settings: Unpack[GatewaySettings]) -> Gateway: ...


def _candidate_ports() -> Iterator[int]:
    """Yield ports below those that kernels give to outgoing connections, from our own place."""
    # The golden ratio: process ids that are near each other begin far apart.
    number = os.getpid() * 6181
    while True:
        number += 1
        yield 20_000 + number % 10_000


_PORTS = _candidate_ports()


def free_port() -> int:
    """Return a loopback port that nobody listens on, never the same twice in a row."""
    for port in _PORTS:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the candidates never end")


@asynccontextmanager
async def run_gateway(
    directory: Path, **settings: Unpack[GatewaySettings]
) -> AsyncIterator[Gateway]:
    """Run mitmdump or mitmweb in `directory` and yield it when it listens.

    Raises GatewayFailed when it does not start within START_DEADLINE seconds and, unless
    `expect_clean` is False, on leaving the block when it had complained, ended early or had
    to be killed.
    """
    gateway = await _start(directory, settings)
    try:
        await gateway.started()
        yield gateway
    except BaseException as error:
        if not isinstance(error, GatewayFailed):
            error.add_note(f"output:\n{gateway.output()[-OUTPUT_TAIL:]}")
        await gateway.stop()
        raise
    ended_early = None if gateway.told_to_end else gateway.returncode
    stopped = await gateway.stop()
    if settings.get("expect_clean", True):
        _check(gateway, ended_early, stopped)


def _check(gateway: Gateway, ended_early: int | None, stopped: bool) -> None:
    if ended_early is not None:
        raise gateway.failure(f"exited with {ended_early} before it was stopped")
    if not stopped:
        raise gateway.failure(f"still there {STOP_DEADLINE} s after SIGTERM")
    output = gateway.output()
    for text in BAD_OUTPUT:
        if text in output:
            raise gateway.failure(f"the output has {text!r}")


async def _start(directory: Path, settings: GatewaySettings) -> Gateway:
    tool = settings.get("tool", "mitmdump")
    port = free_port()
    web_port = free_port() if tool == "mitmweb" else None
    command = [str(Path(sys.executable).parent / tool)]
    for script in settings.get("scripts", [ADDON]):
        command += ["-s", str(script)]
    command += ["--mode", settings.get("mode", "reverse:http://127.0.0.1:1")]
    command += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    command += ["--set", f"confdir={directory}"]
    if web_port is not None:
        command += ["--set", "web_open_browser=false", "--set", f"web_port={web_port}"]
        command += ["--set", "web_host=127.0.0.1", "--set", f"web_password={WEB_PASSWORD}"]
    command += settings.get("args", [])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONUNBUFFERED": "1",
        **settings.get("env", {}),
    }
    log = directory / f"{tool}-{port}.log"
    if "config_text" in settings:
        _write(directory / "provider_config.yaml", settings["config_text"])
    start = Start(command, str(directory), environment, str(log))
    # A fork that goes on without an exec is not safe on macOS.
    warm = sys.platform == "linux" and not settings.get("cold")
    process = await (start_warm(start) if warm else _start_cold(start))
    return Gateway(process, log, port, web_port)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


async def _start_cold(start: Start) -> Process:
    output = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *start.command,
            cwd=start.directory,
            env=start.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    finally:
        os.close(output)
