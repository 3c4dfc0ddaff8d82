"""Which answers of a flow file are served."""

import io
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import flow as mflow
from mitmproxy.io import FlowWriter, tnetstring
from mitmproxy.test import tflow

from llm_gateway.recordings.tape import Tape, TapeError
from support.openai_shapes import error_body
from support.pictures import PNG
from support.tapes import ASKED_AT, arrivals, chat, flow, record, stream, whole

CUT = "ai.cut"


def broken(answer: bytes | None) -> mflow.Flow:
    made = flow(chat(), answer)
    made.error = mflow.Error("client disconnected")
    return made


def error(status: int, code: str, **headers: str) -> mflow.Flow:
    return flow(chat(), orjson.dumps(error_body("No.", code=code)), status=status, headers=headers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tape.mitm"


def test_client_flows_with_their_answers_are_served(path: Path) -> None:
    tape = Tape(
        record(
            path,
            [
                flow(chat("one"), whole("1")),
                flow(chat("one"), whole("1"), metadata={"ai.attempt": 1}),
                flow(chat("two", stream=True, model="BIG"), stream("2")),
                flow({"prompt": "A cat"}, PNG, path="/image", content_type="image/png"),
                error(429, "rate_limit_exceeded"),
            ],
        )
    )
    assert [(each.model, each.stream, each.at) for each in tape.recordings] == [
        ("gpt-4o", False, ASKED_AT),
        ("BIG", True, ASKED_AT),
        ("", False, ASKED_AT),
        ("gpt-4o", False, ASKED_AT),
    ]
    assert tape.omissions == ""


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (broken(None), " (left out: 1 cut off)"),
        (broken(stream("half")), " (left out: 1 cut off)"),
        (flow(chat(), None), " (left out: 1 cut off)"),
        (flow(chat(), stream("half")[:-20]), " (left out: 1 cut off)"),
        (flow(chat(), stream("much"), metadata={CUT: "body cut"}), " (left out: 1 cut off)"),
        (
            flow(chat(), b"{}", status=401, metadata={"ai.refused": True}),
            " (left out: 1 refused by the gateway)",
        ),
        (flow({"model": "m"}, b"{}", status=400), " (left out: 1 refused by the gateway)"),
        (flow(b"{", b"{}", status=400), " (left out: 1 refused by the gateway)"),
        (error(503, "gateway_shutdown"), " (left out: 1 refused by the gateway)"),
        (error(404, "recording_not_found"), " (left out: 1 refused by the gateway)"),
        (tflow.tflow(resp=True), ""),
        (tflow.ttcpflow(), ""),
    ],
)
def test_what_cannot_be_served_is_left_out_and_counted(
    path: Path, left_out: mflow.Flow, said: str
) -> None:
    tape = Tape(record(path, [left_out, flow(chat(), whole("Hi"))]))
    assert len(tape.recordings) == 1
    assert tape.omissions == said


def test_lists_of_models_are_no_answers(path: Path) -> None:
    listed = flow(b"", b'{"object": "list", "data": []}', path="/v1/models")
    listed.request.method = "GET"
    tape = Tape(record(path, [listed, flow(chat(), whole("Hi"))]))
    assert (len(tape.recordings), tape.omissions) == (1, "")


def test_a_flow_that_was_written_twice_is_one(path: Path) -> None:
    one, refused = flow(chat("one"), whole("1")), flow({"model": "m"}, b"{}", status=400)
    begun = one.copy()
    begun.id, begun.error = one.id, mflow.Error("client disconnected")
    left = one.copy()
    left.id, left.error = one.id, mflow.Error("client disconnected")
    tape = Tape(record(path, [begun, one, left, one, refused, refused]))
    assert [each.model for each in tape.recordings] == ["gpt-4o"]
    assert tape.omissions == " (left out: 1 refused by the gateway)"
    assert tape.play(tape.recordings[0])[1].body == whole("1")


