"""Tokens change while the gateway runs: in the configuration, in `.env`, in a file of their own."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from llm_gateway.config import ConfigError
from llm_gateway.source import config_path, read_config
from support.house import House, Listener, listening, open_house, run
from support.wires import clear_proxies

OLD, NEW = "canary-old-token-0123", "canary-new-token-0123"
CONFIG = """\
gateway: {tokens_file: clients.yaml}
providers:
  local: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  - {name: first, provider: local}
"""
READ_AGAIN = "was read again"
STAYS = "the old one stays"


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


def tokens(house: House) -> Sequence[str]:
    return [secret.reveal() for secret in house.addon._engine.tokens]


async def test_a_file_of_tokens_that_changes_is_read_again(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    (tmp_path / "clients.yaml").write_text(f"- {OLD}\n")
    run(house, caplog)
    assert tokens(house) == [OLD]
    (tmp_path / "clients.yaml").write_text(f"- {{name: ci, token: [{OLD}, {NEW}]}}\n")
    await log.hear(READ_AGAIN)
    assert tokens(house) == [OLD, NEW]
    (tmp_path / "clients.yaml").unlink()
    said = await log.hear(STAYS)
    assert "clients.yaml: cannot be read" in said
    assert tokens(house) == [OLD, NEW]
    (tmp_path / "clients.yaml").write_text(f"- {{name: ci, token: {NEW}}}\n")
    await log.hear(READ_AGAIN)
    assert tokens(house) == [NEW]


async def test_a_variable_of_a_token_that_changes_in_env_is_obeyed(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    (tmp_path / "clients.yaml").write_text("- {name: ci, token: '${CI_TOKEN}'}\n")
    (tmp_path / ".env").write_text(f"CI_TOKEN={OLD}\n")
    run(house, caplog)
    (tmp_path / ".env").write_text(f"CI_TOKEN={NEW}\n")
    await log.hear(READ_AGAIN)
    assert tokens(house) == [NEW]


async def test_a_refused_configuration_is_read_again_when_the_file_that_it_names_is_mended(
    house: House, log: Listener, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    (tmp_path / "clients.yaml").write_text(f"- {OLD}\n")
    run(house, caplog)
    (tmp_path / "provider_config.yaml").write_text(CONFIG.replace("clients", "other"))
    await log.hear(STAYS)
    (tmp_path / "other.yaml").write_text(f"- {NEW}\n")
    await log.hear(READ_AGAIN)
    assert tokens(house) == [NEW]


def test_a_home_that_nobody_has_is_told_as_a_file_that_is_not_there() -> None:
    assert config_path("~no-such-user-here/x.yaml") == Path("~no-such-user-here/x.yaml")
    with pytest.raises(ConfigError, match=r"~no-such-user-here/x\.yaml: cannot be read"):
        read_config("~no-such-user-here/x.yaml", or_demo=False)
