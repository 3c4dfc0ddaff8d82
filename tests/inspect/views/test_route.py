"""The view "AI route": every step of an exchange, and what came of it in a sentence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from llm_gateway.inspect.views.route import COLUMNS, RouteView
from support.any_json import anything
from support.asked import about, attempt, client, kin_of, shown

LIMITED = ["groq/llama", "rate_limit_exceeded", "Rate limit reached.", 1, 0.0, 0.12, 0.0, 1.2]
AGAIN = ["groq/llama", "upstream_overloaded", "It is overloaded.", 2, 1.32, 1.5, 0.0, None]
PARKED = ["openai/gpt-5", "parked", "it rests; free in 12.0 s", None, 1.5, 1.5, 0.0, None]
GOOD = ["anthropic/claude", "ok", "", 3, 1.8, 2.1, 0.3, None]
ROUTE = [LIMITED, AGAIN, PARKED, GOOD]


def a_client(route: object, *, stream: bool = False, **metadata: Any) -> http.HTTPFlow:
    """A client's flow that is over."""
    flow = client({}, route=route, **metadata)
    flow.response = tutils.tresp()
    flow.response.headers["content-type"] = "text/event-stream" if stream else "application/json"
    return flow


def routed(one: http.HTTPFlow, *others: http.HTTPFlow) -> list[str]:
    """The lines that the view has for the first of these flows."""
    lines = shown(RouteView(kin_of(one, *others)), one).splitlines()
    return [line.rstrip() for line in lines]


def sentence(one: http.HTTPFlow, *others: http.HTTPFlow) -> str:
    """What came of it: all before the table."""
    lines = routed(one, *others)
    return " ".join(lines[: lines.index("") if "" in lines else None])


def test_it_is_never_chosen_by_itself() -> None:
    flow = client({})
    assert RouteView(kin_of()).render_priority(b"{}", about(flow)) < 0


def test_a_route_is_told_step_by_step_with_its_waits() -> None:
    attempts = [
        attempt({}, number=n, status=status) for n, status in ((1, 429), (2, 503), (3, 200))
    ]
    held = a_client(ROUTE, stream=True, seconds=4.0)
    assert sentence(held, *attempts) == (
        "anthropic/claude began to answer on the 3rd attempt, 2.1 s after the request; all of it "
        "took 4.0 s; 0.30 s of it in queues; 1.2 s of it waiting to ask again; passed over: "
        "openai/gpt-5 (parked)."
    )
    lines = routed(held, *attempts)
    assert lines[lines.index("") + 1 :] == [
        "   #  at     target            what came of it",
        "   1  0 ms   groq/llama        rate_limit_exceeded (429) after 0.12 s",
        "               Rate limit reached.",
        "               asked again 1.2 s later",
        "   2  1.3 s  groq/llama        upstream_overloaded (503) after 0.18 s",
        "               It is overloaded.",
        "   -  1.5 s  openai/gpt-5      passed over: parked",
        "               it rests; free in 12.0 s",
        "   3  1.8 s  anthropic/claude  answered after 0.30 s",
        "               it waited 0.30 s for its turn",
        "",
        "Timeline of 4.0 s",
        f"   1  │█{'░' * 15}{' ' * 34}│  groq/llama",
        f"   2  │{' ' * 16}██{' ' * 32}│  groq/llama",
        f"   -  │{' ' * 18}x{' ' * 31}│  openai/gpt-5",
        f"   3  │{' ' * 18}····████{'▒' * 24}│  anthropic/claude",
        "   · in the queue   █ asked   ▒ answering   ░ waiting to ask again   x passed over",
    ]


