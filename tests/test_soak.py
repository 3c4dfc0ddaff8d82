"""The soak finds what is planted in the evidence of a run, and nothing in a sound one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from soak import plan
from soak.crowd import Asked, plain
from soak.evidence import (
    Capacity,
    Entry,
    Evidence,
    Kind,
    Outcome,
    Quota,
    Span,
    UpstreamCall,
    Vitals,
)
from soak.provider import WELL
from soak.report import told
from soak.verdict import judge

from llm_gateway.trace import CLIENT_CLOSED_REQUEST
from support.fault_scene import KEY

PHASES = {
    "steady": (0, 10),
    "chaos": (10, 20),
    "outage": (20, 30),
    "recovery": (30, 40),
    "overload": (40, 50),
    "last": (100, 110),
}
REST = Vitals(
    at=50.0,
    tasks=7,
    sockets=1,
    descriptors=7,
    objects=600,
    rss=90 * 2**20,
    cpu=1.0,
    lag=0.0,
    parked=0.0,
    held={"alpha running": 0},
    kinds={"serve": 1},
)


class Run:
    """A run of a few requests in which nothing is wrong, until something is planted."""

    def __init__(self) -> None:
        self.evidence = Evidence(plan.short(1))
        evidence = self.evidence
        evidence.spans = [Span(name, 1, *times) for name, times in PHASES.items()]
        evidence.vitals = [replace(REST, at=at) for at, _ in PHASES.values()]
        evidence.rests = [REST, replace(REST, at=60.0), replace(REST, at=99.0)]
        evidence.capacities = [Capacity(30.0, 29.0)]
        evidence.places = dict(plan.PLACES)
        evidence.quota = Quota(plan.PROVIDER_PER_MINUTE - 1, 105.0)
        evidence.exit_status = 0
        for phase, began in (("steady", 1.0), ("chaos", 11.0), ("recovery", 35.0)):
            self.answered(plain("even", len(evidence.entries) + 1), phase, began)
        self.answered(Asked(4, "even", True, 4, leaves=0.5), "chaos", 12.0)
        self.change(4, kind=Kind.LEFT, parts=(), at=12.2)
        self.refused(5, "outage", 25.0, "no_healthy_upstream")
        self.refused(6, "overload", 41.0, "queue_full")
        self.answered(plain("metered-two", 7), "last", 105.0, plan.METERED)
        for number in range(1, 200):
            # A leak in the second round would be one object for each of these requests.
            self.answered(plain("narrow", 100 + number), "steady", 60 + number / 10, plan.NARROW)

    def answered(self, asked: Asked, phase: str, began: float, provider: str = "alpha") -> None:
        """One request, its call of the same number, and its line in the log."""
        number = asked.number
        parts = ((number, asked.pieces),)
        outcome = Outcome(Kind.COMPLETE, began + 0.1, 200, "", exchange(number), parts, 0.1)
        self.evidence.entries.append(Entry(asked, phase, began, [outcome]))
        model = "two" if provider == plan.METERED else plan.MODEL
        self.called(number, began, provider=provider, model=model)
        self.log(number, CLIENT_CLOSED_REQUEST if asked.leaves else 200)

    def refused(self, number: int, phase: str, began: float, code: str) -> None:
        """One request that is answered with an error at once."""
        outcome = Outcome(Kind.REFUSED, began + 0.01, 503, code, exchange(number), (), 0.01)
        self.evidence.entries.append(Entry(plain("even", number), phase, began, [outcome]))
        self.log(number, 503)

    def called(self, request: int, began: float, **fields: Any) -> None:
        """One more call for a request."""
        known = {call.number for call in self.evidence.calls}
        call = UpstreamCall(
            number=request if request not in known else 10_000 + len(known),
            provider="alpha",
            model=plan.MODEL,
            step=WELL,
            request=request,
            reused=False,
            began=began,
            ended=began + 0.1,
            ending="complete",
        )
        self.evidence.calls.append(replace(call, **fields))

    def log(self, number: int, status: int) -> None:
        """A line of the gateway's log."""
        path = "/v1/chat/completions"
        self.evidence.output += (
            f"[04:44:10.987] {exchange(number)} POST {path} even -> x {status} \n"
        )

    def entry(self, number: int) -> Entry:
        """The request of this number."""
        return next(entry for entry in self.evidence.entries if entry.asked.number == number)

    def change(self, number: int, **fields: Any) -> None:
        """Another outcome of a request."""
        entry = self.entry(number)
        entry.outcomes = [replace(entry.outcome, **fields)]

    def change_call(self, number: int, **fields: Any) -> None:
        """Another call."""
        calls = self.evidence.calls
        [place] = [place for place, call in enumerate(calls) if call.number == number]
        calls[place] = replace(calls[place], **fields)

    def change_rest(self, **fields: Any) -> None:
        """Something else at the last rest."""
        rests = self.evidence.rests
        rests[-1] = replace(rests[-1], **fields)


