"""A mitmproxy script beside the gateway's: at SIGUSR1 it writes what the process holds to a file.

``mitmdump -s addon/ai_proxy.py -s soak/inside.py``, with ``SOAK_COUNTS`` as the file's path. The
gateway has nothing for this in itself, so what is read here are its own private counts.
"""

import asyncio
import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from mitmproxy import ctx

TICK = 0.05
"""Seconds between two looks at how late the event loop is."""


class Inside:
    """Counts on demand."""

    def __init__(self) -> None:
        self._path = Path(os.environ["SOAK_COUNTS"])
        self._number = 0
        self._lag = 0.0
        self._ticking: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Begin to listen to the signal, and to watch the event loop; say so with first counts."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._write)
        self._ticking = loop.create_task(self._tick())
        self._write()

    def done(self) -> None:
        """Stop watching."""
        if self._ticking is not None:
            self._ticking.cancel()

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(TICK)
            self._lag = max(self._lag, clock() - before - TICK)

    def _write(self) -> None:
        self._number += 1
        lag, self._lag = self._lag, 0.0
        gc.collect()
        kinds = Counter(_kind(task) for task in asyncio.all_tasks())
        counts = {
            "number": self._number,
            "lag": lag,
            "tasks": kinds.total(),
            "kinds": dict(kinds),
            "objects": len(gc.get_objects()),
            "parked": _longest_rest(ctx.master.addons.get("ai_proxy")),
            "held": dict(_held(ctx.master.addons.get("ai_proxy"))),
        }
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(counts))
        new.rename(self._path)


def _kind(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def _held(gateway: Any) -> Counter[str]:
    """Everything that is nothing at rest."""
    engine = gateway._engine
    held: Counter[str] = Counter()
    for name, provider in engine._kept.gatekeeper._providers.items():
        held[f"{name} running"] = provider.throttle.running
        held[f"{name} waiting"] = provider.throttle.waiting
        held[f"{name} given"] = provider.throttle._given
        held[f"{name} probe"] = _has_probe(provider.breaker)
    for label, gate in engine._kept.gatekeeper._gates.items():
        held[f"{label} probe"] = _has_probe(gate.breaker)
    held["requests"] = engine.current._users
    held["exchanges"] = len(gateway._draining._limits)
    held["exchanges in memory"] = sum(map(_is_trace, gc.get_objects()))
    held["client connections"] = len(gateway._proxyserver.connections)
    return held


def _has_probe(breaker: Any) -> bool:
    return bool(breaker._is_open and breaker._clock() < breaker._probe_until)


def _longest_rest(gateway: Any) -> float:
    gates = gateway._engine._kept.gatekeeper._gates.values()
    return max((gate.cooldown.left() for gate in gates), default=0.0)


def _is_trace(found: object) -> bool:
    kind = type(found)
    return kind.__module__ == "llm_gateway.trace" and kind.__name__ == "Trace"


addons = [Inside()]
