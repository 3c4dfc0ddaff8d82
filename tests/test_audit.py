"""An audit that could not ask fails, and says so; what it asks for is everything that is locked."""

import asyncio
from pathlib import Path

import pytest

import audit
from support.process import free_port
from support.recording_server import Received, RecordingServer, Reply


async def ask(content: bytes, status: int = 200) -> tuple[str | None, list[Received]]:
    """What the script thinks of a service that answers so."""

    async def answer(_received: Received, reply: Reply) -> None:
        await reply.whole(status, content, "application/json")

    async with RecordingServer(answer) as server:
        problem = await asyncio.to_thread(audit.problem_with, server.url)
        return problem, [*server.requests]


async def test_a_service_that_knows_what_everybody_knows_is_believed() -> None:
    problem, [received] = await ask(b'{"vulns": [{"id": "GHSA-x"}]}')
    assert problem is None
    assert received.json["package"]["ecosystem"] == "PyPI"


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{}", 200), (b'{"vulns": []}', 200), (b"<html>", 200), (b"[]", 200), (b"{}", 404)],
)
async def test_any_other_is_not(content: bytes, status: int) -> None:
    problem, _ = await ask(content, status)
    assert problem is not None
    assert "http://127.0.0.1" in problem


def test_without_a_service_nothing_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = tmp_path / "audit"
    status = audit.main(f"http://127.0.0.1:{free_port()}/v1/query", environment)
    assert status == audit.CANNOT_ASK
    assert "No audit was made, and nothing is known" in capsys.readouterr().err
    assert not environment.exists()


@pytest.mark.parametrize("name", audit.LOCKS)
def test_each_lock_is_audited_strictly(name: str) -> None:
    lock = audit.ROOT / name
    assert lock.is_file()
    words = audit.command(Path("build/audit"), lock)
    assert words[words.index("--requirement") + 1] == str(lock)
    # A requirement that is skipped would pass otherwise.
    assert "--strict" in words