def exchange(number: int) -> str:
    return f"req_{number:032x}"


def test_a_sound_run_holds_every_invariant() -> None:
    checks = judge(Run().evidence)
    assert [(check.name, check.violations) for check in checks if not check.holds] == []
    assert f"{len(checks)} invariants hold" in told(Run().evidence, checks)


def no_outcome(run: Run) -> None:
    run.entry(1).outcomes = []


def two_outcomes(run: Run) -> None:
    run.entry(1).outcomes *= 2


def wrong_answer(run: Run) -> None:
    # An answer in the outage is owed to nobody.
    run.change(5, kind=Kind.WRONG, detail="cut off")


def text_of_others(run: Run) -> None:
    run.change(1, parts=((2, 4),))


def text_of_two_calls(run: Run) -> None:
    run.called(1, 1.1)
    run.change(1, parts=((1, 4), (run.evidence.calls[-1].number, 4)))


def missing_end(run: Run) -> None:
    run.change(1, parts=((1, 3),))


def too_many_attempts(run: Run) -> None:
    for _ in range(plan.MAX_ATTEMPTS):
        run.called(1, 1.1)


def no_line(run: Run) -> None:
    run.evidence.output = run.evidence.output.replace(exchange(1), "")


def two_lines(run: Run) -> None:
    run.log(1, 200)


def another_status(run: Run) -> None:
    run.change(5, status=502)


def line_of_nobody(run: Run) -> None:
    run.log(999, 200)


def crash(run: Run) -> None:
    run.evidence.output += "Traceback (most recent call last):\n"


def secret(run: Run) -> None:
    run.evidence.output += KEY


def failed_task(run: Run) -> None:
    run.evidence.output += "[04:44:10.987] Task give quota back failed.\n"


def call_goes_on(run: Run) -> None:
    run.change_call(4, ended=13.3)


def call_never_ends(run: Run) -> None:
    run.change_call(4, ended=None)


def unanswered_when_well(run: Run) -> None:
    run.change(1, kind=Kind.REFUSED, status=200, code="upstream_timeout", parts=())


def unanswered_in_chaos(run: Run) -> None:
    run.change(2, kind=Kind.BROKEN, code="upstream_timeout", parts=())


def over_the_limit(run: Run) -> None:
    for place in range(plan.PER_MINUTE["one"] + 1):
        run.called(1000 + place, 20 + place, provider=plan.METERED, model="one")
    run.evidence.quota = None


def over_the_provider_s_limit(run: Run) -> None:
    for place in range(plan.PROVIDER_PER_MINUTE):
        run.called(1000 + place, 50 + place / 10, provider=plan.METERED, model="two")
    run.evidence.quota = None


def quota_lost(run: Run) -> None:
    run.evidence.quota = Quota(plan.PROVIDER_PER_MINUTE - 9, 105.0)


def quota_too_large(run: Run) -> None:
    run.evidence.quota = Quota(plan.PROVIDER_PER_MINUTE, 105.0)


def too_many_places(run: Run) -> None:
    for number in range(plan.PLACES[plan.NARROW] + 1):
        run.called(1000 + number, 45.0 + number / 100, provider=plan.NARROW)


def storm(run: Run) -> None:
    for number in range(90):
        run.called(1000 + number, 20.0 + number / 10, ended=20.05 + number / 10)


def slow_in_outage(run: Run) -> None:
    run.change(5, at=26.5)


