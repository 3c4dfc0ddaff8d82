"""What a row says, in the words of its comment."""

from dataclasses import replace

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import RequestError, UpstreamRateLimited
from llm_gateway.inspect import comments
from llm_gateway.trace import Step, Trace

USAGE = Usage(1234, 340)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def exchange(*steps: Step, model: str | None = "BIG", **facts: object) -> Trace:
    """An exchange of 2.5 seconds with these steps."""
    clock = Clock()
    trace = Trace("req_test", model=model, steps=[*steps], clock=clock)
    asked = [step for step in steps if step.attempt is not None]
    trace.attempts = len(asked)
    trace.target = asked[-1].target if asked else None
    for name, value in facts.items():
        setattr(trace, name, value)
    clock.now += 2.5
    return trace


FAILED = Step("groq/llama", "rate_limit_exceeded", "Slow down.", attempt=1, ended=0.5)
OUTRUN = Step("a/m", "ok", attempt=1, ended=2.0)
RACER = Step("b/m", attempt=2, began=1.0)
"""Asked beside one that hung, and outrun by it after all."""
PARKED = Step("a/m", "parked")
GOOD = Step("gemini/pro", "ok", attempt=2, began=0.6, ended=1.0)


@pytest.mark.parametrize(
    ("trace", "cost", "comment"),
    [
        (
            exchange(FAILED, GOOD, status=200, stream=True, first_byte=100.4, usage=USAGE),
            0.0041,
            "BIG → gemini/pro · 2 tries · ttft 0.40 s · 1.2k+340 tok · $0.0041",
        ),
        (
            exchange(GOOD, status=200, usage=Usage(2, 4)),
            None,
            "BIG → gemini/pro · 2.5 s · 2+4 tok",
        ),
        (
            exchange(FAILED, failure=UpstreamRateLimited("Slow down.")),
            None,
            "BIG → groq/llama · 429 rate_limit_exceeded · 2.5 s",
        ),
        (exchange(FAILED), None, "BIG → groq/llama · the client left · 2.5 s"),
        (
            exchange(PARKED, Step("b/m", "quota"), GOOD, status=200),
            None,
            "BIG → gemini/pro · past a/m (parked) and 1 more · 2.5 s",
        ),
        (
            exchange(model=None, failure=RequestError(401, "No.", code="invalid_api_key")),
            None,
            "401 invalid_api_key · 2.5 s",
        ),
        (exchange(model=None, status=200), None, "2.5 s"),
    ],
    ids=["after all", "at once", "failed", "left", "passed over", "refused", "no model"],
)
def test_a_client_row_says_who_answered_how_fast_and_for_how_much(
    trace: Trace, cost: float | None, comment: str
) -> None:
    assert comments.of_exchange(trace, cost) == comment


def test_a_flow_that_a_person_has_killed_is_not_one_whose_client_has_left() -> None:
    said = comments.of_exchange(exchange(FAILED), None, killed=True)
    assert said == "BIG → groq/llama · killed by hand · 2.5 s"


@pytest.mark.parametrize(
    ("trace", "marker"),
    [
        (exchange(GOOD, status=200), comments.ANSWERED),
        (exchange(FAILED, GOOD, status=200), comments.AFTER_ALL),
        (exchange(FAILED, failure=UpstreamRateLimited("No.")), comments.FAILED),
        (exchange(FAILED), comments.LEFT),
        (exchange(model=None, failure=RequestError(401, "No.")), comments.REFUSED),
    ],
)
def test_a_client_row_has_the_marker_of_what_it_came_to(trace: Trace, marker: str) -> None:
    assert comments.marker_of(trace) == marker


@pytest.mark.parametrize(
    ("steps", "comment"),
    [
        ([Step("a/m", attempt=1)], "BIG → a/m · asked"),
        ([FAILED, Step("a/m", attempt=2)], "BIG → a/m · asked, try 2"),
        ([FAILED], "BIG → groq/llama · rate_limit_exceeded"),
        (
            [Step("a/m", "server_error", attempt=1, retry_in=1.2)],
            "BIG → a/m · server_error, retry in 1.2 s",
        ),
        ([GOOD], "BIG → gemini/pro · answering"),
        ([Step("a/m", "quota")], "BIG · quota"),
        ([OUTRUN, RACER], "BIG → a/m · answering"),
        ([OUTRUN, replace(RACER, outcome="broken_off", ended=2.1)], "BIG → a/m · answering"),
        ([Step("a/m", attempt=1), FAILED], "BIG → a/m · asked"),
        ([OUTRUN, Step("b/m", attempt=2, began=3.0)], "BIG → b/m · asked, try 2"),
    ],
)
def test_a_client_row_says_what_is_going_on(steps: list[Step], comment: str) -> None:
    assert comments.under_way(exchange(*steps)) == comment


