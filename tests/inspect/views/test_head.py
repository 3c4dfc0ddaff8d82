"""The first lines of a view of an answer: who, how it went, and why it failed."""

from typing import Any

import pytest
from mitmproxy import flow as mflow
from mitmproxy import http

from llm_gateway.inspect import metadata
from llm_gateway.inspect.views.head import MAX_STEPS, head_lines, under_way
from llm_gateway.trace import Step
from support.answered import attempt_flow, client_flow

SPENT: dict[str, Any] = {
    "tokens_prompt": 1200,
    "tokens_completion": 340,
    "tokens_cached": 800,
    "cost_usd": 0.0041,
}


def head(flow: http.HTTPFlow) -> list[str]:
    return [*head_lines(flow)]


def failed(*steps: Step, **values: Any) -> http.HTTPFlow:
    route = metadata.plain_route(steps)
    known: dict[str, Any] = {"model": "BIG", "target": "b/m", "attempts": 2}
    error = "upstream_unavailable"
    return client_flow(b"", status=503, route=route, error=error, **(known | values))


def test_a_client_flow_begins_with_what_was_asked_and_who_answered() -> None:
    flow = client_flow(
        b"", model="BIG", target="gemini/pro", attempts=2, ttft=0.42, seconds=3.14, **SPENT
    )
    assert head(flow) == [
        "BIG → gemini/pro",
        "2 attempts · first content after 0.42 s · took 3.1 s"
        " · 1 200 (800 cached) + 340 tokens · $0.0041",
    ]


def test_an_attempt_begins_with_its_number_its_target_and_its_format() -> None:
    flow = attempt_flow(b"", kind="anthropic", target="claude/haiku", attempts=3, seconds=0.004)
    assert head(flow) == ["attempt 1 of 3 · claude/haiku · format anthropic", "took 4 ms"]


def test_an_attempt_that_is_not_over_goes_by_its_provider_and_model() -> None:
    assert head(attempt_flow(b"")) == ["attempt 1 · p/up-model · format openai"]


def test_an_attempt_says_what_is_special_about_it() -> None:
    flow = attempt_flow(b"", resumes=True, fault="429", cut="body cut: the first 4 of 5 bytes")
    assert head(flow) == [
        "attempt 1 · p/up-model · format openai · goes on with an answer that broke off"
        " · injected fault: 429",
        "body cut: the first 4 of 5 bytes",
    ]


def test_a_request_that_was_refused_at_the_door_goes_by_its_path() -> None:
    flow = client_flow(b"", status=401, refused=True)
    assert head(flow) == ["POST /v1/chat/completions", "401"]


def test_an_answer_that_broke_off_says_why() -> None:
    flow = client_flow(b"", model="BIG", target="a/m")
    flow.error = mflow.Error("the client left")
    assert head(flow) == ["BIG → a/m", "broken off: the client left"]


def test_a_failure_is_explained_by_the_way_that_led_to_it() -> None:
    flow = failed(
        Step("a/m", "quota", "its quota is spent"),
        Step("b/m", "rate_limit_exceeded", "Slow down.", 1, 0.0, 0.25, retry_in=1.2),
        Step("b/m", "upstream_unavailable", "It is down.", 2, 1.5, 1.504),
        reason="It is down.",
    )
    assert head(flow) == [
        "BIG",
        "503 upstream_unavailable · 2 attempts",
        "",
        "It is down.",
        "",
        "2 attempts at 1 target failed; 1 target was passed over:",
        "  -  a/m  passed over: quota",
        "      its quota is spent",
        "  1  b/m  rate_limit_exceeded, after 0.25 s, asked again 1.2 s later",
        "      Slow down.",
        "  2  b/m  upstream_unavailable, after 4 ms",
    ]


def test_a_failure_of_which_nobody_was_asked_says_so() -> None:
    lines = head(failed(Step("a/m", "quota"), Step("b/m", "breaker")))
    assert "2 targets were passed over; nobody was asked:" in lines


def test_a_route_without_end_is_cut_and_that_is_said() -> None:
    lines = head(failed(*[Step("a/m", "breaker")] * (MAX_STEPS + 5)))
    assert lines[-1] == "  … 5 more steps"


@pytest.mark.parametrize("value", [None, 5, -1.0, "text", [1], {"a": 1}, float("nan")])
def test_metadata_of_any_kind_is_no_failure(value: Any) -> None:
    names = ("model", "target", "attempts", "ttft", "seconds", "error", "reason", "route", "cut")
    spent = ("tokens_prompt", "tokens_completion", "tokens_cached", "cost_usd")
    assert head(client_flow(b"", **dict.fromkeys((*names, *spent), value)))
    assert head(attempt_flow(b"", **dict.fromkeys((*names, *spent), value)))


def test_an_answer_is_under_way_until_its_end_has_come() -> None:
    flow = client_flow(b"")
    assert not under_way(flow)
    flow.live = True
    assert not under_way(flow)
    assert flow.response is not None
    flow.response.timestamp_end = None
    assert under_way(flow)
    flow.error = mflow.Error("gone")
    assert not under_way(flow)
