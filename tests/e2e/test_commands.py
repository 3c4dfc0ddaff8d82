"""A person at mitmweb uses the gateway's commands, and what they say and do is true."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from mitmproxy import http
from mitmproxy.io import FlowReader

from support.behaviours import error_json, never_answers
from support.har import check_har
from support.mitmweb import FlowJSON, Mitmweb
from support.recording_server import Received
from support.rig import KEY, TOKEN, Rig, answer_text, run_rig, stream_text
from support.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="module")

CURL = shutil.which("curl")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mitmweb runs."""
    return tmp_path_factory.mktemp("mitmweb")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(directory: Path) -> AsyncIterator[Rig]:
    """One mitmweb for all tests of this module."""
    async with run_rig(directory, tool="mitmweb") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def web(rig: Rig) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield page


async def refused(web: Mitmweb, name: str, *arguments: str) -> str:
    """Why a command was not done."""
    answer = json.loads(await web.post(f"/commands/{name}", {"arguments": arguments}))
    assert "value" not in answer, answer
    return str(answer["error"])


async def rows(rig: Rig, web: Mitmweb, number: int) -> list[FlowJSON]:
    """Wait until so many clients' flows are over, as many attempts, and all is said of them."""

    def over(flow: FlowJSON) -> bool:
        ended = flow.get("response", {}).get("timestamp_end")
        return bool(ended) and ("tok" in flow["comment"] or flow["response"]["status_code"] != 200)

    def found() -> list[FlowJSON]:
        return [flow for flow in rig.clients(web) if over(flow)]

    def tried() -> list[FlowJSON]:
        return [flow for flow in rig.attempts(web) if over(flow) and "1/1" in flow["comment"]]

    await web.until(lambda: len(found()) == number == len(tried()))
    return found()


def asked(received: Received) -> tuple[str, str]:
    """The model and the text of a request that the provider got."""
    return received.json["model"], received.json["messages"][0]["content"]


def facts(flow: http.HTTPFlow) -> dict[str, object]:
    """All of a flow but its connections, which may be closed meanwhile."""
    state = flow.get_state()
    return {name: value for name, value in state.items() if not name.endswith("_conn")}