def test_one_answer_is_read_when_it_is_needed(path: Path) -> None:
    body = stream("1", "2")
    metadata = {
        "ai.arrivals": arrivals(body, [100, 200, 300, 900, 901]),
        "ai.seconds": 1.25,
        "ai.tokens_prompt": 7,
        "ai.tokens_completion": 2,
    }
    many = [flow(chat(str(number)), whole(str(number))) for number in range(5)]
    last = flow(chat("stream"), body, metadata=metadata)
    tape = Tape(record(path, [*many, last]))
    for number in (3, 0, 4):
        asked, answer = tape.play(tape.recordings[number])
        assert asked.body["messages"][0]["content"] == str(number)
        assert answer.body == whole(str(number))
        assert (answer.seconds, answer.arrivals, answer.usage) == (2.0, [], None)
    asked, answer = tape.play(tape.recordings[5])
    assert (answer.status, answer.body, answer.seconds) == (200, body, 1.25)
    assert answer.usage == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert [due for _, due in answer.arrivals] == [0.1, 0.2, 0.3, 0.9, 0.901]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no answer to serve"),
        (b"\0\1\2 no flow file", "flow 1, at byte 0: Invalid data format"),
        (b'{"log": {"entries": []}}', "is a HAR file, which has no times and no routes"),
        (b'\xef\xbb\xbf{"log": {}}', "is a HAR file"),
        (b"GET / HTTP/1.1\r\n", "flow 1, at byte 0"),
        (b"3:foo,", "flow 1, at byte 0"),
    ],
)
def test_a_foreign_file_is_refused_with_what_was_expected(
    path: Path, content: bytes, said: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(TapeError) as refused:
        Tape(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "expected a flow file of mitmproxy's with flows of this gateway" in str(refused.value)


def test_a_file_that_was_cut_off_is_refused_where_it_ends(path: Path) -> None:
    record(path, [flow(chat("one"), whole("1")), flow(chat("two"), whole("2"))])
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(TapeError, match=r"flow 2, at byte [1-9][0-9]+: Invalid data format"):
        Tape(path)


GOOD = io.BytesIO()
for _each in (flow(chat("one"), whole("1")), flow(chat("two", stream=True), stream("2"))):
    FlowWriter(GOOD).add(_each)


@given(st.integers(0, len(GOOD.getvalue()) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused_in_words(place: int, damage: bytes) -> None:
    content = GOOD.getvalue()
    with NamedTemporaryFile() as file:
        file.write(content[:place] + damage + content[place + len(damage) :])
        file.flush()
        with suppress(TapeError):
            tape = Tape(Path(file.name))
            for recording in tape.recordings:
                tape.play(recording)


def test_flows_of_others_alone_are_refused(path: Path) -> None:
    with pytest.raises(TapeError, match="holds no answer to serve; expected"):
        Tape(record(path, [tflow.tflow(resp=True)]))
    with pytest.raises(TapeError, match=r"holds no answer to serve \(left out: 1 cut off\)"):
        Tape(record(path, [broken(None)]))


def test_a_file_of_a_newer_mitmproxy_is_refused_in_its_words(path: Path) -> None:
    state: Any = flow(chat(), whole("Hi")).get_state()
    state["version"] = 10_000
    path.write_bytes(tnetstring.dumps(state))
    with pytest.raises(TapeError, match="version 10000"):
        Tape(path)


def test_what_is_no_text_is_not_quoted(path: Path) -> None:
    state: Any = flow(chat(), whole("Hi")).get_state()
    state["type"] = "h\x1b[31m"
    path.write_bytes(tnetstring.dumps(state))
    with pytest.raises(TapeError, match=r"Unknown flow type: h\?\[31m") as refused:
        Tape(path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["missing.mitm", ""])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TapeError, match=r"cannot be read \((No such file|Is a directory)"):
        Tape(tmp_path / name)


def test_nobody_s_home_is_refused() -> None:
    with pytest.raises(TapeError, match=r"~nobody-of-this-name/a cannot be read \(No such file"):
        Tape(Path("~nobody-of-this-name/a"))


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    record(tmp_path / "tape.mitm", [flow(chat(), whole("Hi"))])
    assert Tape(Path("~/tape.mitm")).path == tmp_path / "tape.mitm"


@pytest.mark.parametrize("change", ["gone", "cut", "another", "foreign"])
def test_a_file_that_has_changed_is_told_and_not_served(path: Path, change: str) -> None:
    tape = Tape(record(path, [flow(chat(), whole("Hi"))]))
    match change:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:100])
        case "another":
            record(path, [flow(chat(), whole("Hi"))])
        case _:
            path.write_bytes(b"something else")
    with pytest.raises(TapeError, match="has changed since it was read"):
        tape.play(tape.recordings[0])
