"""The retries at one target: after how long, and what ends them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config import RetryPolicy
from llm_gateway.errors import (
    GatewayError,
    NoTargetError,
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnsupported,
)
from llm_gateway.retry import HINT_JITTER, LEAST_TRY, Limits, Patient, may_mend
from support.virtual_time import run

BROKEN = UpstreamConnectionError("It broke.")
LIMITED = UpstreamRateLimited("Slow down.")
FOREVER = 10**9


def highest(_: float, high: float) -> float:
    return high


def lowest(low: float, _: float) -> float:
    return low


@dataclass
class Scene:
    """One patient, whose target fails with each of `failures` in turn and then answers.

    `rests` are how long it is parked after each failure, `waits` what was slept; the clock counts
    nothing but these sleeps.
    """

    failures: Sequence[Exception]
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    attempts: int = FOREVER
    deadline: float = 1e9
    rests: Sequence[float] = ()
    elsewhere: bool = False
    budget: int = FOREVER
    uniform: Callable[[float, float], float] = highest
    waits: list[float] = field(default_factory=list)
    shut: bool = False
    tries: int = 0
    slept: float = 0.0
    """Since the latest try, in seconds."""

    def __post_init__(self) -> None:
        limits = Limits(
            attempts=self.attempts,
            time_left=lambda: self.deadline - sum(self.waits),
            rest=lambda: max(0.0, self.rests[self.tries - 1] - self.slept) if self.rests else 0.0,
            shut=lambda: self.shut,
            elsewhere=lambda: self.elsewhere,
            afford=self._afford,
        )
        self.patient = Patient(self.policy, limits, self.uniform, self._sleep)

    def play(self) -> str | Exception:
        """What comes of it."""

        async def main() -> str | Exception:
            try:
                return str(await self.patient.retrying()(self._try))
            except Exception as error:
                return error

        return run(main())

    async def _try(self) -> str:
        self.tries += 1
        self.slept = 0.0
        if self.tries <= len(self.failures):
            raise self.failures[self.tries - 1]
        return "answer"

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.slept += seconds

    def _afford(self) -> bool:
        self.budget -= 1
        return self.budget >= 0


@pytest.mark.parametrize(
    "error",
    [
        BROKEN,
        UpstreamConnectionError("Nobody there.").unsent(),
        LIMITED,
        UpstreamTimeout("Too slow."),
        UpstreamUnavailable("Busy."),
        UpstreamInvalidResponse("HTML."),
        UpstreamError("Something."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_that_may_pass_is_tried_again(error: UpstreamError) -> None:
    scene = Scene([error])
    assert scene.patient.worth_it(error)
    assert scene.play() == "answer"
    assert scene.tries == 2


@pytest.mark.parametrize(
    "error",
    [
        UpstreamConnectionError("No such certificate.", retry=Retry.ELSEWHERE),
        UpstreamConnectionError("Killed.", retry=Retry.NEVER),
        UpstreamRateLimited("No money.", retry=Retry.ELSEWHERE),
        UpstreamAuthError("The key is wrong."),
        UpstreamAuthError("The token is over.", retry=Retry.HERE),
        UpstreamRejected("No."),
        UpstreamUnsupported("Not here."),
    ],
    ids=str,
)
def test_one_that_will_not_pass_is_raised_at_once(error: UpstreamError) -> None:
    scene = Scene([error])
    assert not scene.patient.worth_it(error)
    assert scene.play() is error
    assert (scene.tries, scene.waits) == (1, [])


@pytest.mark.parametrize(
    "error", [RequestError(400, "No."), NoTargetError(503, "No.", code="c", wait=1), KeyError("a")]
)
def test_what_is_no_provider_s_failure_is_raised_at_once(error: Exception) -> None:
    scene = Scene([BROKEN, error])
    assert not may_mend(error)
    assert scene.play() is error
    assert scene.tries == 2


def test_the_retries_are_tenacity_s() -> None:
    assert isinstance(Scene([]).patient.retrying(), tenacity.AsyncRetrying)


@pytest.mark.parametrize("attempts", [1, 2, 3, 6])
def test_it_is_tried_as_often_as_it_may_be_and_the_last_failure_is_raised(attempts: int) -> None:
    failures = [UpstreamUnavailable(f"Number {n}.") for n in range(9)]
    scene = Scene(failures, attempts=attempts)
    assert scene.patient.worth_it(failures[0]) is (attempts > 1)
    assert scene.play() is failures[attempts - 1]
    assert (scene.tries, len(scene.waits)) == (attempts, attempts - 1)


@pytest.mark.parametrize(
    ("policy", "error", "steps"),
    [
        (RetryPolicy(), BROKEN, [0.5, 1, 2, 4, 8, 8, 8]),
        (RetryPolicy(), LIMITED, [1, 2, 4, 8, 8]),
        (RetryPolicy(base=0.1, max=0.5), BROKEN, [0.1, 0.2, 0.4, 0.5, 0.5]),
        (RetryPolicy(base=0.1, max=0.5), LIMITED, [0.5, 0.5]),
        (RetryPolicy(base=3.0), LIMITED, [3, 6, 8]),
        (RetryPolicy(base=0.0), BROKEN, [0, 0, 0]),
        (RetryPolicy(base=20.0), BROKEN, [8, 8]),
    ],
)
def test_the_steps_double_up_to_the_longest(
    policy: RetryPolicy, error: UpstreamError, steps: list[float]
) -> None:
    scene = Scene([error] * len(steps), policy)
    assert scene.play() == "answer"
    assert scene.waits == pytest.approx(steps)


def test_each_wait_is_drawn_from_the_whole_of_its_step() -> None:
    drawn: list[tuple[float, float]] = []

    def middle(low: float, high: float) -> float:
        drawn.append((low, high))
        return (low + high) / 2

    scene = Scene([BROKEN] * 3, uniform=middle)
    scene.play()
    assert drawn == [(0, 0.5), (0, 1), (0, 2)]
    assert scene.waits == [0.25, 0.5, 1]


def test_after_a_thousand_failures_a_step_is_still_the_longest() -> None:
    scene = Scene([BROKEN] * 1500)
    assert scene.play() == "answer"
    assert scene.waits[-1] == 8


@pytest.mark.parametrize(
    ("uniform", "wait"), [(lowest, 7.0), (highest, 7.0 * (1 + HINT_JITTER))], ids=["least", "most"]
)
def test_a_rest_takes_the_step_s_place_with_a_little_added(
    uniform: Callable[[float, float], float], wait: float
) -> None:
    scene = Scene([LIMITED], rests=[7.0], uniform=uniform)
    assert scene.play() == "answer"
    assert scene.waits == [pytest.approx(wait)]


@pytest.mark.parametrize(
    ("rest", "elsewhere", "tries"),
    [
        (20.0, False, 2),
        (20.1, False, 1),
        (3600.0, False, 1),
        (0.1, True, 1),
    ],
)
def test_a_rest_is_waited_for_up_to_a_bound_and_not_at_all_where_there_is_elsewhere(
    rest: float, elsewhere: bool, tries: int
) -> None:
    scene = Scene([LIMITED], rests=[rest], elsewhere=elsewhere)
    assert scene.play() == ("answer" if tries == 2 else LIMITED)
    assert scene.tries == tries
    assert not scene.patient.out_of_time


@pytest.mark.parametrize(("bound", "tries"), [(0.0, 1), (0.5, 2)])
def test_the_bound_is_the_policy_s(bound: float, tries: int) -> None:
    policy = RetryPolicy(honour_retry_after=bound)
    scene = Scene([LIMITED], policy, rests=[0.5])
    scene.play()
    assert scene.tries == tries


def test_a_failure_of_a_target_that_does_not_rest_knows_no_bound() -> None:
    policy = RetryPolicy(honour_retry_after=0.0)
    assert Scene([BROKEN], policy).play() == "answer"


@pytest.mark.parametrize(("budget", "tries"), [(0, 1), (1, 2), (2, 3)])
def test_each_retry_is_taken_from_the_budget(budget: int, tries: int) -> None:
    scene = Scene([BROKEN] * 9, budget=budget)
    assert scene.play() is BROKEN
    assert (scene.tries, scene.patient.out_of_time) == (tries, False)


@pytest.mark.parametrize(
    "ended",
    [
        {"attempts": 1},
        {"rests": [99.0]},
        {"deadline": 1.0},
        {"failures": [UpstreamRejected("No.")]},
    ],
    ids=["attempts", "rest", "deadline", "failure"],
)
def test_nothing_is_taken_from_the_budget_for_a_retry_that_is_not_made(
    ended: dict[str, int],
) -> None:
    settings: dict[str, object] = {"failures": [BROKEN] * 9, "budget": 1, **ended}
    scene = Scene(**settings)  # type: ignore[arg-type] # from a table
    assert isinstance(scene.play(), UpstreamError)
    assert (scene.tries, scene.budget) == (1, 1)


@pytest.mark.parametrize(("deadline", "tries"), [(0.5 + LEAST_TRY, 2), (0.49 + LEAST_TRY, 1)])
def test_no_try_is_begun_without_the_time_for_it(deadline: float, tries: int) -> None:
    scene = Scene([BROKEN] * 9, attempts=2, deadline=deadline)
    assert scene.play() is BROKEN
    assert (scene.tries, scene.patient.out_of_time) == (tries, tries == 1)


@pytest.mark.parametrize(
    ("error", "shut", "elsewhere", "tries"),
    [
        (BROKEN, False, True, 2),
        (BROKEN, True, False, 1),
        (UpstreamTimeout("Slow."), False, True, 1),
        (UpstreamTimeout("Slow."), False, False, 2),
        (UpstreamConnectionError("Away.").unsent(), False, True, 1),
        (UpstreamConnectionError("Away.").unsent(), False, False, 2),
    ],
)
def test_a_target_that_hangs_or_is_out_of_reach_or_is_left_alone_is_left(
    error: UpstreamError, shut: bool, elsewhere: bool, tries: int
) -> None:
    scene = Scene([error], shut=shut, elsewhere=elsewhere)
    scene.play()
    assert scene.tries == tries


def test_a_rest_beyond_the_deadline_is_told_rather_than_that_time_is_up() -> None:
    scene = Scene([LIMITED], rests=[7.0], deadline=5.0)
    assert scene.play() is LIMITED
    assert (scene.tries, scene.patient.out_of_time) == (1, False)


def test_a_deadline_that_stands_still_ends_nothing() -> None:
    scene = Scene([BROKEN] * 5, deadline=float("inf"))
    assert scene.play() == "answer"
    assert scene.tries == 6


@given(
    failures=st.lists(st.sampled_from([BROKEN, LIMITED]), max_size=8),
    policy=st.builds(
        RetryPolicy,
        base=st.floats(0, 100),
        max=st.floats(0, 100),
        honour_retry_after=st.floats(0, 100),
    ),
    attempts=st.integers(1, 6),
    deadline=st.floats(0, 200),
    rests=st.lists(st.floats(0, 200), min_size=9, max_size=9),
    elsewhere=st.booleans(),
    budget=st.integers(0, 6),
    share=st.floats(0, 1),
)
def test_no_bound_is_ever_broken(
    failures: list[UpstreamError],
    policy: RetryPolicy,
    attempts: int,
    deadline: float,
    rests: list[float],
    elsewhere: bool,
    budget: int,
    share: float,
) -> None:
    scene = Scene(
        failures,
        policy,
        attempts,
        deadline,
        rests,
        elsewhere,
        budget,
        lambda low, high: low + share * (high - low),
    )
    result = scene.play()
    assert result == "answer" or isinstance(result, GatewayError)
    assert scene.tries <= attempts
    assert len(scene.waits) <= budget
    assert sum(scene.waits) + (LEAST_TRY if scene.waits else 0) <= deadline + 1e-6
    for wait, rest in zip(scene.waits, rests, strict=False):
        assert rest <= wait <= (rest * (1 + HINT_JITTER) + 1e-6 if rest else policy.max)
        assert rest <= policy.honour_retry_after