@pytest.mark.parametrize(
    ("step", "status", "total", "comment"),
    [
        (Step("a/m", attempt=1), None, None, "1 · under way"),
        (Step("a/m", attempt=1), 429, None, "1 · 429"),
        (Step("a/m", "busy", attempt=1, retry_in=1.25), 429, None, "1 · 429 busy, retry in 1.2 s"),
        (Step("a/m", "busy", attempt=1), 503, 3, "1/3 · 503 busy, then b/m"),
        (Step("b/m", "busy", attempt=3), 503, 3, "3/3 · 503 busy"),
        (Step("a/m", "upstream_timeout", attempt=1), None, 3, "1/3 · upstream_timeout, then b/m"),
        (Step("b/m", "ok", attempt=3), 200, 3, "3/3 · ok"),
        (Step("b/m", "ok", attempt=3, queued=0.5), 200, 3, "3/3 · queued 0.50 s · ok"),
        (Step("b/m", "ok", attempt=3, queued=0.01), 200, 3, "3/3 · ok"),
    ],
)
def test_an_attempt_row_says_its_number_its_outcome_and_what_came_next(
    step: Step, status: int | None, total: int | None, comment: str
) -> None:
    trace = exchange(step, Step("b/m", "ok", attempt=2))
    said = comments.of_attempt(trace, step, None, None, status=status, total=total)
    assert said == comment


@pytest.mark.parametrize(
    ("step", "status", "failed", "marker"),
    [
        (Step("a/m", attempt=1), None, False, ""),
        (Step("a/m", attempt=1), 200, False, ""),
        (Step("a/m", attempt=1), 429, False, comments.BAD_ATTEMPT),
        (FAILED, None, False, comments.BAD_ATTEMPT),
        (FAILED, 200, False, comments.BAD_ATTEMPT),
        (GOOD, 200, False, comments.GOOD_ATTEMPT),
        (GOOD, 200, True, comments.BAD_ATTEMPT),
    ],
)
def test_an_attempt_row_has_the_marker_of_what_it_came_to(
    step: Step, status: int | None, failed: bool, marker: str
) -> None:
    assert comments.marker_of_attempt(step, status, failed=failed) == marker


@pytest.mark.parametrize(
    ("failure", "comment"),
    [
        (None, "2/2 · ok, then broken off · first content 0.40 s"),
        (UpstreamRateLimited("No."), "2/2 · ok, then rate_limit_exceeded · first content 0.40 s"),
    ],
    ids=["by this side", "by the provider"],
)
def test_an_attempt_whose_stream_broke_off_is_not_simply_good(
    failure: UpstreamRateLimited | None, comment: str
) -> None:
    trace = exchange(GOOD, stream=True, failure=failure)
    said = comments.of_attempt(trace, GOOD, None, None, status=200, total=2, broken=True)
    assert said == comment


def test_a_good_attempt_of_a_stream_says_when_content_came_and_what_was_spent() -> None:
    trace = exchange(GOOD, stream=True)
    said = comments.of_attempt(trace, GOOD, USAGE, 0.25, status=200, total=2)
    assert said == "2/2 · ok · first content 0.40 s · 1.2k+340 tok · $0.25"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 ms"),
        (0.0042, "4 ms"),
        (0.123, "0.12 s"),
        (1.25, "1.2 s"),
        (9.94, "9.9 s"),
        (75.4, "75 s"),
    ],
)
def test_durations_have_the_digits_that_count(value: float, text: str) -> None:
    assert comments.duration(value) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (0.0, "$0"),
        (0.0000001, "<$0.000001"),
        (0.0000123, "$0.000012"),
        (0.00412, "$0.0041"),
        (0.25, "$0.25"),
        (1.234, "$1.23"),
        (12.0, "$12.00"),
    ],
)
def test_dollars_have_two_digits_that_count(cost: float, text: str) -> None:
    assert comments.dollars(cost) == text


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage(0, 999), "0+999 tok"),
        (Usage(1000, 12_345), "1.0k+12.3k tok"),
        (Usage(123_456, 1), "123.5k+1 tok"),
    ],
)
def test_tokens_are_counted_in_thousands_where_they_are_many(usage: Usage, text: str) -> None:
    assert comments.tokens(usage) == text


def test_what_a_client_calls_a_model_is_made_fit_to_be_shown() -> None:
    trace = exchange(GOOD, model="a\nb" + "x" * 500, status=200)
    said = comments.of_exchange(trace, None)
    assert "\n" not in said
    assert len(said) < 300
