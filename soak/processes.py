"""The gateway and the providers as seen from here: started, commanded, looked into."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from bench.processes import REPOSITORY, Helper, run_helper

from soak.evidence import UpstreamCall, Vitals
from soak.plan import configuration
from support.process import ADDON, Gateway, run_gateway

INSIDE = REPOSITORY / "soak" / "inside.py"
LOOK_AGAIN = 0.02
ANSWER_SECONDS = 15.0
EXIT_SECONDS = 15.0


class Providers:
    """The process of :mod:`soak.provider`. Made by :func:`open_providers`."""

    def __init__(self, helper: Helper, url: str) -> None:
        self.url = url
        self._helper = helper
        self._one_at_a_time = asyncio.Lock()

    async def switch(self, **steps: str) -> None:
        """What these providers do from now on."""
        await self._tell({"switch": steps})

    async def shut(self, closed: bool) -> None:
        """Refuse connections, or accept them again."""
        await self._tell({"shut": closed})

    async def let_go(self, provider: str) -> None:
        """Let this provider's held answers go."""
        await self._tell({"let_go": provider})

    async def busy(self, provider: str) -> int:
        """How many calls of this provider are being answered."""
        return int((await self._tell({"busy": provider}))["busy"])

    async def stall(self) -> float:
        """How long their process was held up since the last time, in seconds."""
        return float((await self._tell({"stall": True}))["stall"])

    async def calls(self, path: Path) -> tuple[list[UpstreamCall], list[str]]:
        """All calls so far, by way of a file, and what went wrong in the providers."""
        answer = await self._tell({"write": str(path)})
        return _read_calls(path), answer["failures"]

    async def _tell(self, command: dict[str, Any]) -> dict[str, Any]:
        async with self._one_at_a_time:
            self._helper.tell(command)
            return await self._helper.hear()


def _read_calls(path: Path) -> list[UpstreamCall]:
    return [UpstreamCall(**json.loads(line)) for line in path.read_text().splitlines()]


@asynccontextmanager
async def open_providers() -> AsyncIterator[Providers]:
    """Start them."""
    async with run_helper("soak.provider") as helper:
        yield Providers(helper, (await helper.hear())["url"])


class Subject:
    """The gateway under test. Made by :func:`open_gateway`."""

    def __init__(self, gateway: Gateway, directory: Path, url: str) -> None:
        self._gateway = gateway
        self._directory = directory
        self._url = url
        self._counted = 0
        self._process = psutil.Process(gateway.pid)
        self.port = gateway.port

    def configure(self, *, other: bool) -> None:
        """Replace the configuration file; the gateway looks at it every second."""
        new = self._directory / "new.yaml"
        new.write_text(configuration(self._url, other=other))
        new.rename(self._directory / "provider_config.yaml")

    async def started(self) -> None:
        """Wait until it has started altogether, and not only listens."""
        await self._next_counts()

    async def vitals(self) -> Vitals:
        """What it holds now."""
        self._process.send_signal(signal.SIGUSR1)
        counts = await self._next_counts()
        return Vitals(
            at=asyncio.get_running_loop().time(),
            sockets=len(self._process.net_connections(kind="tcp")),
            descriptors=self._process.num_fds(),
            rss=self._gateway.rss(),
            cpu=self._gateway.cpu_seconds(),
            **counts,
        )

    async def _next_counts(self) -> dict[str, Any]:
        path = counts_path(self._directory)
        self._counted += 1
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                if self._gateway.returncode is not None:
                    raise self._gateway.failure(f"it ended with {self._gateway.returncode}")
                counts = _read(path)
                if counts.pop("number", 0) == self._counted:
                    return counts
                await asyncio.sleep(LOOK_AGAIN)

    async def end(self) -> int | None:
        """Stop it as an operator does; its exit status, None if it did not stop."""
        if self._gateway.returncode is None:
            self._gateway.signal()
        try:
            return await self._gateway.wait_exit(EXIT_SECONDS)
        except TimeoutError:
            return None

    def output(self) -> str:
        """Everything that it has printed."""
        return self._gateway.output()


def counts_path(directory: Path) -> Path:
    """Where what it holds is written."""
    return directory / "counts.json"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


@asynccontextmanager
async def open_gateway(directory: Path, url: str) -> AsyncIterator[Subject]:
    """Start it in ``directory``, in front of the providers at ``url``."""
    # To read the system's authorities for each of so many providers would take seconds.
    nobody = directory / "no-authorities.pem"
    nobody.touch()
    environment = {"SSL_CERT_FILE": str(nobody), "SOAK_COUNTS": str(counts_path(directory))}
    async with run_gateway(
        directory,
        config_text=configuration(url),
        scripts=[ADDON, INSIDE],
        env=environment,
        cold=True,
        expect_clean=False,
    ) as gateway:
        subject = Subject(gateway, directory, url)
        await subject.started()
        yield subject
