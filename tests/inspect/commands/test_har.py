"""A HAR has all that the format requires, what the gateway knows, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy import flow as mflow
from mitmproxy.io import FlowReader
from mitmproxy.test import tflow

from llm_gateway.inspect.commands.har import archive, write
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.secret import Secret
from support.fakes import KEY, TOKEN, make_config
from support.har import check_har
from support.our_flows import answered, attempt_flow, client_flow

NAMES = Placeholders(make_config(), [Secret(TOKEN)])
STREAM = "text/event-stream"


def entries(*flows: mflow.Flow) -> list[dict[str, Any]]:
    content = archive(flows, NAMES)
    check_har(content)
    found: list[dict[str, Any]] = content["log"]["entries"]
    return found


def read(path: Path) -> list[http.HTTPFlow]:
    with path.open("rb") as file:
        return [flow for flow in FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]


def test_an_entry_keeps_what_the_gateway_knows() -> None:
    flow = client_flow(answer=answered({}), model="m", route=[["p/m", "ok", 1, None]])
    flow.comment, flow.marked = "m → p/m", ":robot:"
    flow.metadata["mine"] = 1
    [entry] = entries(flow)
    assert entry["_ai"] == {
        "comment": "m → p/m",
        "marked": ":robot:",
        "ai.exchange": "req_1",
        "ai.model": "m",
        "ai.route": [["p/m", "ok", 1, None]],
    }


def test_what_is_said_of_a_flow_holds_no_secret_and_nothing_that_is_not_json() -> None:
    flow = client_flow(reason=f"wrong key {KEY}", route=(("p/m", KEY),), odd={"a": KEY.encode()})
    flow.comment = f"it is {TOKEN}"
    flow.error = mflow.Error(f"{KEY} is refused")
    [entry] = entries(flow)
    assert entry["_ai"] == {
        "comment": "it is $OPENAI_API_KEY",
        "marked": "",
        "ai.exchange": "req_1",
        "ai.reason": "wrong key $P_API_KEY",
        "ai.route": [["p/m", "$P_API_KEY"]],
        "ai.odd": "{'a': b'$P_API_KEY'}",
    }
    assert entry["response"]["_error"] == "$P_API_KEY is refused"


def test_entries_stand_in_the_order_of_time() -> None:
    first, second = client_flow(b"1"), attempt_flow(b"2")
    first.request.timestamp_start = 1.0
    second.request.timestamp_start = 2.0
    found = entries(second, first, tflow.ttcpflow())
    assert [entry["request"]["postData"]["text"] for entry in found] == ["1", "2"]


@pytest.mark.parametrize(
    "flow",
    [
        client_flow(),
        client_flow(b""),
        attempt_flow(b"\xff\xfe picture", answer=answered(b"\xff\x00", "image/png")),
        attempt_flow(answer=answered(b"", status=204)),
        tflow.tflow(resp=True),
        tflow.tflow(err=True),
        tflow.twebsocketflow(),
    ],
    ids=["under way", "empty", "binary", "204", "foreign", "error", "websocket"],
)
def test_every_entry_is_complete(flow: http.HTTPFlow, tmp_path: Path) -> None:
    content = archive([flow], NAMES)
    check_har(content)
    write(content, tmp_path / "x.har")
    [again] = read(tmp_path / "x.har")
    assert again.request.method == flow.request.method
    assert again.request.pretty_url == flow.request.pretty_url


def test_an_answer_that_came_before_the_request_was_complete_took_no_negative_time() -> None:
    flow = client_flow(answer=answered({}))
    flow.request.timestamp_start, flow.request.timestamp_end = 1.0, 5.0
    assert flow.response is not None
    flow.response.timestamp_start = flow.response.timestamp_end = 2.0
    [entry] = entries(flow)
    assert (entry["timings"]["send"], entry["timings"]["wait"]) == (4000, 0)


@pytest.mark.parametrize("content_type", [STREAM, "application/json", "text/plain; charset=x", ""])
@pytest.mark.parametrize(
    "body", ["data: 你好\n\n".encode(), "data: né\n\n".encode(), b"data: x\n\n", b"\xff\x00"]
)
def test_bodies_are_read_back_as_they_were(body: bytes, content_type: str, tmp_path: Path) -> None:
    flow = attempt_flow("it's né 你".encode(), answer=answered(body, content_type))
    write(archive([flow], NAMES), tmp_path / "x.har")
    [again] = read(tmp_path / "x.har")
    assert again.response is not None
    assert again.response.content == body
    assert again.request.content == flow.request.content


def test_a_stream_in_utf8_is_readable_text() -> None:
    [entry] = entries(client_flow(answer=answered("data: 你好\n\n".encode(), STREAM)))
    assert entry["response"]["content"]["text"] == "data: 你好\n\n"


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    flow = attempt_flow(
        {"user": KEY},
        url=f"https://p.example/v1?key={KEY}&x={TOKEN}",
        headers=[("authorization", f"Bearer {KEY}"), ("cookie", f"a={TOKEN}")],
        answer=answered(f"\xff {KEY}".encode("latin-1"), "image/png"),
    )
    assert flow.response is not None
    flow.response.headers["set-cookie"] = f"b={TOKEN}"
    [entry] = entries(flow)
    assert {"name": "authorization", "value": "Bearer $P_API_KEY"} in entry["request"]["headers"]
    write(archive([flow], NAMES), tmp_path / "x.har")
    text = (tmp_path / "x.har").read_text()
    [again] = read(tmp_path / "x.har")
    assert again.response is not None
    for secret in (KEY, TOKEN):
        assert secret not in text
        assert secret.encode() not in (again.response.content or b"")


def test_a_secret_that_is_read_or_named_in_another_way_is_not_in_it_either() -> None:
    """A HAR has the query decoded."""
    encoded = "".join(f"%{ord(character):02x}" for character in TOKEN)
    flow = client_flow(path=f"/ping?a={encoded}", headers=[(TOKEN, "1")])
    [entry] = entries(flow)
    assert TOKEN not in json.dumps(entry)
    assert {"name": "a", "value": "$OPENAI_API_KEY"} in entry["request"]["queryString"]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    assert write({"é": 1}, path) == len(path.read_bytes())
    assert json.loads(path.read_text("utf-8")) == {"é": 1}
    with pytest.raises(exceptions.CommandError, match="is there already, and stays"):
        write({}, path)
    assert json.loads(path.read_text("utf-8")) == {"é": 1}


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(exceptions.CommandError, match="cannot be written: No such file"):
        write({}, tmp_path / "nowhere" / "x.har")


def test_nothing_chosen_is_an_error() -> None:
    with pytest.raises(exceptions.CommandError, match="expected for example @all"):
        archive([tflow.ttcpflow()], NAMES)
