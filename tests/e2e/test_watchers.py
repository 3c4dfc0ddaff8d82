"""Attempts are published when somebody watches, and only then."""

import json
from pathlib import Path

import pytest

from support.fake_openai import FakeOpenAI
from support.mitmweb import read_flows
from support.process import ADDON, GatewaySettings, run_gateway
from support.rig import KEY, TOKEN, Rig, answer_text, config_text, run_rig, stream_text

COUNTER = """
from pathlib import Path
from llm_gateway.inspect.attempts import Publisher

unwrapped = Publisher.open

def counting(publisher, request):
    with Path("published").open("a") as file:
        file.write("x")
    return unwrapped(publisher, request)

Publisher.open = counting
"""
"""Counts attempt flows without watching flows itself."""

USER_ADDON = """
from pathlib import Path

def response(flow):
    with Path("seen").open("a") as file:
        file.write(f"{flow.request.port} {flow.metadata['ai.exchange']}\\n")
"""

NESTED_ADDON = """
class Inner:
    async def requestheaders(self, flow):
        pass

class Outer:
    addons = [Inner()]

addons = [Outer()]
"""

IDLE_ADDON = """
class Idle:
    def running(self):
        pass

    def client_connected(self, client):
        pass

    def tcp_message(self, flow):
        pass

addons = [Idle()]
"""


RELOADED = "import logging\nlogging.info('second version')\n"


async def published(directory: Path, *args: str, script: str = "") -> int:
    """How many attempt flows two exchanges make under ``mitmdump -q`` with ``args``."""
    counter, addon = directory / "counter.py", directory / "addon.py"
    counter.write_text(COUNTER)
    addon.write_text(script)
    async with run_rig(directory, args=["-q", *args], scripts=[ADDON, counter, addon]) as rig:
        await two_exchanges(rig)
        assert rig.gateway.output() == ""
        assert all(rig.had_key(received) for received in rig.provider.requests)
    return count(directory)


def count(directory: Path) -> int:
    """What COUNTER has counted."""
    file = directory / "published"
    return len(file.read_text()) if file.exists() else 0


async def two_exchanges(rig: Rig) -> None:
    assert answer_text(await rig.ask("whole")) == "You said: whole"
    assert stream_text(await rig.ask("stream", stream=True)) == "You said: stream"


@pytest.mark.parametrize("script", ["", IDLE_ADDON])
async def test_with_nobody_watching_no_attempt_flow_is_made(tmp_path: Path, script: str) -> None:
    assert await published(tmp_path, script=script) == 0


async def test_an_addon_inside_an_addon_of_the_users_watches(tmp_path: Path) -> None:
    assert await published(tmp_path, script=NESTED_ADDON) == 2


async def test_an_addon_of_the_users_with_a_flow_hook_sees_both_flows(tmp_path: Path) -> None:
    assert await published(tmp_path, script=USER_ADDON) == 2
    seen = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    assert len({port for port, _ in seen}) == 2
    assert len({exchange for _, exchange in seen}) == 2
    assert len(seen) == 4


async def test_a_script_that_is_edited_into_a_watcher_watches(tmp_path: Path) -> None:
    """mitmproxy loads a changed script again, and no option changes thereby."""
    counter, addon = tmp_path / "counter.py", tmp_path / "addon.py"
    counter.write_text(COUNTER)
    addon.write_text("")
    scripts = [ADDON, counter, addon]
    async with run_rig(tmp_path, args=["--set", "flow_detail=0"], scripts=scripts) as rig:
        await two_exchanges(rig)
        assert count(tmp_path) == 0
        addon.write_text(RELOADED + USER_ADDON)
        await rig.gateway.wait_output("second version")
        await two_exchanges(rig)
        assert count(tmp_path) == 2


async def test_a_har_export_has_both_flows(tmp_path: Path) -> None:
    assert await published(tmp_path, "--set", "hardump=flows.har") == 2
    entries = json.loads((tmp_path / "flows.har").read_text())["log"]["entries"]
    hosts = [entry["request"]["url"].split("/")[2].split(":")[0] for entry in entries]
    assert sorted(hosts) == ["127.0.0.1", "127.0.0.1", "ai.localhost", "ai.localhost"]
    assert all(entry["response"]["content"]["text"] for entry in entries)


async def test_plain_mitmdump_prints_both_flows(tmp_path: Path) -> None:
    async with run_rig(tmp_path) as rig:
        await two_exchanges(rig)
        for host in ("ai.localhost", "127.0.0.1"):
            port = rig.gateway.port if host == "ai.localhost" else rig.provider.port
            await rig.gateway.wait_output(f"POST http://{host}:{port}/v1/chat/completions")
        lines = [line for line in rig.gateway.output().splitlines() if " POST http://" in line]
        assert len(lines) == 4


async def test_recorded_flows_replay_and_stand_in_for_the_provider(tmp_path: Path) -> None:
    """``-w``, then ``--client-replay`` of the file, then ``--server-replay`` without a provider."""
    async with FakeOpenAI(KEY) as provider:
        settings: GatewaySettings = {
            "config_text": config_text(provider.base_url),
            "env": {"AUTH_TOKEN": TOKEN, "FAKE_KEY": KEY},
        }
        settings["args"] = ["-q", "-w", "flows"]
        async with run_gateway(tmp_path, **settings) as gateway:
            await two_exchanges(Rig(gateway, provider))
        flows = read_flows((tmp_path / "flows").read_bytes())
        assert len(flows) == 4
        assert len({flow.metadata["ai.exchange"] for flow in flows}) == 2
        assert all(flow.response and flow.response.content for flow in flows)
        assert len([flow for flow in flows if "ai.attempt" in flow.metadata]) == 2

        settings["args"] = ["-q", "--client-replay", "flows"]
        settings["expect_clean"] = False  # It ends by itself.
        async with run_gateway(tmp_path, **settings) as gateway:
            await provider.request(6)
            assert await gateway.wait_exit() == 0
            assert gateway.output() == ""
        sent = sorted(received.body for received in provider.requests)
        assert sent[0] == sent[1] == sent[2]
        assert sent[3] == sent[4] == sent[5]

    settings["expect_clean"] = True
    settings["args"] = ["-q", "--server-replay", "flows", "--set", "keepserving=true"]
    async with run_gateway(tmp_path, **settings) as gateway:
        await two_exchanges(Rig(gateway, provider))
