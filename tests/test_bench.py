"""The benchmark runs, and its load generator refuses whatever is not a valid answer."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.process import REPOSITORY
from support.waiting import DEADLINE

BENCH_DEADLINE = 50.0
UNITS = {"whole": "CPU ms per request"} | dict.fromkeys(("stream", "burst"), "CPU µs per event")

type Tamper = Callable[[bytes], bytes]


async def test_a_tiny_run_prints_a_table_and_writes_every_figure(tmp_path: Path) -> None:
    """Every case, mode and contender has a figure; none but loopback's environment is needed."""
    report = tmp_path / "bench.json"
    counts = ["--requests", "4", "--rounds", "2", "--concurrency", "2", "--held", "8"]
    async with module("bench", *counts, "--json", str(report)) as process:
        async with asyncio.timeout(BENCH_DEADLINE):
            output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    check_table(output.decode())
    check_figures(json.loads(report.read_text()))


def check_table(table: str) -> None:
    """One line for each contender, mode and case, and for memory; a ratio for the gateway's."""
    lines = table.splitlines()
    assert "mitmproxy" in lines[0]
    assert "cores" in lines[0]
    assert lines[1].startswith("2 rounds of 4 / 2 / 2 requests, 2 connections")
    rows = [line.split() for line in lines if line.startswith(("  quiet", "  plain"))]
    modes = ["quiet", "quiet", "plain", "plain"]
    subjects = ["bare", "gateway"]
    assert [row[0] for row in rows] == [*modes * 3, "quiet", "quiet"]
    assert [row[1] for row in rows] == subjects * 7
    assert [row.count("-") for row in rows] == [1, 2] * 6 + [0, 0]


def check_figures(report: dict[str, Any]) -> None:
    """Costs and ratios are positive and ordered; the counts are those that were asked for."""
    assert report["rounds"] == 2
    assert report["machine"]["cores"] >= 1
    for summary in report["summary"]:
        assert summary["unit"] == UNITS[summary["case"]]
        for spread in (summary["bare"], summary["gateway"], summary["ratio"]):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert len(report["summary"]) == 3 * 2
    requests = {"whole": 4, "stream": 2, "burst": 2}
    for each in report["measurements"]:
        assert each["requests"] == requests[each["case"]]
        assert each["events"] == (0 if each["case"] == "whole" else 2 * 200)
        assert each["seconds"] > 0
    assert len(report["measurements"]) == 2 * 3 * 2 * 2
    assert [each["subject"] for each in report["memory"]] == ["bare", "gateway"]
    assert all(each["before"] > 10_000_000 for each in report["memory"])


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Process, dict[str, int]]]:
    """A running load generator, and the ports of a running provider."""
    async with module("bench.provider") as provider, module("bench.load") as load:
        yield load, await hear(provider)


async def test_the_load_generator_counts_valid_answers_and_refuses_others(
    ends: tuple[Process, dict[str, int]],
) -> None:
    """A status, an event, an end or a connection that is not as expected ends the job loudly."""
    load, ports = ends
    counted = await job(load, ports, "stream", lambda data: data)
    assert (counted["requests"], counted["events"]) == (3, 600)
    for case, tamper, reason in BAD_ANSWERS:
        answer = await job(load, ports, case, tamper)
        assert reason in answer["error"]


def cut(data: bytes) -> bytes:
    """Break the connection at the event with word 7."""
    if b" word7" in data:
        raise ConnectionResetError
    return data


BAD_ANSWERS: list[tuple[str, Tamper, str]] = [
    ("whole", lambda data: data.replace(b"1.1 200", b"1.1 500"), "status 500"),
    ("whole", lambda data: data.replace(b"gateway", b"getaway"), "not the provider's answer"),
    ("stream", lambda data: data.replace(b"data: [DONE]", b"data: [OVER]"), "exactly one [DONE]"),
    ("burst", lambda data: data.replace(b"data: [DONE]\n\n", b"data: [DONE]  "), "something else"),
    ("stream", lambda data: data.replace(b"data: {", b"Data: {"), "something else than events"),
    ("burst", lambda data: data.replace(b'"stop"}]}\n\n', b'"stop"}]}  '), "[DONE]"),
    ("stream", cut, "closed before the answer's end"),
]
"""What is done to the provider's bytes (never to their number), and what is said of it."""


async def job(load: Process, ports: dict[str, int], case: str, tamper: Tamper) -> dict[str, Any]:
    """Have three requests made through a relay that tampers; what is said at the end."""
    async with relay(ports["port"], tamper) as port:
        fields = {"port": port, "credit_port": ports["credit_port"], "connections": 2}
        tell(load, {"case": case, "requests": 3, **fields})
        answer = await hear(load)
        if answer == {"ready": True}:
            tell(load, {})
            answer = await hear(load)
    return answer


@asynccontextmanager
async def relay(port: int, tamper: Tamper) -> AsyncIterator[int]:
    """A port that leads to ``port`` and changes what comes back."""

    async def pump(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, change: Tamper
    ) -> None:
        try:
            while data := await source.read(1 << 20):
                target.write(change(data))
        except ConnectionError:
            pass
        finally:
            target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer, bytes))
            group.create_task(pump(far_reader, writer, tamper))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def module(name: str, *arguments: str) -> AsyncIterator[Process]:
    """A running module of the repository, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, *arguments, cwd=REPOSITORY, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


def tell(process: Process, message: dict[str, Any]) -> None:
    """Write one JSON line to its input."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")


async def hear(process: Process) -> dict[str, Any]:
    """Read one JSON line from its output."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        line = await process.stdout.readline()
    message: dict[str, Any] = json.loads(line)
    return message