def two_probes(run: Run) -> None:
    for number in range(2):
        run.called(1000 + number, 25.0)


def not_recovered(run: Run) -> None:
    run.change(3, kind=Kind.REFUSED, parts=())


def slow_in_overload(run: Run) -> None:
    run.change(6, at=42.5)


def late_from_the_queue(run: Run) -> None:
    run.change(6, at=41.0 + plan.QUEUE_SECONDS + 1.1, code="queue_timeout")


def little_under_load(run: Run) -> None:
    run.evidence.capacities.append(Capacity(30.0, 20.0))


def task_left(run: Run) -> None:
    run.change_rest(tasks=10)


def socket_left(run: Run) -> None:
    run.change_rest(sockets=4)


def descriptor_left(run: Run) -> None:
    run.change_rest(descriptors=10)


def place_lost(run: Run) -> None:
    run.change_rest(held={"alpha running": 1})


def memory_grows(run: Run) -> None:
    run.change_rest(rss=96 * 2**20)


def objects_grow(run: Run) -> None:
    run.change_rest(objects=600 + 4 * 199)


def target_left_out(run: Run) -> None:
    run.evidence.places["alpha"] -= 1


def unanswered_at_last(run: Run) -> None:
    run.refused(8, "last", 102.0, "no_healthy_upstream")


def killed(run: Run) -> None:
    run.evidence.exit_status = None


def malformed_request(run: Run) -> None:
    run.evidence.provider_failures.append("Malformed()")


PLANTED: list[tuple[Callable[[Run], None], str]] = [
    (no_outcome, "every request has exactly one outcome"),
    (two_outcomes, "every request has exactly one outcome"),
    (wrong_answer, "every answer is good or a clear error"),
    (text_of_others, "text is of one call"),
    (text_of_two_calls, "text is of one call"),
    (missing_end, "text is of one call"),
    (too_many_attempts, "no request leads to more calls"),
    (no_line, "the log has exactly one line"),
    (two_lines, "the log has exactly one line"),
    (another_status, "the log has exactly one line"),
    (line_of_nobody, "the log has exactly one line"),
    (crash, "the output has no failure"),
    (secret, "the output has no failure"),
    (failed_task, "the output has no failure"),
    (call_goes_on, "calls end within 1 s"),
    (call_never_ends, "calls end within 1 s"),
    (unanswered_when_well, "steady: "),
    (unanswered_in_chaos, "chaos: "),
    (over_the_limit, "the quota of metered/one"),
    (over_the_provider_s_limit, "the quota of metered is"),
    (quota_lost, "the quota that is left"),
    (quota_too_large, "the quota that is left"),
    (too_many_places, "no provider has more calls"),
    (storm, "outage of round 1: at most"),
    (slow_in_outage, "outage of round 1: refused"),
    (two_probes, "outage of round 1: one probe"),
    (not_recovered, "recovery of round 1"),
    (slow_in_overload, "overload: refused"),
    (late_from_the_queue, "overload: refused"),
    (little_under_load, "overload: at least"),
    (task_left, "at rest: tasks"),
    (socket_left, "at rest: sockets"),
    (descriptor_left, "at rest: descriptors"),
    (place_lost, "at rest: no place"),
    (memory_grows, "memory is flat"),
    (objects_grow, "memory is flat"),
    (target_left_out, "last of all"),
    (unanswered_at_last, "last of all"),
    (killed, "the gateway stops"),
    (malformed_request, "the gateway stops"),
]


@pytest.mark.parametrize(("plant", "name"), PLANTED, ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_planted_is_found_and_nothing_else(plant: Callable[[Run], None], name: str) -> None:
    run = Run()
    plant(run)
    [broken] = [check for check in judge(run.evidence) if not check.holds]
    assert broken.name.startswith(name)
    assert "1 violated" in told(run.evidence, [broken])


def test_just_as_many_calls_as_may_be_are_no_violation() -> None:
    run = Run()
    for place in range(plan.PER_MINUTE["one"]):
        run.called(1000 + place, 20 + place, provider=plan.METERED, model="one")
    run.called(2000, 80.1, provider=plan.METERED, model="one")
    run.evidence.quota = None
    assert all(check.holds for check in judge(run.evidence))
