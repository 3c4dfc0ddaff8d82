"""Who is measured: bare mitmproxy and the gateway, quiet (``-q``) and in mitmdump's plain mode.

Plain mode prints every flow (to the null device here), so there the gateway also publishes each
upstream attempt as a flow. Bare mitmproxy runs without a script where answers come whole; where
they are streamed, with the one hook that keeps it from buffering them.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import REPOSITORY, Proxy, run_proxy
from bench.traffic import TOKEN, Case

_STREAM_SCRIPT = REPOSITORY / "bench" / "stream_script.py"
_ADDON = REPOSITORY / "addon" / "ai_proxy.py"


class Mode(enum.StrEnum):
    """How mitmdump runs."""

    QUIET = "quiet"
    PLAIN = "plain"


class Subject(enum.StrEnum):
    """What is measured."""

    BARE = "bare"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class _Setup:
    """How one process is started."""

    name: str
    arguments: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contenders:
    """The running proxies of both modes."""

    proxies: Mapping[tuple[Mode, str], Proxy]

    def proxy(self, case: Case, mode: Mode, subject: Subject) -> Proxy:
        """The process that serves this case."""
        streams = subject is Subject.BARE and case is not Case.WHOLE
        return self.proxies[mode, "streaming" if streams else subject]


@asynccontextmanager
async def run_contenders(provider_port: int, directory: Path) -> AsyncIterator[Contenders]:
    """Start every proxy in front of the provider, with files below ``directory``."""
    async with AsyncExitStack() as stack:
        proxies = {
            (mode, setup.name): await _start(stack, mode, setup, directory)
            for mode in Mode
            for setup in _setups(provider_port)
        }
        await asyncio.gather(*(proxy.started() for proxy in proxies.values()))
        yield Contenders(proxies)


def _setups(provider_port: int) -> list[_Setup]:
    bare = ("--mode", f"reverse:http://127.0.0.1:{provider_port}")
    gateway = ("-s", str(_ADDON), "--mode", "reverse:http://127.0.0.1:1")
    return [
        _Setup(Subject.BARE, bare),
        _Setup("streaming", ("-s", str(_STREAM_SCRIPT), *bare)),
        _Setup(
            Subject.GATEWAY,
            gateway,
            {"AUTH_TOKEN": TOKEN},
            {"provider_config.yaml": _configuration(provider_port)},
        ),
    ]


async def _start(stack: AsyncExitStack, mode: Mode, setup: _Setup, directory: Path) -> Proxy:
    own = directory / f"{mode}-{setup.name}"
    own.mkdir()
    for name, text in setup.files.items():
        (own / name).write_text(text)
    arguments = ["-q", *setup.arguments] if mode is Mode.QUIET else setup.arguments
    name = f"{setup.name}, {mode}"
    return await stack.enter_async_context(run_proxy(name, arguments, own, setup.settings))


def _configuration(provider_port: int) -> str:
    models = "".join(f"  - {{name: {case.model}, provider: bench}}\n" for case in Case)
    return f"""\
providers:
  bench:
    kind: openai
    base_url: http://127.0.0.1:{provider_port}/v1
    api_key: sk-bench-0123456789
    http: {{max_connections: 1000}}
models:
{models}"""
