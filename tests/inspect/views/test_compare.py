"""The answers of one comparison stand in one table and below each other, on any of its rows."""

from collections.abc import Iterable
from typing import Any

import pytest
from mitmproxy import contentviews, http
from mitmproxy import flow as mflow
from mitmproxy.test import tflow

from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.views import compare
from llm_gateway.inspect.views.compare import MAX_ANSWER_LINES, MAX_ANSWERS, CompareView
from llm_gateway.inspect.views.text import titled
from support.openai_shapes import completion, message, usage
from support.our_flows import answered, client_flow

ERROR = {"error": {"message": "It is full.", "type": "server_error", "code": "overloaded"}}
STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n'
)


def one(at: float, model: str, answer: http.Response | None, **metadata: Any) -> http.HTTPFlow:
    """A flow of the comparison that was asked at this time."""
    known = {"exchange": f"req_{at}", "compare": "cmp_1", "model": model, **metadata}
    flow = client_flow(answer=answer, **known)
    flow.request.timestamp_start = at
    return flow


def said(text: str) -> http.Response:
    return answered(completion("m", [message(text)], "stop", usage(1, 2)))


def shown(flow: mflow.Flow, others: Iterable[http.HTTPFlow] = ()) -> str:
    kin = Kin()
    for other in others:
        kin.add(other)
    text = CompareView(kin).prettify(b"", contentviews.Metadata(flow=flow))
    return "\n".join(map(str.rstrip, text.splitlines()))


def test_each_answer_has_a_row_and_its_text() -> None:
    numbers = {"ttft": 0.41, "seconds": 3.2, "tokens_prompt": 1200, "tokens_completion": 34}
    original = one(1, "m", said("It is four."), target="p/m", seconds=0.5)
    stream = answered(STREAM, "text/event-stream; charset=utf-8")
    streamed = one(2, "BIG", stream, target="q/b", cost_usd=0.0041, **numbers)
    failed = one(3, "SMALL", answered(ERROR, status=503), target="r/s", error="overloaded")
    waiting = one(4, "slow", None)
    flows = [waiting, failed, streamed, original]
    assert shown(streamed, flows).splitlines() == [
        "One request, 4 answers; the oldest first.",
        "",
        "   model  answered by  status          ttft    total   tokens      cost",
        "   m      p/m          200             -       0.50 s  -           -",
        "▸  BIG    q/b          200             0.41 s  3.2 s   1 200 + 34  $0.0041",
        "   SMALL  r/s          503 overloaded  -       -       -           -",
        "   slow   -            under way       -       -       -           -",
        "",
        titled("m → p/m"),
        *below(shown(original), "m → p/m"),
        "",
        titled("BIG → q/b"),
        *below(shown(streamed), "BIG → q/b"),
        "",
        titled("SMALL → r/s"),
        *below(shown(failed), "SMALL → r/s"),
        "",
        titled("slow"),
        "  (under way)",
    ]
    assert "  It is four." in shown(original)
    assert "  Hello" in shown(streamed)
    assert "  It is full." in shown(failed)


def below(text: str, title: str) -> list[str]:
    """What stands under a title to the end."""
    lines = text.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith(f"{title} ─")]
    return lines[at + 1 :]


def test_a_flow_under_way_is_named_by_its_request() -> None:
    flow = client_flow({"model": "gpt-5"}, compare="cmp_1")
    assert "▸  gpt-5  -            under way" in shown(flow)


def test_a_flow_that_broke_off_says_so() -> None:
    flow = one(1, "m", None)
    flow.error = mflow.Error("Connection killed.")
    text = shown(flow)
    assert "Connection killed." in text
    assert "(no answer)" in text


@pytest.mark.parametrize(
    ("body", "content_type", "part"),
    [
        (b'{"data": [{"b64_json": "iVBORw0KGgo="}]}', "application/json", "[picture"),
        (b"no JSON", "application/json", "  ("),
        (b"\xff\x00", "text/event-stream", ""),
        (b'{"data": 3, "choices": "none"}', "application/json", ""),
    ],
)
def test_whatever_the_answer_is_it_is_shown(body: bytes, content_type: str, part: str) -> None:
    text = shown(one(1, "m", answered(body, content_type)))
    assert part in text
    assert "bug" not in text


def test_metadata_of_other_types_does_no_harm() -> None:
    text = shown(one(1, "m", said("x"), target=3, ttft="soon", cost_usd=[], tokens_prompt="1"))
    assert "▸  m      -            200     -     -      -       -" in text


def test_a_request_that_was_not_compared_says_how_to() -> None:
    for flow in (client_flow(), tflow.tflow(), tflow.ttcpflow()):
        assert "ai.compare @marked BIG,SMALL" in shown(flow)


def test_many_and_long_answers_are_bounded() -> None:
    flows = [one(at, f"m{at}", said("x\n" * 1000)) for at in range(MAX_ANSWERS + 5)]
    lines = shown(flows[-1], flows).splitlines()
    assert lines[:2] == [
        f"One request, {len(flows)} answers; the oldest first.",
        "The latest 40 are shown.",
    ]
    assert lines[4].split()[0] == "m5"
    assert len(below(shown(flows[0]), "m0")) == MAX_ANSWER_LINES + 1


def test_a_bug_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(compare, "table")
    assert "which is a bug of the gateway's" in shown(one(1, "m", said("x")))


def test_it_is_never_chosen_by_itself() -> None:
    metadata = contentviews.Metadata(flow=one(1, "m", said("x")))
    assert CompareView(Kin()).render_priority(b"", metadata) < 0
