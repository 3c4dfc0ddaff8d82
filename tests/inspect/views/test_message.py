"""The view "AI message": chosen for our answers alone, and text whatever is in them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import contentviews, http
from mitmproxy.test import tflow

from llm_gateway.inspect.views import message as module
from llm_gateway.inspect.views.message import MessageView
from support.answered import (
    JSON,
    STREAM,
    attempt_flow,
    client_flow,
    options_of_mitmproxy,
    recorded,
    shown,
)
from support.wire_files import Case, cases

REPLIES = [case for case in cases() if case.has("reply.sse") or case.has("reply.json")]
FAILURES = [case for case in cases() if case.has("failure.json")]
FORMATS = ("openai", "groq", "anthropic", "gemini", "cloudflare", "gigachat")
NAME = "AI message"
BUG = "This view failed"
CHUNK = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}],
}
EVENT = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"


@pytest.fixture(autouse=True, scope="module")
def _mitmproxy() -> Iterator[None]:
    contentviews.add(MessageView)
    with options_of_mitmproxy():
        yield


def text_of(flow: http.HTTPFlow, data: bytes | None = None) -> str:
    """What the view says of the flow's response, or of this body in its place."""
    assert flow.response is not None
    body = flow.response.raw_content if data is None else data
    kind = flow.response.headers["content-type"]
    about = contentviews.Metadata(flow=flow, content_type=kind, http_message=flow.response)
    return MessageView().prettify(body or b"", about)


def failed(case: Case) -> http.HTTPFlow:
    failure = case.json("failure.json")
    body = failure["body"]
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = failure["headers"].get("content-type", JSON)
    return attempt_flow(
        content, kind, kind=case.kind, status=failure["status"], headers=failure["headers"]
    )


@pytest.mark.parametrize("case", REPLIES, ids=str)
def test_what_was_recorded_shows_what_the_client_got_of_it(case: Case) -> None:
    flow = recorded(case)
    result = shown(flow)
    assert result.view_name == NAME
    assert BUG not in result.text
    if case.has("answer.json"):
        for choice in case.json("answer.json")["choices"]:
            words = (choice["message"]["content"] or "").split()[:5]
            assert all(word in result.text for word in words)
            assert f"finish: {choice['finish_reason']}" in result.text


@pytest.mark.parametrize("kind", sorted({case.kind for case in REPLIES}))
def test_what_was_recorded_and_is_cut_anywhere_is_shown(kind: str) -> None:
    seen: set[bytes] = set()
    for case in [case for case in REPLIES if case.kind == kind]:
        flow = recorded(case)
        assert flow.response is not None
        body = flow.response.raw_content or b""
        # Many recordings begin alike.
        beginnings = {body[:end] for end in range(0, len(body), 10)} - seen
        seen |= beginnings
        for beginning in beginnings:
            text = text_of(flow, beginning)
            assert text.startswith("attempt 1")
            assert BUG not in text


@pytest.mark.parametrize("case", FAILURES, ids=str)
def test_a_recorded_failure_shows_what_was_said_and_what_it_means(case: Case) -> None:
    result = shown(failed(case))
    assert result.view_name == NAME
    assert BUG not in result.text
    error = case.json("error.json")
    assert f"The provider said {case.json('failure.json')['status']}" in result.text
    assert f"{error['status']} " in result.text.split("What the gateway makes of it")[1]


@pytest.mark.parametrize("kind", FORMATS)
@given(body=st.binary(max_size=100), stream=st.booleans(), status=st.sampled_from([200, 429, 500]))
def test_whatever_stands_in_a_body_is_shown(
    kind: str, body: bytes, stream: bool, status: int
) -> None:
    flow = attempt_flow(body, STREAM if stream else JSON, kind=kind, status=status)
    assert BUG not in text_of(flow)


