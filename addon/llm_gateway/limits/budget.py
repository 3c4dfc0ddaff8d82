"""How many retries a provider's requests may come to.

When everything fails, each request would be tried as often as its policy allows, and an overloaded
provider would get several times its load. The budget bounds the sum of all retries, whoever makes
them, to a share of the requests. It follows Finagle's ``RetryBudget``
(https://finagle.github.io/blog/2016/02/08/retry-budgets), whose window and whose share in the
default policy are the same; Finagle allows 10 retries a second besides, which is much for models.
"""

from collections.abc import Callable

from llm_gateway.limits.rolling import RollingCount

WINDOW = 10
"""Seconds."""
LEAST_RETRIES = 10
"""So many are always allowed within the window: with little traffic, a share of it is none."""


class RetryBudget:
    """The retries of one provider. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests = RollingCount(WINDOW)
        self._retries = RollingCount(WINDOW)

    def request(self) -> None:
        """A first try is made."""
        self._requests.add(self._clock())

    def retry(self, share: float) -> bool:
        """Whether one more retry may be made; it is counted then.

        It may if with it the retries of the last 10 s are at most 10, or at most ``share`` of the
        requests of these 10 s.
        """
        now = self._clock()
        allowed = max(LEAST_RETRIES, share * self._requests.total(now))
        if self._retries.total(now) + 1 > allowed:
            return False
        self._retries.add(now)
        return True