async def shell(command: str, **environment: str) -> bytes:
    """Run a command as it would be pasted; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        env={"PATH": "/usr/bin:/bin", "no_proxy": "*", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors
    return output


@pytest.mark.parametrize("stream", [False, True])
async def test_a_replay_reaches_the_chosen_model_and_is_a_row_of_its_own(
    rig: Rig, web: Mitmweb, stream: bool
) -> None:
    model = rig.spare()
    rig.provider.script(model, rig.provider.respond)
    await rig.ask("elsewhere, please", stream=stream)
    [old] = await rows(rig, web, 1)
    [attempt] = rig.attempts(web)
    before = (await web.saved())[old["id"]]
    said = await web.command("ai.replay", f"@{attempt['id']}", f"fake/{model}")
    assert said == f"Sent to fake/{model}: 1 request."
    [_, new] = await rows(rig, web, 2)
    assert asked(rig.provider.requests[-1]) == (model, "elsewhere, please")
    assert rig.had_key(rig.provider.requests[-1])
    text = stream_text if stream else answer_text
    assert text(await web.content(new, "response")) == "You said: elsewhere, please"
    saved = await web.saved()
    assert facts(saved[old["id"]]) == facts(before)
    assert saved[new["id"]].metadata["ai.target"] == f"fake/{model}"
    assert saved[new["id"]].metadata["ai.exchange"] != before.metadata["ai.exchange"]
    assert len({flow.metadata["ai.exchange"] for flow in saved.values()}) == 2


async def test_a_comparison_shows_all_answers_on_each_of_its_rows(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("compare me")
    client, _ = await rig.pair(web)
    broken = rig.spare()
    rig.provider.script(broken, error_json(503))
    said = await web.command("ai.compare", f"@{client['id']}", f"hasty,{broken}")
    assert said.startswith(f"Sent to hasty, {broken}: 1 request.")
    flows = await rows(rig, web, 3)
    texts = set()
    for flow in flows:
        path = f"/flows/{flow['id']}/response/content/{quote('AI compare')}.json"
        text = json.loads(await web.get(path))["text"]
        assert text.count("You said: compare me") == 2
        assert "impatient/hasty" in text
        assert "503" in text
        texts.add(text.replace("▸", " "))
    assert len(texts) == 1


async def test_who_is_slow_keeps_nobody_waiting_and_can_be_killed(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("hurry")
    [client] = await rows(rig, web, 1)
    slow = rig.spare()
    rig.provider.script(slow, never_answers())
    await web.command("ai.compare", f"@{client['id']}", f"{slow},hasty")
    await web.until(
        lambda: any(flow["comment"].startswith("hasty →") for flow in web.flows.values())
    )
    [_, quick] = await rows(rig, web, 2)
    assert quick["comment"].startswith("hasty →")
    path = f"/flows/{quick['id']}/response/content/{quote('AI compare')}.json"
    assert "under way" in json.loads(await web.get(path))["text"]
    [waiting] = [flow for flow in rig.clients(web) if "response" not in flow]
    await web.kill(waiting)
    await web.until(lambda: "error" in web.flows[waiting["id"]])
    text = json.loads(await web.get(path))["text"]
    assert "under way" not in text
    assert "killed" in text


async def test_what_cannot_be_sent_is_refused_in_words(rig: Rig, web: Mitmweb) -> None:
    await rig.ask("hello")
    client, _ = await rig.pair(web)
    before = len(rig.provider.requests)
    flow = f"@{client['id']}"
    assert "Did you mean hasty?" in await refused(web, "ai.replay", flow, "hastyy")
    assert "as BIG,SMALL; got 0" in await refused(web, "ai.compare", flow, "")
    assert "No flow is chosen" in await refused(web, "ai.replay", "@marked & ~q", "hasty")
    assert "is there already" in await refused(web, "ai.har", flow, "provider_config.yaml")
    assert len(rig.provider.requests) == before


@pytest.mark.skipif(CURL is None, reason="there is no curl")
async def test_the_curl_of_either_side_runs_as_it_is_pasted(rig: Rig, web: Mitmweb) -> None:
    text = 'it\'s "naïve" $HOME `id`\n你好 \\n'
    await rig.ask(text)
    client, attempt = await rig.pair(web)
    first = rig.provider.requests[-1]
    for flow, key in ((client, {"OPENAI_API_KEY": TOKEN}), (attempt, {"FAKE_KEY": KEY})):
        command = await web.command("ai.curl", f"@{flow['id']}")
        assert TOKEN not in command
        assert KEY not in command
        assert answer_text(await shell(f"{command} -sS", **key)) == f"You said: {text}"
        assert rig.provider.requests[-1].json == first.json


async def test_an_archive_holds_all_but_secrets(rig: Rig, web: Mitmweb, directory: Path) -> None:
    await rig.ask("archive me", stream=True)
    client, _ = await rig.pair(web)
    await web.command("ai.replay", f"@{client['id']}", "hasty")
    await rows(rig, web, 2)
    assert (await web.command("ai.har", "@all", "all.har")).startswith("4 flows, ")
    path = directory / "all.har"
    content = json.loads(path.read_text("utf-8"))
    check_har(content)
    for secret in (TOKEN, KEY, "***"):
        assert secret not in path.read_text("utf-8")
    with path.open("rb") as file:
        again = [flow for flow in FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    saved = [*(await web.saved()).values()]
    saved.sort(key=lambda flow: flow.request.timestamp_start)
    for entry, read, flow in zip(content["log"]["entries"], again, saved, strict=True):
        assert flow.response is not None
        assert read.response is not None
        assert read.request.content == flow.request.content
        assert read.response.content == flow.response.content
        known = {name: value for name, value in flow.metadata.items() if name.startswith("ai.")}
        expected = {"comment": flow.comment, "marked": flow.marked, **known}
        assert entry["_ai"] == json.loads(json.dumps(expected))


async def test_the_listings_say_what_is_the_case(rig: Rig, web: Mitmweb) -> None:
    model = rig.spare()
    models = await web.command("ai.models")
    assert models[0].split() == ["gpt-test", "→", "fake/gpt-test"]
    await rig.ask("count me", "hasty")
    limits = {line.split()[0]: line for line in await web.command("ai.limits")}
    assert "ready, rated " in limits["impatient/hasty"]
    assert limits[f"fake/{model}"].endswith("ready, not asked yet")
    log = "\n".join(entry["message"] for entry in json.loads(await web.get("/events")))
    assert "ai.models:\ngpt-test " in log
    assert TOKEN not in log
    assert KEY not in log


async def test_a_changed_configuration_is_read_at_once(
    rig: Rig, web: Mitmweb, directory: Path
) -> None:
    file = directory / "provider_config.yaml"
    before = file.read_text()
    config = json.loads(before)
    assert await web.command("ai.reload") == (
        "The configuration provider_config.yaml is as it was."
    )
    file.write_text(json.dumps({**config, "routing": {"aliases": {"quick": "hasty"}}}))
    await web.command("ai.reload")
    assert "quick        → impatient/hasty" in await web.command("ai.models")
    await rig.ask("hello", "quick")
    assert asked(rig.provider.requests[-1]) == ("hasty", "hello")
    file.write_text(json.dumps({**config, "modles": []}))
    said = await refused(web, "ai.reload")
    assert said.startswith("The configuration is refused, the old one stays: provider_config.yaml:")
    assert "unknown key 'modles'" in said
    await rig.ask("hello", "quick")
    file.write_text(before)
    await web.command("ai.reload")
    assert "quick" not in " ".join(await web.command("ai.models"))
