"""The gateway runner starts, observes, checks and ends a real mitmproxy process."""

from pathlib import Path

import pytest

from support.process import GatewayFailed, GatewaySettings, StartGateway, run_gateway
from support.raw_http import RawConnection, request_bytes

SCRIPT = """
import logging, os
from pathlib import Path
from mitmproxy import http

def running():
    logging.info("environment " + ",".join(sorted(os.environ)))
    logging.info("configuration " + Path("provider_config.yaml").read_text())

def request(flow):
    flow.response = http.Response.make(200, os.environ["ANSWER"])
    if flow.request.path == "/fail":
        raise KeyError("made up")
    if flow.request.path == "/exit":
        os._exit(3)
"""


ADDED_BY_PYTHON = {"LC_CTYPE"}
"""Where the locale is C (PEP 538)."""


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    """Run SCRIPT, which answers itself, so that nothing need listen upstream."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return {
        "scripts": [script],
        "env": {"ANSWER": "hello"},
        "args": ["--set", "connection_strategy=lazy"],
        "config_text": "models: []",
    }


async def get(port: int, path: str) -> bytes:
    async with RawConnection(port) as client:
        head, body = await client.exchange(request_bytes("GET", path, host="any.test"))
        assert head.status == 200
        return body


async def fail_once(directory: Path, settings: GatewaySettings) -> str:
    async with run_gateway(directory, **settings) as gateway:
        await get(gateway.port, "/fail")
        await gateway.wait_output("made up")
    return gateway.output()


async def exit_early(directory: Path, settings: GatewaySettings) -> None:
    async with run_gateway(directory, **settings) as gateway, RawConnection(gateway.port) as client:
        await client.send(request_bytes("GET", "/exit", host="any.test"))
        assert await gateway.wait_exit() == 3


@pytest.mark.parametrize("cold", [True, False])
async def test_mitmdump_runs_in_a_clean_environment(
    tmp_path: Path, settings: GatewaySettings, cold: bool
) -> None:
    settings["cold"] = cold
    async with run_gateway(tmp_path, **settings) as gateway:
        await gateway.wait_output("configuration models: []")
        assert await get(gateway.port, "/") == b"hello"
        assert gateway.rss() > 10_000_000
        assert gateway.cpu_seconds() > 0
        assert gateway.returncode is None
        assert gateway.url == f"http://127.0.0.1:{gateway.port}"
    line = next(line for line in gateway.output().splitlines() if "environment " in line)
    names = set(line.partition("environment ")[2].split(","))
    assert {"ANSWER", "HOME", "PATH"} <= names
    assert names <= {"ANSWER", "HOME", "PATH", "PYTHONUNBUFFERED", *ADDED_BY_PYTHON}
    assert gateway.returncode == 0


async def test_mitmweb_answers_its_rest_interface(
    tmp_path: Path, settings: GatewaySettings
) -> None:
    settings["tool"] = "mitmweb"
    async with run_gateway(tmp_path, **settings) as gateway:
        assert await get(gateway.port, "/path") == b"hello"
        [flow] = await gateway.web_json("/flows")
        assert flow["request"]["path"] == "/path"
        await gateway.web_json("/clear", "POST")
        assert await gateway.web_json("/flows") == []


async def test_a_traceback_in_the_output_fails_the_test(
    tmp_path: Path, settings: GatewaySettings
) -> None:
    with pytest.raises(GatewayFailed, match="the output has 'Traceback'"):
        await fail_once(tmp_path, settings)


async def test_a_traceback_may_be_expected(tmp_path: Path, settings: GatewaySettings) -> None:
    settings["expect_clean"] = False
    assert "Traceback" in await fail_once(tmp_path, settings)


@pytest.mark.parametrize("cold", [True, False])
async def test_an_exit_before_the_end_fails_the_test(
    tmp_path: Path, settings: GatewaySettings, cold: bool
) -> None:
    settings["cold"] = cold
    with pytest.raises(GatewayFailed, match="exited with 3 before it was stopped"):
        await exit_early(tmp_path, settings)


async def test_a_process_that_does_not_start_is_shown_with_its_output(
    tmp_path: Path, settings: GatewaySettings
) -> None:
    settings["args"] = ["--no-such-argument"]
    with pytest.raises(GatewayFailed, match=r"(?s)exited with 1 .*--no-such-argument"):
        await exit_early(tmp_path, settings)


async def test_output_that_cannot_come_any_more_is_not_waited_for(
    tmp_path: Path, settings: GatewaySettings
) -> None:
    settings["expect_clean"] = False
    async with run_gateway(tmp_path, **settings) as gateway:
        assert await gateway.stop()
        with pytest.raises(GatewayFailed, match="while waiting for output 'never said'"):
            await gateway.wait_output("never said")


async def test_the_fixture_starts_a_gateway_in_the_tests_directory(
    gateway: StartGateway, settings: GatewaySettings, tmp_path: Path
) -> None:
    running = await gateway(**settings)
    assert await get(running.port, "/") == b"hello"
    assert "hello" not in running.output()
    assert (tmp_path / "mitmproxy-ca.pem").exists()
