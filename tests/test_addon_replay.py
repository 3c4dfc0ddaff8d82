"""The options that play a recording in place of all providers."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from mitmproxy import exceptions

from llm_gateway.patience import Patience
from llm_gateway.recordings.wire import RecordingWire
from llm_gateway.wire import UpstreamRequest, read_whole
from support.fakes import LABEL
from support.house import House, open_house, start
from support.tapes import chat, flow, record, whole

CONFIG = """\
gateway: {tokens: [canary-client-token], passthrough: true}
providers:
  real: {kind: openai, api_key: "${KEY_THAT_NOBODY_HAS}"}
models:
  - {name: m, provider: real}
"""


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    async with open_house() as house:
        yield house


def make_tape(tmp_path: Path, *models: str) -> str:
    flows = [flow(chat(model=model), whole("Hi")) for model in models]
    return str(record(tmp_path / "tape.mitm", flows))


async def test_a_recording_takes_the_place_of_all_providers(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    house.context.options.update(ai_replay=make_tape(tmp_path, "gpt-4o", "SMALL"))
    said = start(house, caplog, ("127.0.0.1", 8080))
    assert house.models == ["gpt-4o", "SMALL"]
    assert "Serving 2 answers of 2 models from " in said
    assert "client tokens  1" in said
    assert "KEY_THAT_NOBODY_HAS" not in said
    current = house.addon._engine.current
    assert not current.config.gateway.passthrough
    assert isinstance(current.wire("recording"), RecordingWire)


async def test_without_a_token_one_is_made_and_told_but_no_question_is_invented(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.options.update(ai_replay=make_tape(tmp_path, "gpt-4o"))
    said = start(house, caplog, ("127.0.0.1", 8080))
    assert f"one was made for this run: {house.addon._token.reveal()}" in said
    assert "What was recorded can be asked at http://127.0.0.1:8080/v1" in said
    assert "curl" not in said


async def test_a_file_that_cannot_be_used_ends_the_start(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.options.update(ai_replay="missing.mitm")
    [error] = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert error.startswith("The recording missing.mitm cannot be read (No such file")
    assert not house.addon._engine.is_running


async def test_a_pace_that_there_is_not_ends_the_start(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.options.update(ai_replay_pace="fast")
    [error] = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert error == "ai_replay_pace is 'fast': expected none or recorded."


async def test_at_run_time_it_is_refused_and_nothing_changes(house: House, tmp_path: Path) -> None:
    house.configure()
    with pytest.raises(exceptions.OptionsError, match=r"The recording .* cannot be read"):
        house.context.options.update(ai_replay=str(tmp_path / "missing.mitm"))
    assert house.context.options.ai_replay == ""
    assert house.models == ["echo-small", "echo-big"]


async def test_without_it_the_providers_are_back(house: House, tmp_path: Path) -> None:
    house.configure()
    house.context.options.update(ai_replay=make_tape(tmp_path, "gpt-4o"))
    assert house.models == ["gpt-4o"]
    house.context.options.update(ai_replay="")
    assert house.models == ["echo-small", "echo-big"]


async def test_a_configuration_that_is_read_again_does_not_bring_the_providers_back(
    house: House, tmp_path: Path
) -> None:
    file = tmp_path / "provider_config.yaml"
    file.write_text(CONFIG)
    house.context.options.update(ai_replay=make_tape(tmp_path, "gpt-4o"))
    house.configure()
    file.write_text(CONFIG.replace("canary-client-token", "another-client-token"))
    await house.addon._source._follow()
    assert house.models == ["gpt-4o"]
    [token] = house.addon._engine.tokens
    assert token.reveal() == "another-client-token"


async def test_what_is_masked_is_found_and_not_told(house: House, tmp_path: Path) -> None:
    masking = CONFIG.replace("passthrough: true", 'mask: ["SSN-[0-9]+"]')
    (tmp_path / "provider_config.yaml").write_text(masking)
    recorded = flow(chat("I am [masked:0a1b2c3d]."), whole("Hi"))
    tape = str(record(tmp_path / "tape.mitm", [recorded]))
    house.context.options.update(ai_replay=tape)
    wire = house.addon._engine.current.wire("recording")
    assert wire is not None

    async def ask(said: str) -> tuple[int, bytes]:
        url = "http://recording.invalid/v1/chat/completions"
        request = UpstreamRequest("POST", url, (), orjson.dumps(chat(said)), LABEL)
        response = await wire.send(request, Patience())
        return response.status, await read_whole(response)

    assert await ask("I am SSN-123456.") == (200, whole("Hi"))
    status, said = await ask("You are SSN-987654.")
    assert status == 404
    assert b"You are [masked]." in said
    assert b"987654" not in said


async def test_an_unknown_option_is_answered_with_those_there_are(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.options.update_defer(ai_repaly="x")
    start(house, caplog, ("127.0.0.1", 8080))
    [error] = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert "Unknown option ai_repaly" in error
    assert "ai_config, " in error
    assert "ai_replay, ai_replay_pace" in error
