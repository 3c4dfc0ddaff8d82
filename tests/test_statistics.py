"""What is counted of exchanges, and that it stays little whatever clients ask for."""

from typing import Any

import orjson

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import RequestError, UpstreamTimeout
from llm_gateway.statistics import MOST_LIVE, MOST_MODELS, MOST_TARGETS, Statistics
from llm_gateway.tallies import MOST_KINDS, OTHERS, ModelTotals, TargetTotals, Times
from llm_gateway.trace import CLIENT_CLOSED_REQUEST, Trace
from support.manual_clock import ManualClock

NONE = Times(0, None, None)
UNKNOWN = RequestError(404, "There is no such model.", code="model_not_found")


def once(seconds: float) -> Times:
    return Times(1, seconds, seconds)


def price(target: str, usage: Usage) -> float | None:
    """One cent a token, where it is known."""
    return None if target.startswith("free/") else 0.01 * usage.completion_tokens


class Desk:
    """Statistics, and exchanges to be told of."""

    def __init__(self) -> None:
        self.clock = ManualClock(60_000.0)
        self.statistics = Statistics(price, self.clock)

    def begin(self, model: str | None = "m", target: str | None = "a/m") -> Trace:
        """An exchange that has asked its target, if there is one."""
        trace = Trace("req_test", clock=self.clock, observer=self.statistics)
        self.statistics.began(trace)
        trace.model = model
        if target is not None:
            trace.begin(target)
        return trace

    def end(self, trace: Trace, outcome: str = "ok", **facts: Any) -> None:
        """It is over, as ``facts`` have it."""
        if trace.steps and not trace.steps[-1].outcome:
            trace.end(trace.steps[-1], outcome)
        trace.status = 200
        for name, value in facts.items():
            setattr(trace, name, value)
        self.statistics.ended(trace)

    def answer(self, model: str = "m", target: str = "a/m", seconds: float = 1.0) -> None:
        """A whole exchange that went well."""
        trace = self.begin(model, target)
        self.clock.now += seconds
        self.end(trace)

    @property
    def total(self) -> ModelTotals:
        return self.statistics.snapshot().total

    @property
    def row(self) -> ModelTotals:
        """The only row."""
        [row] = self.statistics.snapshot().models
        return row

    @property
    def target(self) -> TargetTotals:
        """The only target."""
        [target] = self.statistics.snapshot().targets
        return target


def test_nothing_has_happened_yet() -> None:
    desk = Desk()
    desk.clock.now += 90
    snapshot = desk.statistics.snapshot()
    assert (snapshot.age, snapshot.under_way) == (90.0, 0)
    assert (snapshot.models, snapshot.targets, snapshot.live) == ((), (), ())
    assert (snapshot.total.requests, snapshot.total.cost, snapshot.total.minutes) == (0, None, ())


def test_a_good_answer_counts_with_its_time_and_its_tokens() -> None:
    desk = Desk()
    trace = desk.begin()
    desk.clock.now += 2.5
    desk.end(trace, usage=Usage(100, 20, 60))
    row = desk.row
    assert (row.kind, row.name, row.requests, row.failed, row.left) == ("model", "m", 1, 0, 0)
    assert (row.latency, row.ttft) == (once(2.5), NONE)
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (100, 20, 60)
    assert (row.cost, row.priced, row.counted) == (0.2, 1, 1)
    assert desk.total.requests == 1


def test_a_stream_counts_with_the_time_to_its_first_content() -> None:
    desk = Desk()
    trace = desk.begin()
    desk.clock.now += 0.5
    first = desk.clock.now
    desk.clock.now += 4
    desk.end(trace, first_byte=first)
    assert (desk.row.latency, desk.row.ttft) == (once(4.5), once(0.5))


def test_a_client_that_left_is_no_error_and_no_answer() -> None:
    desk = Desk()
    desk.end(desk.begin(), "broken_off", status=CLIENT_CLOSED_REQUEST)
    assert (desk.row.left, desk.row.failed, desk.row.latency) == (1, 0, NONE)
    assert desk.target.failures == {"broken_off": 1}


def test_a_client_that_left_when_all_was_there_had_its_answer() -> None:
    desk = Desk()
    desk.end(desk.begin(), status=CLIENT_CLOSED_REQUEST, complete=True)
    assert (desk.row.left, desk.row.failed, desk.row.latency.count) == (0, 0, 1)


def test_what_has_no_price_has_no_cost() -> None:
    desk = Desk()
    desk.end(desk.begin(target="free/m"), usage=Usage(1, 1))
    assert (desk.row.cost, desk.row.priced, desk.row.counted) == (None, 0, 1)
    desk.end(desk.begin(), usage=Usage(1, 3))
    assert (desk.row.cost, desk.row.priced, desk.row.counted) == (0.03, 1, 2)


def test_an_answer_without_usage_is_not_asked_for_its_price() -> None:
    desk = Desk()
    desk.end(desk.begin())
    assert (desk.row.cost, desk.row.counted) == (None, 0)


def test_calls_are_counted_by_target() -> None:
    desk = Desk()
    trace = desk.begin()
    desk.clock.now += 1
    trace.end(trace.steps[-1], "upstream_unavailable", "Busy.")
    trace.retry("a/m", 0.5)
    trace.retry("a/m", 0.5)
    again = trace.begin("a/m")
    desk.clock.now += 2
    trace.end(again, "rate_limit_exceeded")
    trace.skip("b/m", "quota")
    last = trace.begin("c/m")
    desk.clock.now += 3
    trace.end(last, "resumed")
    failures = {"upstream_unavailable": 1, "rate_limit_exceeded": 1}
    assert desk.statistics.snapshot().targets == (
        TargetTotals("a/m", 2, 0, failures, {}, NONE),
        TargetTotals("b/m", 0, 0, {}, {"quota": 1}, NONE),
        TargetTotals("c/m", 1, 1, {}, {}, once(3.0)),
    )


