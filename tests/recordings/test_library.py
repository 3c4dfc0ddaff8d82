"""Which recording answers a request, and what is said where none does."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from llm_gateway.recordings.asked import Asked, by_client
from llm_gateway.recordings.library import Library
from llm_gateway.recordings.tape import Tape
from support.pictures import PNG
from support.tapes import CHAT, chat, flow, record, stream, whole

IMAGES = "/v1/images/generations"


def asked(body: Any, path: str = CHAT) -> Asked:
    found = by_client(path, orjson.dumps(body))
    assert found is not None
    return found


def library(tmp_path: Path, *flows: Any) -> Library:
    return Library(Tape(record(tmp_path / "tape.mitm", flows)))


def answers(found: Library, *bodies: Any) -> list[bytes | None]:
    given = [found.find(asked(body)) for body in bodies]
    return [None if each is None else each.body for each in given]


def test_each_request_has_its_answer(tmp_path: Path) -> None:
    found = library(tmp_path, flow(chat("a"), whole("A")), flow(chat("b"), whole("B")))
    assert answers(found, chat("b"), chat("a"), chat("c")) == [whole("B"), whole("A"), None]


def test_one_request_s_answers_come_in_order_and_the_last_again_and_again(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        flow(chat("a"), b'{"error": {}}', status=429),
        flow(chat("b"), whole("B")),
        flow(chat("a"), whole("A1")),
        flow(chat("a"), whole("A2")),
    )
    given = [found.find(asked(chat("a"))) for _ in range(5)]
    assert [each and each.status for each in given] == [429, 200, 200, 200, 200]
    assert [each.body for each in given[1:] if each] == [whole("A1"), *[whole("A2")] * 3]
    assert answers(found, chat("b"), chat("b")) == [whole("B")] * 2


def test_each_form_has_its_own_order(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        flow(chat(), whole("1")),
        flow(chat(stream=True), stream("2")),
        flow(chat(), whole("3")),
    )
    assert answers(found, chat(stream=True), chat(), chat(stream=True), chat(), chat()) == [
        stream("2"),
        whole("1"),
        stream("2"),
        whole("3"),
        whole("3"),
    ]


def test_what_was_recorded_in_the_other_form_only_is_served_from_that(tmp_path: Path) -> None:
    found = library(tmp_path, flow(chat(), whole("1")), flow(chat(), whole("2")))
    assert answers(found, chat(stream=True), chat(stream=True)) == [whole("1"), whole("2")]


def test_the_models_are_the_names_that_were_asked_for(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        flow(chat(model="gpt-4o"), whole("1")),
        flow(chat(model="BIG"), whole("1")),
        flow({"prompt": "A cat"}, PNG, path="/image", content_type="image/png"),
        flow(chat(model="gpt-4o", seed=1), whole("1")),
    )
    assert found.models == ["gpt-4o", "BIG"]
    assert found.summary == (
        f"Serving 4 answers of 2 models from {tmp_path}/tape.mitm, and asking no provider."
    )


def test_the_summary_counts_what_is_left_out(tmp_path: Path) -> None:
    found = library(tmp_path, flow(chat(), whole("1")), flow(chat(), None))
    assert found.summary == (
        f"Serving 1 answer of 1 model from {tmp_path}/tape.mitm, and asking no provider "
        "(left out: 1 cut off)."
    )


def test_a_missing_recording_says_what_the_nearest_differs_in(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    talks = [
        {**chat(temperature=0.2), "messages": [system, {"role": "user", "content": said}]}
        for said in ("Draw a cat.", "What is a fox?", "How are you?")
    ]
    found = library(tmp_path, *(flow(each, whole("1")) for each in talks))
    question = {**talks[1], "temperature": 0.7}
    question["messages"] = [system, {"role": "user", "content": "Who is a fox?"}]
    assert found.missing(asked(question)) == (
        "No recording of this request. The nearest is number 2 of 3 "
        "(gpt-4o, asked 2025-11-21 14:03 UTC): "
        'messages[1].content: recorded "What is a fox?", asked "Who is a fox?"; '
        "temperature: recorded 0.2, asked 0.7."
    )


def test_a_chat_is_never_near_to_a_picture(tmp_path: Path) -> None:
    picture = flow({"prompt": "A cat"}, PNG, path="/image", content_type="image/png")
    found = library(tmp_path, picture, flow({"prompt": "cats"}, b"{}", path=IMAGES))
    said = "No recording of this request: no chat completions were recorded."
    assert found.missing(asked(chat("A cat"))) == said
    assert found.missing(asked({"prompt": "A dog"}, IMAGES)) == (
        "No recording of this request. The nearest is number 1 of 2 "
        '(asked 2025-11-21 14:03 UTC): prompt: recorded "A cat", asked "A dog".'
    )


@pytest.mark.parametrize("model", ["x" * 500, "bad\nname`"])
def test_a_strange_name_stays_short_and_in_one_line(tmp_path: Path, model: str) -> None:
    found = library(tmp_path, flow(chat(model=model), whole("1")))
    said = found.missing(asked(chat()))
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize("at", [1e300, -1e300, float("nan"), float("inf")])
def test_a_time_that_is_none_is_no_trouble(tmp_path: Path, at: float) -> None:
    found = library(tmp_path, flow(chat("a"), whole("1"), at=at))
    assert "(gpt-4o, asked nobody knows when): " in found.missing(asked(chat("b")))
