"""The view "AI chat": chosen for our requests alone, readable whatever is in them."""

import base64
import json
import time

import pytest
from mitmproxy import contentviews, http
from mitmproxy.test import tflow

from llm_gateway.inspect.views.chat import ChatView
from support.asked import about, attempt, client, shown
from support.wire_files import Case, cases

VIEW = ChatView()
REQUESTS = [
    (case, name) for case in cases() for name in ("request.json", "upstream.json") if case.has(name)
]
LONGEST = [
    *{
        (case.kind, name): (case, name)
        for case, name in sorted(REQUESTS, key=lambda each: len(each[0].bytes(each[1])))
    }.values()
]
"""Of each kind and side."""
CHAT = {"model": "BIG", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("flow", "chosen"),
    [
        (client(CHAT), True),
        (client(b' {"messages": ['), True),
        (client({"model": "m", "prompt": "A cat"}), True),
        (attempt({"contents": []}), True),
        (client({"model": "m"}), False),
        (client(b""), False),
        (client(b'"messages":'), False),
    ],
)
def test_it_is_chosen_for_requests_to_models(flow: http.HTTPFlow, chosen: bool) -> None:
    body = flow.request.raw_content or b""
    assert (VIEW.render_priority(body, about(flow)) == 2) == chosen


def test_it_is_not_chosen_for_other_flows_nor_for_answers() -> None:
    body = json.dumps(CHAT).encode()
    stranger = tflow.tflow(resp=True)
    assert VIEW.render_priority(body, about(stranger)) < 0
    ours = attempt(CHAT)
    answer = contentviews.Metadata(flow=ours, http_message=ours.response)
    assert VIEW.render_priority(body, answer) < 0
    assert VIEW.render_priority(body, contentviews.Metadata()) < 0
    assert VIEW.prettify(body, answer) == "This view is for requests."


def test_a_request_reads_as_a_conversation() -> None:
    body = {
        "model": "BIG",
        "stream": True,
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "Be brief.\nBe kind."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "Rain\nWind"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "The weather."}}],
    }
    lines = shown(VIEW, client(body)).splitlines()
    assert [line.rstrip(" ─") for line in lines] == [
        "BIG · stream · 4 messages · 1 tool · about 54 tokens · 481 B",
        "temperature 0.5",
        "",
        "1 system · 49 B · ~8 tokens (15 %)",
        "    Be brief.",
        "    Be kind.",
        "",
        "2 user · 61 B · ~8 tokens (15 %)",
        "    Weather?",
        "",
        "3 assistant · 121 B · ~17 tokens (31 %)",
        "    [call] f() · c1",
        "",
        "4 tool · 58 B · ~9 tokens (17 %)",
        "    [result of f · c1]",
        "        Rain",
        "        Wind",
        "",
        "1 tool · 76 B · ~12 tokens (22 %)",
        "    f()  The weather.",
    ]


def test_gemini_has_its_model_and_the_stream_in_the_address() -> None:
    path = "/v1beta/models/up-model:streamGenerateContent?alt=sse"
    flow = attempt({"contents": [{"parts": [{"text": "Hi"}]}]}, kind="gemini", path=path)
    assert shown(VIEW, flow).startswith("up-model · stream · 1 message · ")


@pytest.mark.parametrize("kind", sorted({case.kind for case, _ in REQUESTS}))
def test_every_recorded_request_is_shown_with_all_that_is_said(kind: str) -> None:
    for case, name in (each for each in REQUESTS if each[0].kind == kind):
        text = shown(VIEW, client(case.bytes(name)))
        assert "[?]" not in text, case
        assert not text.startswith("!"), case
        for message in case.json(name).get("messages", []):
            said = message.get("content")
            words = said.split() if isinstance(said, str) else []
            assert not words or words[0] in text, case


@pytest.mark.parametrize(("case", "name"), LONGEST, ids=str)
def test_a_request_cut_anywhere_says_so_and_shows_what_there_is(case: Case, name: str) -> None:
    body = case.bytes(name).rstrip()
    request = about(client(b""))
    for length in range(0, len(body), 10):
        assert VIEW.prettify(body[:length], request).startswith("! The ")
    _trouble, _head, conversation = VIEW.prettify(body[:-1], request).split("\n \n", 2)
    assert VIEW.prettify(body, request).endswith(f"\n \n{conversation}")


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"{}", b'{"messages": 3}', b'{"messages": [null, 1, []]}', b"\xff{"]
)
def test_what_is_no_chat_is_no_error(body: bytes) -> None:
    assert shown(VIEW, client(body))


def test_a_huge_request_is_shown_at_once_and_within_bounds() -> None:
    picture = f"data:image/png;base64,{base64.b64encode(bytes(9_000_000)).decode()}"
    part = {"type": "image_url", "image_url": {"url": picture}}
    word = {"role": "user", "content": "hello there " * 100}
    parameters: object = {"properties": {f"p{n}": {} for n in range(50)}}
    function = {"name": "f", "description": "d " * 300, "parameters": parameters}
    body = {
        "messages": [{"role": "user", "content": [part, part, "word " * 400_000]}, *[word] * 2000],
        "tools": [{"type": "function", "function": function}] * 400,
    }
    flow = client(body)
    began = time.process_time()
    text = shown(VIEW, flow)
    assert time.process_time() - began < 2
    assert len(text) < 400_000
    assert text.count("\n") <= 4000
    assert text.count("[picture] image/png, 9.0 MB") == 2
    assert "… 1 781 messages left out …" in text
    assert "\n2001 user" in text
    assert "… 300 more tools" in text