def test_a_stream_is_a_head_then_the_message_then_the_timeline() -> None:
    finish = EVENT.replace(b'"content": "Hello"', b"").replace(b"null", b'"stop"')
    body = EVENT + finish + b"data: [DONE]\n\n"
    ends = [len(EVENT), 400, len(EVENT + finish), 410, len(body), 420]
    flow = client_flow(
        body, STREAM, model="BIG", target="a/m", attempts=1, seconds=0.42, arrivals=ends
    )
    lines = shown(flow).text.splitlines()
    titles = [line.rstrip(" ─") for line in lines if line.endswith("───")]
    assert lines[:2] == ["BIG → a/m", "took 0.42 s"]
    assert titles == ["Message", "Timeline"]
    assert "  Hello" in lines
    assert lines[-1].split() == ["3", "0.420", "0.010", "14", "[DONE]"]


def test_a_stream_that_is_still_under_way_says_so_and_has_no_fault() -> None:
    flow = client_flow(EVENT + b'data: {"choi', STREAM, model="BIG")
    flow.live = True
    assert flow.response is not None
    flow.response.timestamp_end = None
    text = shown(flow).text
    assert f"still under way: 1 event, {len(flow.response.content or b'')} B so far" in text
    assert {"  Hello", "finish: not yet"} <= set(text.splitlines())
    assert "!" not in text
    flow.response.data.content = b""
    assert "(no content yet)" in shown(flow).text


def test_a_whole_answer_that_is_still_under_way_says_so() -> None:
    flow = client_flow(b'{"choices": [', model="BIG")
    flow.live = True
    assert flow.response is not None
    flow.response.timestamp_end = None
    assert "Still under way: 13 B of the answer so far." in shown(flow).text


def test_an_error_in_a_stream_is_shown_as_it_was_told() -> None:
    error = b'data: {"error": {"message": "Overloaded", "code": 529}}\n\n'
    text = shown(client_flow(EVENT + error, STREAM)).text
    assert "!  event 2: Overloaded" in text
    assert "  Hello" in text.splitlines()
    assert '"code": 529' in text


def test_a_clients_error_is_said_once() -> None:
    error = {"message": "It is down.", "type": "server_error", "param": None, "code": "gone"}
    body = json.dumps({"error": error}).encode()
    known = {"model": "BIG", "error": "gone", "reason": "It is down."}
    text = shown(client_flow(body, status=503, **known)).text
    assert text.count("It is down.") == 1
    assert text.endswith("  type: server_error\n  code: gone")


def test_an_error_that_is_no_json_is_shown_as_it_is() -> None:
    text = shown(client_flow(b"<h1>Bad gateway</h1>", "text/html", status=502)).text
    assert "  <h1>Bad gateway</h1>" in text.splitlines()
    assert "  (nothing)" in shown(client_flow(b"", status=502)).text


def test_a_stream_with_more_faults_than_can_be_told_says_how_many() -> None:
    text = shown(client_flow(b"data: {\n\n" * 100, STREAM)).text
    assert "!  … 88 more notes" in text
    assert text.count("which is no part of the answer") == 3


def test_a_failure_that_nobody_understands_is_shown_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: Any) -> Any:
        raise ValueError("odd")

    monkeypatch.setattr(module, "read_failure", broken)
    text = shown(attempt_flow(b'{"error": {"message": "Gone"}}', status=500)).text
    assert '"message": "Gone"' in text
    assert "What it means is not known. It cannot be read: ValueError: odd" in text


def test_pictures_are_sizes() -> None:
    entry = {"b64_json": "iVBORw0KGgo" + "A" * 40_000}
    body = json.dumps({"created": 1, "data": [entry, entry], "usage": {"input_tokens": 7}})
    text = shown(client_flow(body.encode(), path="/v1/images/generations")).text
    assert text.count("[picture png 30 KB]") == 2
    assert "tokens: 7 read, 0 written" in text


def test_a_picture_of_workers_ai_is_a_size() -> None:
    body = b'{"result": {"image": "iVBORw0KGgo' + b"A" * 40_000 + b'"}}'
    assert "[picture png 30 KB]" in shown(attempt_flow(body, kind="cloudflare")).text


def test_what_is_no_answer_is_shown_as_it_was_received() -> None:
    text = shown(attempt_flow(b'{"result": {"file": "' + b"x" * 9000 + b'"}}')).text
    assert "!  The provider's answer holds no choices." in text
    assert "more characters]" in text


