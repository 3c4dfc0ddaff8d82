"""The addon follows its configuration while it runs, whatever happens to the file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mitmproxy import exceptions

from llm_gateway import config
from llm_gateway.source import read_config
from support.house import House, Listener, listening, open_house, run
from support.wires import clear_proxies

TOKEN = "canary-client-token"
CONFIG = """\
gateway: {tokens: [canary-client-token]}
providers:
  local: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  - {name: first, provider: local}
"""
SECOND = CONFIG.replace("first", "second")
THIRD = CONFIG.replace("first", "the-third")
WITHOUT_TOKENS = CONFIG.replace("gateway: {tokens: [canary-client-token]}\n", "")
REMOTE = CONFIG.replace(
    "models:", '  remote: {kind: openai, base_url: "https://p.invalid/v1"}\nmodels:'
)
READ_AGAIN = "was read again"
STAYS = "the old one stays"


class File:
    """The configuration file in the working directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "provider_config.yaml"

    def write(self, text: str) -> None:
        self._path.write_text(text)
        self._path.chmod(0o600)

    def remove(self) -> None:
        self._path.unlink()


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """One that looks at its files all the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    monkeypatch.setattr("llm_gateway.source.RELOAD_SECONDS", 0.002)
    clear_proxies(monkeypatch)
    async with open_house() as house:
        yield house


@pytest_asyncio.fixture
async def log(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Listener]:
    """What is said from now on."""
    with listening(caplog) as listener:
        yield listener


async def test_a_file_that_vanishes_is_told_and_its_configuration_stays(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, file: File
) -> None:
    file.write(CONFIG)
    run(house, caplog)
    file.remove()
    said = await log.hear(STAYS)
    assert "provider_config.yaml" in said
    assert READ_AGAIN not in said
    assert (house.source, house.models) == ("provider_config.yaml", ["first"])
    file.write(SECOND)
    await log.hear(READ_AGAIN)
    assert house.models == ["second"]


async def test_a_file_that_appears_takes_the_demo_s_place(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, file: File
) -> None:
    run(house, caplog)
    assert house.source == "built-in demo"
    file.write(CONFIG)
    await log.hear(READ_AGAIN)
    assert (house.source, house.models) == ("provider_config.yaml", ["first"])


async def test_a_file_that_comes_back_as_it_was_changes_nothing(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, file: File
) -> None:
    file.write(CONFIG)
    run(house, caplog)
    before = house.addon._engine.current
    file.remove()
    await log.hear(STAYS)
    file.write(CONFIG)
    await log.hear("is as it was")
    assert house.addon._engine.current is before


async def test_an_unexpected_failure_does_not_end_the_watching(
    house: House,
    log: Listener,
    caplog: pytest.LogCaptureFixture,
    file: File,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> config.Config:
        raise RuntimeError("made up")

    file.write(CONFIG)
    run(house, caplog)
    monkeypatch.setattr("llm_gateway.source.read_config", fail)
    file.write(SECOND)
    assert "made up" in await log.hear(STAYS)
    assert house.models == ["first"]
    monkeypatch.setattr("llm_gateway.source.read_config", read_config)
    file.write(THIRD)
    await log.hear(READ_AGAIN)
    assert house.models == ["the-third"]


async def test_a_proxy_that_is_none_refuses_a_change_and_no_later_one(
    house: House,
    log: Listener,
    caplog: pytest.LogCaptureFixture,
    file: File,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "user:canary@127.0.0.1:notaport")
    file.write(CONFIG)
    run(house, caplog)
    file.write(REMOTE)
    said = await log.hear(STAYS)
    assert "providers.remote" in said
    assert "HTTPS_PROXY" in said
    assert "canary" not in said
    assert "Traceback" not in said
    assert house.models == ["first"]
    file.write(THIRD)
    await log.hear(READ_AGAIN)
    assert house.models == ["the-third"]


async def test_what_is_saved_while_a_change_is_read_is_taken_next(
    house: House,
    log: Listener,
    caplog: pytest.LogCaptureFixture,
    file: File,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_and_save(option: str, **how: bool) -> config.Config:
        found = read_config(option, **how)
        if found.models[0].name == "second":
            file.write(THIRD)
        return found

    file.write(CONFIG)
    run(house, caplog)
    monkeypatch.setattr("llm_gateway.source.read_config", read_and_save)
    file.write(SECOND)
    await log.hear("the-third at local")
    assert house.models == ["the-third"]


async def test_without_its_tokens_a_configuration_brings_the_invitation_again(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, file: File
) -> None:
    file.write(CONFIG)
    run(house, caplog)
    file.write(WITHOUT_TOKENS)
    said = await log.hear("curl -N http://127.0.0.1:8080/v1/chat/completions")
    assert house.addon._token.reveal() in said
    assert TOKEN not in said
    file.write(SECOND)
    said = await log.hear("second at local")
    assert "curl" not in said
    assert house.addon._token.reveal() not in said


async def test_a_change_brings_its_warnings(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, file: File
) -> None:
    file.write(CONFIG)
    run(house, caplog)
    keyed = REMOTE.replace('p.invalid/v1"', 'p.invalid/v1", api_key: "${CANARY_KEY}"')
    file.write(keyed)
    said = await log.hear("warning  ")
    assert "CANARY_KEY" in said


async def test_the_configuration_is_read_when_a_person_wants_it(
    house: House, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_gateway.source.RELOAD_SECONDS", 3600)
    file.write(CONFIG)
    house.configure()
    commands = house.context.master.commands
    file.write(SECOND)
    assert commands.call_strings("ai.reload", []).endswith("; new: second; gone: first.")
    assert house.models == ["second"]
    file.write(SECOND.replace("models", "model"))
    with pytest.raises(exceptions.CommandError, match=rf"(?s){STAYS}.*unknown key 'model'"):
        commands.call_strings("ai.reload", [])
    assert house.models == ["second"]
