"""The view "AI diff": a client's request beside a provider's, for people."""

import time
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.inspect.views.diff import DiffView
from support.asked import about, attempt, client, kin_of, shown
from support.wire_files import Case, cases

CHAT: dict[str, Any] = {"model": "BIG", "messages": [{"role": "user", "content": "Hi"}]}
SENT: dict[str, Any] = {**CHAT, "model": "up-model"}
PAIRS = [case for case in cases() if case.has("request.json") and case.has("upstream.json")]
FORMATS = ("anthropic", "cloudflare", "gemini", "gigachat", "openai")
LONGEST = [
    max(
        (case for case in PAIRS if case.kind == kind),
        key=lambda case: len(case.bytes("upstream.json")),
    )
    for kind in FORMATS
]


def compared(one: http.HTTPFlow, *others: http.HTTPFlow) -> str:
    """What the view says of the first of these flows."""
    return shown(DiffView(kin_of(one, *others)), one)


def test_it_is_never_chosen_by_itself() -> None:
    flow = client(CHAT)
    assert DiffView(kin_of()).render_priority(b"{}", about(flow)) < 0


def test_an_attempt_is_compared_with_its_clients_request() -> None:
    asked = {**CHAT, "user": "u", "logit_bias": {"1": 1}, "max_completion_tokens": 9}
    sent = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 9},
    }
    noted = ["user", "logit_bias"]
    text = compared(attempt(sent, kind="gemini", dropped=noted, target="g/up-model"), client(asked))
    words, _, json_diff = text.partition("The two requests as JSON")
    assert [line.rstrip() for line in words.splitlines()] == [
        "client request → attempt 1, g/up-model · answered 200",
        "",
        "Renamed or moved (2)",
        "    messages → contents: 1 entry, changed inside",
        "    max_completion_tokens → generationConfig.maxOutputTokens",
        "",
        "Changed (1)",
        '    model: "BIG" → "up-model" — in the path',
        "",
        "Dropped (2)",
        "    user, logit_bias — this provider does not know it",
        "",
    ]
    assert '\n-  "model": "BIG",\n' in json_diff
    assert '\n+    "maxOutputTokens": 9\n' in json_diff


def test_a_client_is_compared_with_the_attempt_that_answered() -> None:
    route = [["a/m", "500", "", 1, 0, 1, 0, None], ["b/m", "ok", "", 2, 1, 2, 0, None]]
    route += [["c/m", "broken_off", "", 3, 1, 2, 0, None]]
    asked = client(CHAT, route=route)
    attempts = [attempt(SENT, number=number, target=f"{name}/m") for number, name in
                enumerate("abc", start=1)]  # fmt: skip
    assert compared(asked, *attempts).startswith("client request → attempt 2, b/m · answered 200\n")


def test_without_a_good_attempt_a_client_is_compared_with_the_last_that_was_not_by_hand() -> None:
    last, again = attempt(SENT, number=2, status=500), attempt(SENT, number=2)
    again.is_replay = "request"
    text = compared(client(CHAT), attempt(SENT), last, again)
    assert text.startswith("client request → attempt 2, openai/up-model · answered 500\n")
    assert compared(again, client(CHAT)).startswith(
        "client request → attempt 2, openai/up-model · sent again by hand · answered 200\n"
    )


def test_the_last_call_of_an_attempt_is_the_one_with_the_request() -> None:
    upload = attempt(b"--x", status=200)
    upload.request.timestamp_start -= 1
    held = client(CHAT)
    assert "model: " in compared(held, attempt(SENT), upload)


def test_what_a_failed_attempt_was_not_told_is_found_without_a_note() -> None:
    asked = {**CHAT, "messages": [{"role": "user", "content": "Hi", "name": "Ann"}]}
    text = compared(attempt(SENT, kind="groq", status=400), client(asked))
    assert "messages[].name — this provider does not know it" in text


