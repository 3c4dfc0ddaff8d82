"""What is known of an exchange, and how its way reads in one line."""

import pytest

from llm_gateway.trace import Step, Trace

type Route = list[tuple[str, str]]


def test_at_first_nothing_is_known_but_the_exchange() -> None:
    trace = Trace("req_test")
    assert trace.exchange == "req_test"
    assert (trace.model, trace.target, trace.attempts) == (None, None, 0)
    assert (trace.dropped, trace.usage, trace.failure) == ((), None, None)
    assert (trace.route, trace.standing) == ([], None)
    assert (trace.way, trace.has_detours) == ("", False)


def test_each_exchange_has_a_route_of_its_own() -> None:
    first, second = Trace("req_1"), Trace("req_2")
    first.skip("a/m", "quota")
    assert second.route == []


@pytest.mark.parametrize(
    ("route", "way"),
    [
        ([("a/m", "ok")], "a/m=ok"),
        ([("a/m", "quota"), ("b/m", "ok")], "a/m=quota, b/m=ok"),
        ([("a/m", "busy")] * 3, "a/m=busy x3"),
        ([("a/m", "busy")] * 2 + [("a/m", "ok")], "a/m=busy x2, a/m=ok"),
        ([("a/m", "busy"), ("b/m", "busy")] * 2, "a/m=busy, b/m=busy, a/m=busy, b/m=busy"),
        ([("a/m", "ok"), ("a/m", "ok")], "a/m=ok x2"),
    ],
)
def test_what_is_alike_in_a_row_is_counted(route: Route, way: str) -> None:
    trace = Trace("req_test", steps=[Step(*step) for step in route])
    assert trace.way == way
    assert trace.way == way, "reading it changes nothing"


@pytest.mark.parametrize(
    ("target", "route", "detours"),
    [
        (None, [], False),
        (None, [("a/m", "quota")], True),
        (None, [("a/m", "too_long"), ("b/m", "breaker")], True),
        ("a/m", [], False),
        ("a/m", [("a/m", "ok")], False),
        ("a/m", [("a/m", "upstream_unavailable")], False),
        ("a/m", [("a/m", "upstream_unavailable"), ("a/m", "ok")], True),
        ("b/m", [("a/m", "quota"), ("b/m", "ok")], True),
    ],
    ids=[
        "nothing yet",
        "passed over",
        "both passed over",
        "under way",
        "straight",
        "failed",
        "again",
        "elsewhere",
    ],
)
def test_a_way_has_detours_where_it_says_more_than_target_and_status(
    target: str | None, route: Route, detours: bool
) -> None:
    assert (
        Trace("req_test", target=target, steps=[Step(*step) for step in route]).has_detours
        is detours
    )


FIRST = Step("a/m", "ok", attempt=1, ended=2.0)


@pytest.mark.parametrize(
    ("steps", "answered"),
    [
        ([], None),
        ([Step("a/m", "busy", attempt=1), Step("b/m", attempt=2)], None),
        ([Step("c/m", "quota"), FIRST], 1),
        ([FIRST, Step("b/m", "broken_off", attempt=2, ended=2.1)], 0),
        ([FIRST, Step("b/m", "ok", attempt=2, ended=1.9)], 1),
        ([FIRST, Step("b/m", "resumed", attempt=2), Step("c/m", "busy", attempt=3)], 1),
    ],
    ids=["nobody yet", "nobody", "one", "sooner than another", "two at once", "gone on with"],
)
def test_it_is_known_whose_answer_the_client_is_given(
    steps: list[Step], answered: int | None
) -> None:
    trace = Trace("req_test", steps=steps)
    assert trace.answered is (None if answered is None else steps[answered])
