"""What the page in mitmweb is made from, with what a test cares for."""

from typing import Any

from llm_gateway.inspect.page.facts import Facts
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ProviderState, TargetState
from llm_gateway.statistics import Statistics

CLOSED = BreakerState(State.CLOSED, 0.0, "")


def make_provider_state(**fields: Any) -> ProviderState:
    """A provider that is well, but for the fields given."""
    given = {"name": "p", "off": None, "quotas": (), "breaker": CLOSED}
    return ProviderState(**{**given, "running": 0, "places": 100, "waiting": 0, **fields})


def make_target(**fields: Any) -> TargetState:
    """A target that is well and was never asked, but for the fields given."""
    given = {"label": "p/m", "names": ("m",), "provider": make_provider_state(), "quotas": ()}
    state = {"breaker": CLOSED, "parked": 0.0, "latency": None, "idle": None}
    return TargetState(**{**given, **state, **fields})


def no_price(*_: object) -> None:
    """Nobody knows what an answer costs."""


def make_facts(*targets: TargetState, statistics: Statistics | None = None) -> Facts:
    """What the page tells of these targets."""
    statistics = statistics or Statistics(no_price)
    return Facts("1.2.3", "test.yaml", statistics.snapshot(), targets)