def test_an_answer_that_breaks_off_was_no_good_one() -> None:
    desk = Desk()
    trace = desk.begin()
    trace.end(trace.steps[-1], "ok")
    desk.end(trace, begun=True, failure=UpstreamTimeout("Nothing more came."))
    assert (desk.target.good, desk.target.failures) == (0, {"upstream_timeout": 1})


def test_a_break_counts_for_its_own_target_though_another_was_asked_since() -> None:
    desk = Desk()
    trace = desk.begin()
    trace.end(trace.steps[-1], "ok")
    trace.end(trace.begin("b/m"), "busy")
    desk.end(trace, begun=True, failure=UpstreamTimeout("Nothing more came."))
    first, second = desk.statistics.snapshot().targets
    assert (first.good, first.failures) == (0, {"upstream_timeout": 1})
    assert (second.good, second.failures) == (0, {"busy": 1})


def test_a_failure_that_was_told_already_is_not_counted_again() -> None:
    desk = Desk()
    desk.end(desk.begin(), "upstream_timeout", status=504, failure=UpstreamTimeout("Slow."))
    assert (desk.target.attempts, desk.target.failures) == (1, {"upstream_timeout": 1})


def test_names_that_lead_nowhere_share_a_row() -> None:
    desk = Desk()
    for number in range(100):
        desk.end(desk.begin(f"guess-{number}", None), status=404, failure=UNKNOWN)
    assert (desk.row.kind, desk.row.name, desk.row.requests) == ("unknown", None, 100)
    assert desk.row.errors == {"404 model_not_found": 100}


def test_requests_without_a_model_share_another() -> None:
    desk = Desk()
    desk.end(desk.begin(None, None))
    desk.end(desk.begin(None, None), status=401, failure=RequestError(401, "No."))
    assert (desk.row.kind, desk.row.requests, desk.row.failed) == ("none", 2, 1)


def test_a_name_that_was_passed_over_everywhere_is_known_all_the_same() -> None:
    desk = Desk()
    trace = desk.begin("m", None)
    trace.skip("a/m", "breaker")
    desk.end(trace, status=503)
    assert (desk.row.kind, desk.row.name) == ("model", "m")


def test_a_known_name_stays_known_also_where_it_leads_nowhere() -> None:
    desk = Desk()
    desk.answer()
    desk.end(desk.begin("m", None), status=404, failure=UNKNOWN)
    assert (desk.row.name, desk.row.requests) == ("m", 2)


def test_rows_targets_and_kinds_are_bounded() -> None:
    desk = Desk()
    for number in range(2 * MOST_TARGETS):
        desk.end(
            desk.begin(f"m{number}", f"a/m{number}"),
            f"outcome_{number}",
            failure=RequestError(400, "No.", code=f"code_{number}"),
        )
    snapshot = desk.statistics.snapshot()
    assert len(snapshot.models) == MOST_MODELS + 1
    assert (snapshot.models[-1].kind, snapshot.models[-1].name) == ("further", None)
    assert sum(row.requests for row in snapshot.models) == snapshot.total.requests
    assert len(snapshot.total.errors) == MOST_KINDS + 1
    assert snapshot.total.errors[OTHERS] == 2 * MOST_TARGETS - MOST_KINDS
    assert len(snapshot.targets) == MOST_TARGETS + 1
    assert snapshot.targets[-1].label == OTHERS
    assert len(snapshot.targets[-1].failures) == MOST_KINDS + 1
    assert sum(target.attempts for target in snapshot.targets) == 2 * MOST_TARGETS


def test_exchanges_under_way_are_told_with_how_far_they_are() -> None:
    desk = Desk()
    begun, queued = desk.begin(None, None), desk.begin("m", None)
    asked, waiting, streaming = desk.begin(), desk.begin(), desk.begin()
    waiting.end(waiting.steps[-1], "upstream_unavailable")
    streaming.first_byte = desk.clock.now
    desk.clock.now += 3
    live = desk.statistics.snapshot().live
    assert [each.phase for each in live] == ["begun", "queued", "asked", "waiting", "streaming"]
    assert (live[1].model, live[1].target) == ("m", None)
    assert (live[2].exchange, live[2].model, live[2].target) == ("req_test", "m", "a/m")
    assert (live[2].attempts, live[2].seconds) == (1, 3.0)
    for trace in (begun, queued, asked, waiting, streaming):
        desk.end(trace)
    assert desk.statistics.snapshot().under_way == 0


def test_a_name_that_leads_nowhere_is_not_told_while_its_refusal_is_under_way() -> None:
    desk = Desk()
    desk.begin("sk-a-key-in-the-wrong-place", None).failure = UNKNOWN
    assert desk.statistics.snapshot().live[0].model is None


def test_of_many_under_way_the_oldest_are_told() -> None:
    desk = Desk()
    for number in range(2 * MOST_LIVE):
        desk.begin(f"m{number}")
    snapshot = desk.statistics.snapshot()
    assert (snapshot.under_way, len(snapshot.live)) == (2 * MOST_LIVE, MOST_LIVE)
    assert snapshot.live[0].model == "m0"


def test_an_exchange_whose_end_alone_was_seen_is_counted() -> None:
    desk = Desk()
    desk.statistics.ended(Trace("req_test", clock=desk.clock))
    assert desk.total.requests == 1


def test_a_snapshot_is_plain_json() -> None:
    desk = Desk()
    desk.answer()
    desk.begin()
    told = orjson.loads(orjson.dumps(desk.statistics.snapshot()))
    assert told["models"][0]["latency"] == {"count": 1, "p50": 1.0, "p95": 1.0}
