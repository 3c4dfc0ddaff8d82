"""What the gateway says and refuses when it starts, and how it follows its configuration."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Unpack

import pytest

from support import behaviours
from support.echo import echo
from support.fake_openai import FakeOpenAI
from support.gate import Gate
from support.http1 import Headers
from support.process import Gateway, GatewayFailed, GatewaySettings, StartGateway, run_gateway
from support.raw_http import RawConnection, request_bytes
from support.scene import KEY, MODEL, TOKEN, chat_request, config_text, get_request

CURL = re.compile(r"^ *curl -N (?:.*\\\n)*.*(?:\n.*)*?\}'$", re.MULTILINE)
PYTHON = re.compile(r"^from openai import OpenAI\n.*\n.*$", re.MULTILINE)


async def run(*command: str) -> str:
    """Run a command to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
    )
    async with asyncio.timeout(20):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def run_curl(gateway: Gateway, command: str) -> str:
    """Run the printed curl command in a shell; send the same without curl where there is none."""
    if shutil.which("curl"):
        return await run("/bin/sh", "-c", command)
    method, url, headers, body = parse_curl(command)
    path = url.removeprefix(gateway.url)
    async with RawConnection(gateway.port) as client:
        request = request_bytes(method, path, headers, body, host=url.split("/")[2])
        _, answer = await client.exchange(request)
        return answer.decode()


def parse_curl(command: str) -> tuple[str, str, Headers, bytes]:
    program, no_buffer, url, *rest = shlex.split(command)
    assert (program, no_buffer) == ("curl", "-N")
    options = list(zip(rest[::2], rest[1::2], strict=True))
    headers = [(name, value) for flag, field in options if flag == "-H"
               for name, value in [field.split(": ", 1)]]  # fmt: skip
    [body] = [value for flag, value in options if flag == "-d"]
    return "POST", url, headers, body.encode()


def only(pattern: re.Pattern[str], text: str) -> str:
    [found] = pattern.findall(text)
    assert isinstance(found, str)
    return found


async def test_the_demo_works_as_it_is_printed(gateway: StartGateway, tmp_path: Path) -> None:
    running = await gateway(cold=True)
    await running.wait_output("print(")
    output = running.output()
    assert "configuration  built-in demo" in output
    assert f"listening at   {running.url}" in output
    assert "model on       echo-small (SMALL) at echo" in output
    assert "model on       echo-big (BIG) at echo" in output

    answer = await run_curl(running, only(CURL, output))
    *chunks, done = [line.removeprefix("data: ") for line in answer.split("\n\n") if line]
    assert done == "[DONE]"
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello, gateway"
    assert len(deltas) > 2

    script = tmp_path / "printed.py"
    lines = only(PYTHON, output).split("\n")
    script.write_text("\n".join(lines))
    assert "content='Hi'" in await run(sys.executable, str(script))


async def test_the_demo_takes_its_token_from_the_environment(gateway: StartGateway) -> None:
    running = await gateway(env={"AUTH_TOKEN": TOKEN})
    await running.wait_output("model on       echo-big")
    async with RawConnection(running.port) as client:
        head, body = await client.exchange(get_request("/v1/models"))
        assert head.status == 200
        assert [model["id"] for model in json.loads(body)["data"]] == [
            "echo-small",
            "echo-big",
            "SMALL",
            "BIG",
        ]
    assert TOKEN not in running.output()
    assert "curl" not in running.output()


async def test_an_ipv6_address_is_printed_as_it_goes_into_a_url(gateway: StartGateway) -> None:
    running = await gateway(args=["--listen-host", "::1"])
    await running.wait_output("print(")
    assert f"listening at   http://[::1]:{running.port}\n" in running.output()
    assert f'base_url="http://[::1]:{running.port}/v1"' in running.output()


async def refused(directory: Path, **settings: Unpack[GatewaySettings]) -> str:
    """Start a gateway that must end by itself with status 1; return what it said."""
    with pytest.raises(GatewayFailed, match=r"^exited with 1 ") as failure:
        await run_to_its_end(directory, settings)
    return str(failure.value)


async def run_to_its_end(directory: Path, settings: GatewaySettings) -> None:
    """Raises GatewayFailed, whether it ends before it listens or soon afterwards."""
    settings["expect_clean"] = False
    async with run_gateway(directory, **settings) as running:
        await running.wait_exit()
        raise running.failure(f"exited with {running.returncode} after it listened")


