"""When one target is tried again, and after how long: tenacity's policies, made from ours.

The wait before a retry is drawn from all of 0 to the step (full jitter), so that callers who failed
together do not come back together. A provider's own hint takes its place, with a little added for
the same reason. What ends the retries: a failure that trying again cannot mend, the number of
attempts, a hint that is too long, the deadline, and the provider's retry budget.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from llm_gateway.config import RetryPolicy
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
)

HINT_JITTER = 0.1
"""The share of a hint that is added to it at most."""
LIMITED_BASE = 1.0
"""Seconds: the least first step after a rate limit."""
LEAST_TRY = 1.0
"""Seconds: with less time left, another try is not begun."""


def may_mend(error: BaseException) -> bool:
    """Whether the same target may answer the same request next time."""
    if not isinstance(error, UpstreamError) or error.retry is not Retry.HERE:
        return False
    # A renewed token has had its second attempt already.
    return not isinstance(error, UpstreamAuthError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends the retries at one target, besides its policy.

    ``attempts`` is how many there may be, ``time_left`` the seconds to the deadline, ``rest`` how
    long the target is parked, ``shut`` whether its breaker is open, ``elsewhere`` whether another
    target could be asked at once, and ``afford`` takes one retry from the provider's budget.
    """

    attempts: int
    time_left: Callable[[], float]
    rest: Callable[[], float]
    shut: Callable[[], bool]
    elsewhere: Callable[[], bool]
    afford: Callable[[], bool]


def _tell_nobody(seconds: float) -> None:
    """For who does not want to know of waits."""


@dataclass(slots=True)
class Patient:
    """The retries of one exchange at one target."""

    policy: RetryPolicy
    limits: Limits
    uniform: Callable[[float, float], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    told: Callable[[float], None] = _tell_nobody
    """Hears of every wait before it begins, in seconds."""
    out_of_time: bool = False
    """Whether the deadline is why there was no further try."""

    def worth_it(self, error: UpstreamError) -> bool:
        """Whether there will be a second try, as far as that is plain at once."""
        return self.limits.attempts > 1 and may_mend(error)

    def retrying(self) -> AsyncRetrying:
        """What calls again, and raises the last failure in the end."""
        return AsyncRetrying(
            retry=retry_if_exception(may_mend),
            wait=self._wait,
            stop=self._stop,
            sleep=self._sleep,
            reraise=True,
        )

    async def _sleep(self, seconds: float) -> None:
        """Sleep, and on while others who met the same limit later have prolonged the rest."""
        left = self.policy.honour_retry_after
        while True:
            self.told(seconds)
            await self.sleep(seconds)
            left -= seconds
            rest = self.limits.rest()
            if not 0 < rest <= left or rest + LEAST_TRY > self.limits.time_left():
                return
            seconds = rest + self.uniform(0, HINT_JITTER * rest)

    def _wait(self, state: RetryCallState) -> float:
        rest = self.limits.rest()
        if rest:
            return rest + self.uniform(0, HINT_JITTER * rest)
        return self.uniform(0, self._step(state))

    def _step(self, state: RetryCallState) -> float:
        limited = isinstance(_failure(state), UpstreamRateLimited)
        base = max(self.policy.base, LIMITED_BASE) if limited else self.policy.base
        return min(self.policy.max, base * 2.0 ** min(state.attempt_number - 1, 60))

    def _stop(self, state: RetryCallState) -> bool:
        """Tenacity asks after it has drawn the wait, which is in ``upcoming_sleep``."""
        if state.attempt_number >= self.limits.attempts or self._is_away(state):
            return True
        rest = self.limits.rest()
        if self.limits.shut() or rest > self._honoured():
            return True
        if state.upcoming_sleep + LEAST_TRY > self.limits.time_left():
            # Of a rest that is longer, the client had better be told.
            self.out_of_time = not rest
            return True
        return not self.limits.afford()

    def _is_away(self, state: RetryCallState) -> bool:
        """Whether the target is out of reach or hangs, and another one is free."""
        failure = _failure(state)
        unsent = isinstance(failure, UpstreamError) and not failure.sent
        hangs = isinstance(failure, UpstreamTimeout)
        return (unsent or hangs) and self.limits.elsewhere()

    def _honoured(self) -> float:
        """The longest rest that is waited for: none where there is elsewhere."""
        return 0.0 if self.limits.elsewhere() else self.policy.honour_retry_after


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