def test_of_an_answer_of_countless_values_the_first_are_shown() -> None:
    text = text_of(client_flow(b'{"choices":[' + b"{}," * module.MAX_REPLY_VALUES + b"{}]}"))
    assert "more than 400 000 values" in text
    assert '"choices": [' in text


def test_a_huge_reply_is_not_read() -> None:
    text = text_of(client_flow(b" " * (module.MAX_REPLY + 1)))
    assert "larger than what is read here: 16 MB" in text


@pytest.mark.parametrize(
    "body",
    [
        EVENT.replace(b"Hello", b"word " * 200) * 5000,
        EVENT.replace(b"Hello", b"word " * 700_000) * 2,
        b"\n" * 5_000_000,
    ],
    ids=["events", "endless events", "blank lines"],
)
def test_of_a_stream_of_5_megabytes_a_bounded_text_is_made(body: bytes) -> None:
    text = text_of(client_flow(body, STREAM))
    assert BUG not in text
    assert len(text) < 300_000
    assert len(text.splitlines()) < 5000
    assert "only the first" in text


@pytest.mark.parametrize(
    ("flow", "chosen"),
    [
        (client_flow(EVENT, STREAM), True),
        (client_flow(b"{}"), True),
        (client_flow(b"{}", path="/v1/images/generations"), True),
        (client_flow(b"{}", status=401, path="/v1/models", refused=True), True),
        (client_flow(b"{}", status=404, path="/nowhere"), True),
        (client_flow(b"{}", path="/nowhere"), False),
        (client_flow(b"{}", path="/v1/models"), False),
        (client_flow(b"x", "image/png", path="/image"), False),
        (attempt_flow(b"{}"), True),
        (attempt_flow(b"x", "image/png"), False),
        (attempt_flow(b"{}", status=503), True),
        (attempt_flow(b"{}", "application/problem+json", status=403), True),
    ],
)
def test_the_view_is_chosen_by_itself_for_answers(flow: http.HTTPFlow, chosen: bool) -> None:
    if not chosen and flow.request.path == "/v1/models":
        flow.request.method = "GET"
    assert (shown(flow).view_name == NAME) is chosen


def test_the_list_of_a_providers_models_is_no_answer() -> None:
    flow = attempt_flow(b"{}")
    flow.request.method = "GET"
    assert shown(flow).view_name != NAME


@pytest.mark.parametrize("content_type", [STREAM, JSON, "text/html"])
def test_flows_of_others_and_requests_are_left_to_other_views(content_type: str) -> None:
    flow = tflow.tflow(resp=True)
    flow.response = http.Response.make(200, EVENT, {"content-type": content_type})
    assert shown(flow).view_name != NAME
    ours = client_flow(EVENT, content_type)
    asked = contentviews.prettify_message(ours.request, ours)
    assert asked.view_name != NAME


def test_chosen_by_hand_it_says_what_it_shows() -> None:
    flow = client_flow(EVENT, STREAM)
    asked = contentviews.prettify_message(flow.request, flow, NAME)
    assert asked.text == "This view shows answers: look at the response."
    assert MessageView().prettify(b"", contentviews.Metadata()).startswith("This view shows")
    assert MessageView().render_priority(b"", contentviews.Metadata()) < 0


def test_a_flow_of_somebody_else_can_be_shown_by_hand() -> None:
    flow = tflow.tflow(resp=True)
    flow.response = http.Response.make(200, EVENT, {"content-type": STREAM})
    assert "  Hello" in shown(flow, NAME).text.splitlines()


def test_a_bug_in_the_view_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_flow: http.HTTPFlow) -> Any:
        raise KeyError("no such thing")

    monkeypatch.setattr(module, "head_lines", broken)
    text = shown(client_flow(EVENT, STREAM)).text
    assert text.startswith("This view failed, which is a bug of the gateway's.")
    assert "KeyError: 'no such thing'" in text


def test_a_loaded_flow_is_shown_as_the_one_that_was_saved() -> None:
    flow = recorded(next(case for case in REPLIES if case.has("reply.sse")))
    loaded = http.HTTPFlow.from_state(flow.get_state())
    assert isinstance(loaded, http.HTTPFlow)
    assert shown(loaded).text == shown(flow).text