async def test_a_wrong_configuration_ends_the_start_with_all_that_is_wrong(tmp_path: Path) -> None:
    text = config_text("http://example.com/v1", gateway="deadlin: 3", http="idle: soon")
    output = await refused(tmp_path, config_text=text, env={"HIDDEN": KEY})
    assert "provider_config.yaml:3: gateway: unknown key 'deadlin'" in output
    assert "providers.fake.base_url" in output
    assert "providers.fake.http.idle: expected a duration" in output
    assert KEY not in output
    assert TOKEN not in output


async def test_a_configuration_that_is_named_but_missing_ends_the_start(tmp_path: Path) -> None:
    output = await refused(tmp_path, args=["--set", "ai_config=none.yaml"])
    assert "none.yaml" in output


async def test_a_proxy_that_is_none_ends_the_start_in_words(tmp_path: Path) -> None:
    text = config_text("https://p.invalid/v1")
    environment = {"https_proxy": "http://user:canary@127.0.0.1:notaport"}
    said = await refused(tmp_path, config_text=text, env=environment)
    assert "providers.fake" in said
    assert "HTTPS_PROXY" in said
    assert "canary" not in said
    assert "Traceback" not in said


async def test_a_mistyped_option_ends_the_start(tmp_path: Path) -> None:
    output = await refused(tmp_path, args=["--set", "ai_typo=1"])
    assert "Unknown option ai_typo" in output


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("socks5", "does not serve mode 'socks5'"),
        ("upstream:http://127.0.0.1:1", "does not serve mode 'upstream:"),
        ("reverse:tcp://127.0.0.1:1", "does not serve mode 'reverse:tcp:"),
    ],
    ids=["socks5", "upstream", "tcp"],
)
async def test_a_mode_that_the_gateway_cannot_work_in_ends_the_start(
    tmp_path: Path, mode: str, complaint: str
) -> None:
    assert complaint in await refused(tmp_path, mode=mode)


OTHER = "another-token-of-the-tests"
EXTRA_PROVIDER = """\
  other:
    kind: openai
    base_url: https://other.example/v1
    api_key: ${OTHER_KEY}
"""
EXTRA_MODEL = "  - {name: other-model, provider: other}\n"


def with_other(text: str) -> str:
    """The same configuration with a provider whose key comes from the environment."""
    return text.replace("models:\n", f"{EXTRA_PROVIDER}models:\n{EXTRA_MODEL}")


async def status_of(running: Gateway, request: bytes) -> int:
    async with RawConnection(running.port) as client:
        head, _ = await client.exchange(request)
        return head.status


async def test_the_start_block_and_the_configuration_as_it_changes(
    gateway: StartGateway, provider: FakeOpenAI, tmp_path: Path
) -> None:
    """A provider without its key is off; a change is taken; a bad one is told and not taken."""
    file = tmp_path / "provider_config.yaml"
    text = with_other(config_text(provider.base_url).replace(KEY, "sk-test"))
    running = await gateway(config_text=text)
    await running.wait_output("warning")
    output = running.output()
    assert "configuration  provider_config.yaml" in output
    assert f"listening at   {running.url}" in output
    assert "answering for  ai.localhost, localhost, 127.0.0.1, [::1]" in output
    assert f"model on       {MODEL} (BIG) at fake" in output
    assert re.search(r"model off      other-model at other, .*OTHER_KEY", output)
    assert TOKEN not in output
    assert "sk-test" not in output

    renamed = chat_request(model="gpt-renamed")
    assert await status_of(running, chat_request()) == 200
    assert await status_of(running, renamed) == 404
    assert await status_of(running, chat_request(model="other-model")) == 404

    file.write_text(text.replace("passthrough", "passthru") + "  - nonsense\n")
    await running.wait_output("the old one stays")
    assert "models[2]" in running.output()
    assert await status_of(running, chat_request()) == 200

    provider.script("gpt-renamed", echo)
    file.write_text(text.replace(MODEL, "gpt-renamed"))
    await running.wait_output("was read again")
    assert await status_of(running, renamed) == 200
    assert await status_of(running, chat_request()) == 404


async def test_a_stream_under_way_ends_on_the_configuration_it_began_with(
    gateway: StartGateway, provider: FakeOpenAI, tmp_path: Path
) -> None:
    gate = Gate()
    provider.script(MODEL, behaviours.numbered_events(2, gate))
    text = config_text(provider.base_url).replace(KEY, "sk-test")
    running = await gateway(config_text=text)
    async with RawConnection(running.port) as client:
        await client.send(chat_request())
        await gate.release()
        head = await client.read_head()
        file = tmp_path / "provider_config.yaml"
        file.write_text(text.replace("http: {", "http: {max_connections: 3").replace(TOKEN, OTHER))
        await running.wait_output("was read again")
        assert await status_of(running, get_request("/v1/models")) == 401
        gate.open()
        assert (await client.read_body(head)).endswith(b"data: [DONE]\n\n")