def test_an_attempt_that_goes_on_and_one_that_failed_say_so() -> None:
    flow = attempt(SENT, resumes=True, status=None)
    flow.error = tflow.terr("no route")
    text = compared(flow, client(CHAT))
    assert "it goes on with an answer that broke" in text
    assert "failed: no route" in text


def test_edits_by_hand_are_told_and_what_was_sent_is_compared() -> None:
    asked, made = client(CHAT), attempt(SENT)
    for flow in (asked, made):
        flow.backup()
    assert "by hand" not in compared(made, asked)
    made.request.content = made.request.content.replace(b"Hi", b"Bye")  # type: ignore[union-attr]
    text = compared(made, asked)
    assert "The provider's request was edited by hand" in text
    assert text.count('+      "content": "Bye"') == 2
    asked.request.content = b" " + (asked.request.content or b"")
    assert "Only its form: it says the same." in compared(asked, made)


@pytest.mark.parametrize(
    ("flows", "said"),
    [
        ([attempt(SENT)], "The client's request is not kept any more"),
        ([client(CHAT)], "There is no attempt to compare this with"),
        ([client(b"", refused=True)], "This request was refused at the door"),
        ([attempt(b"", model="*")], "The gateway asked by itself which models there are"),
        ([tflow.tflow()], "This flow is not one of the gateway's."),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_why(
    flows: list[http.HTTPFlow], said: str
) -> None:
    assert compared(*flows).startswith(said)


def test_a_request_that_nobody_was_asked_for_yet_says_so() -> None:
    flow = client(CHAT)
    flow.live = True
    assert compared(flow) == "No provider has been asked yet."


def test_bodies_that_are_no_objects_are_told_by_their_size() -> None:
    form = attempt(b"--x")
    form.request.headers["content-type"] = "multipart/form-data"
    text = compared(form, client(CHAT))
    assert "The provider's request: POST, multipart/form-data, 3 B." in text


def test_an_unknown_kind_is_compared_by_names_and_values() -> None:
    text = compared(attempt(SENT, kind="of yesterday"), client(CHAT))
    assert "The provider's kind is not known" in text
    assert 'model: "BIG" → "up-model"' in text


def test_pictures_have_a_table_of_their_own() -> None:
    asked = client({"prompt": "A cat", "size": "1024x1024"}, path="/v1/images/generations")
    text = compared(attempt({"contents": [], "generationConfig": {}}, kind="gemini"), asked)
    assert "size: " in text
    assert "the nearest of ten shapes" in text


@pytest.mark.parametrize("kind", sorted({case.kind for case in PAIRS}))
def test_every_recorded_pair_is_compared(kind: str) -> None:
    for case in (each for each in PAIRS if each.kind == kind):
        asked = client(case.bytes("request.json"))
        text = compared(attempt(case.bytes("upstream.json"), kind=kind), asked)
        assert "Passed as they are" in text or "Changed" in text or "Renamed" in text, case
        assert "!" not in text.splitlines()[1], case


@pytest.mark.parametrize("case", LONGEST, ids=str)
def test_a_request_cut_anywhere_is_compared_as_far_as_it_goes(case: Case) -> None:
    asked, body = case.bytes("request.json"), case.bytes("upstream.json").rstrip()
    made, whole = attempt(b"", kind=case.kind), client(asked)
    view = DiffView(kin_of(made, whole))
    for length in range(0, len(body), 10):
        made.request.content = body[:length]
        assert shown(view, made)
    assert "! The provider's request: The JSON breaks off" in shown(view, made)


def test_huge_requests_are_compared_at_once_and_within_bounds() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 20_000_000}}
    words = [{"role": "user", "content": f"word {n} " * 20} for n in range(3000)]
    asked = client({**CHAT, "messages": [{"role": "user", "content": [part]}, *words]})
    made = attempt({**SENT, "messages": [*words, {"role": "user", "content": [part]}]}, kind="groq")
    began = time.process_time()
    text = compared(made, asked)
    assert time.process_time() - began < 3
    assert len(text) < 400_000
