"""The option `ai_replay` at work."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from llm_gateway.patience import Patience
from llm_gateway.recordings.playback import FILE, PACE, Playback, PlaybackError
from llm_gateway.wire import UpstreamRequest, read_whole
from support.fakes import LABEL, make_config, make_model, make_provider
from support.tapes import chat, flow, record, whole

REAL = make_config([make_provider("openai")], [make_model("gpt-4o", provider="openai")])
URL = "http://recording.invalid/v1/chat/completions"


@dataclass
class Options:
    ai_replay: str = ""
    ai_replay_pace: str = "none"


def turn(playback: Playback, file: str) -> None:
    playback.obey(Options(file), {FILE})


async def ask(playback: Playback, body: object) -> bytes:
    wire = playback.wire(bytes)
    request = UpstreamRequest("POST", URL, (), orjson.dumps(body), LABEL)
    return await read_whole(await wire.send(request, Patience()))


def test_without_a_file_everything_stays_as_it_is() -> None:
    playback = Playback()
    turn(playback, "")
    assert playback.instead_of(REAL) is REAL
    assert playback.summary == ""


async def test_a_file_is_served_in_place_of_what_is_configured(tmp_path: Path) -> None:
    playback = Playback()
    turn(playback, str(record(tmp_path / "t", [flow(chat(model="m"), whole("Hi"))])))
    assert [model.name for model in playback.instead_of(REAL).models] == ["m"]
    assert playback.summary.startswith("Serving 1 answer of 1 model from ")
    assert await ask(playback, chat(model="m")) == whole("Hi")


async def test_another_file_takes_its_place_and_none_brings_back_the_providers(
    tmp_path: Path,
) -> None:
    playback = Playback()
    turn(playback, str(record(tmp_path / "1", [flow(chat(), whole("1"))])))
    turn(playback, str(record(tmp_path / "2", [flow(chat(), whole("2"))])))
    assert await ask(playback, chat()) == whole("2")
    turn(playback, "")
    assert playback.instead_of(REAL) is REAL
    assert playback.summary == ""
    # What began before goes on.
    assert await ask(playback, chat()) == whole("2")


async def test_a_file_is_played_from_its_beginning_each_time(tmp_path: Path) -> None:
    tape = str(record(tmp_path / "t", [flow(chat(), whole("1")), flow(chat(), whole("2"))]))
    playback = Playback()
    for _ in range(2):
        turn(playback, tape)
        assert [await ask(playback, chat()) for _ in range(3)] == [whole(n) for n in "122"]


def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    playback = Playback()
    turn(playback, str(record(tmp_path / "t", [flow(chat(), whole("1"))])))
    said = playback.summary
    with pytest.raises(PlaybackError, match="missing cannot be read"):
        turn(playback, str(tmp_path / "missing"))
    assert playback.summary == said


async def test_where_nothing_was_ever_played_there_is_no_wire_to_it() -> None:
    with pytest.raises(RuntimeError):
        await ask(Playback(), chat())


async def test_the_pace_may_change_at_any_time(tmp_path: Path) -> None:
    playback = Playback()
    turn(playback, str(record(tmp_path / "t", [flow(chat(), whole("Hi"))])))
    wire = playback.wire(bytes)
    request = UpstreamRequest("POST", URL, (), orjson.dumps(chat()), LABEL)
    now = asyncio.get_running_loop().time()
    for pace, waits in (("recorded", True), ("none", False)):
        playback.obey(Options("ignored", pace), {PACE})
        [(due, _)] = (await wire.send(request, Patience()))._pieces
        assert (due > now) is waits


def test_an_unknown_pace_is_refused_with_those_there_are() -> None:
    playback = Playback()
    with pytest.raises(PlaybackError, match="ai_replay_pace is 'fast': expected none or recorded"):
        playback.obey(Options(ai_replay_pace="fast"), {PACE})
    playback.obey(Options(ai_replay_pace="fast"), {"ai_config"})