def test_an_attempt_finds_itself_in_the_route_of_its_exchange() -> None:
    held = a_client(ROUTE, seconds=2.1)
    lines = routed(attempt({}, number=2), held)
    assert [line[2:4] for line in lines if line.startswith("►")] == [" 2", " 2"]
    assert not any(line.startswith("►") for line in routed(held))


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (
            a_client([["a/b", "ok", "", 1, 0, 0.004, 0, None]]),
            "a/b answered on the 1st attempt, 4 ms after the request.",
        ),
        (
            a_client([LIMITED, PARKED], seconds=1.5, error="limited", reason="All are."),
            "nobody answered, after 1 attempt and 1.5 s: limited: All are; 1.2 s of it waiting to"
            " ask again; passed over: openai/gpt-5 (parked).",
        ),
        (
            a_client(
                [GOOD, ["b/b", "resumed", "", 4, 2.2, 3.0, 0, None]], stream=True, seconds=3.5
            ),
            "anthropic/claude began to answer on the 3rd attempt, 2.1 s after the request; it broke"
            " off, and b/b went on after 3.0 s; all of it took 3.5 s; 0.30 s of it in queues.",
        ),
        (
            a_client([GOOD], error="cut", reason="It was cut."),
            "anthropic/claude answered on the 3rd attempt, 2.1 s after the request; it ended with"
            " cut: It was cut; 0.30 s of it in queues.",
        ),
        (
            a_client([[f"t{n}", "parked", "", None, 0, 0, 0, None] for n in range(5)]),
            "nobody answered, after 0 attempts and 0 ms; passed over: t0 (parked), t1 (parked), t2"
            " (parked) and 2 more.",
        ),
        (
            client({}, refused=True, error="invalid_api_key", reason="Wrong."),
            "This request was refused at the door, and no provider was asked. invalid_api_key:"
            " Wrong.",
        ),
        (
            client({}, error="model_not_found", reason="No such model."),
            "No provider was asked for this request. model_not_found: No such model.",
        ),
        (client({}), "No provider was asked for this request."),
        (tflow.tflow(), "This flow is not one of the gateway's."),
        (
            attempt({}, model="*"),
            "The gateway asked by itself which models there are; no client waited for it.",
        ),
    ],
)
def test_what_came_of_it_is_a_sentence(flow: http.HTTPFlow, said: str) -> None:
    assert sentence(flow) == said


def test_a_client_that_left_is_why_nobody_answered() -> None:
    flow = a_client([["a/b", "broken_off", "", 1, 0, 2, 0, None]])
    flow.error = tflow.terr("Client disconnected.")
    assert sentence(flow) == "nobody answered, after 1 attempt and 2.0 s: Client disconnected."


def test_a_retry_without_a_wait_is_at_once() -> None:
    lines = routed(a_client([[*LIMITED[:7], 0.0]]))
    assert lines[-5].strip() == "asked again at once"


def test_before_the_end_the_flows_of_the_attempts_tell_the_route() -> None:
    held = client({})
    held.live = True
    assert sentence(held) == "No provider has been asked yet."
    failed, waiting = attempt({}, number=1, status=429), attempt({}, number=2, status=None)
    for flow, at in ((held, 100.0), (failed, 100.5), (waiting, 102.0)):
        flow.request.timestamp_start = at
    assert failed.response is not None
    failed.response.timestamp_end = 101.0
    lines = routed(held, failed, waiting)
    assert lines[0].startswith("The client's flow has no route yet; this is what the flows of the")
    assert "   1  0.50 s  openai/up-model  429 after 0.50 s" in lines
    assert "   2  2.0 s   openai/up-model  no answer yet" in lines
    assert routed(failed)[0].startswith("The client's flow is not kept any more;")


def test_an_attempt_that_broke_off_before_the_end_says_how() -> None:
    flow = attempt({}, status=None)
    flow.error = tflow.terr("no route to host")
    assert any("no route to host after 0 ms" in line for line in routed(flow))


@pytest.mark.parametrize(
    "route",
    [[[1, 2, 3, 4, 5, 6, 7, 8]], [["a", "b", "c", "1", 0, 0, 0, None]], [[]], "no list"],
)
def test_what_is_no_route_is_left_out(route: object) -> None:
    assert sentence(a_client(route)) == "No provider was asked for this request."


TIMES = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)
STEPS = st.tuples(
    st.text(max_size=9),
    st.sampled_from(["", "ok", "resumed", "parked", "500"]),
    st.text(max_size=9),
    st.none() | st.integers(0, 5),
    TIMES,
    TIMES,
    TIMES,
    st.none() | TIMES,
)


@given(st.lists(STEPS | anything(st.text(max_size=3)), max_size=4), st.booleans())
def test_no_route_is_too_strange(route: list[Any], stream: bool) -> None:
    lines = routed(a_client(route, stream=stream))
    bars = [line.split("│")[1] for line in lines if line.count("│") == 2 and "█" in line]
    assert all(len(bar) == COLUMNS for bar in bars)


def test_a_route_is_bounded() -> None:
    assert len(routed(a_client([LIMITED] * 5000))) < 1000
