"""What the targets of one provider share: its connections, its places, its retries, its quota."""

from collections.abc import Callable

from llm_gateway.config import Provider
from llm_gateway.limits.breaker import Breaker
from llm_gateway.limits.budget import RetryBudget
from llm_gateway.limits.throttle import Throttle

CONNECTED = 1.0
"""Seconds beyond its limit after which connecting has certainly failed, or not."""


class ProviderGate:
    """What the targets of one provider share."""

    def __init__(self, provider: Provider, clock: Callable[[], float], account: str = "") -> None:
        """``account`` tells its quotas from those that another key had before."""
        self.breaker = Breaker(provider.breaker, clock)
        """For connections: whether the provider can be reached. What has not failed by when it
        would have is connected, however long the answer may take."""
        self.budget = RetryBudget(clock)
        self.throttle = Throttle(provider.throttle, provider.http.max_connections)
        self.name = provider.name
        self.account = account
        self.key = f"provider {provider.name}{account}"
        """Of its quota."""
        self.adopt(provider)

    def adopt(self, provider: Provider) -> None:
        """Obey the rules of a new configuration, with what was counted so far."""
        self.breaker.policy = provider.breaker
        self.breaker.presumed = provider.http.connect + CONNECTED
        self.throttle.adopt(provider.throttle, provider.http.max_connections)
        self.limits = provider.limits
