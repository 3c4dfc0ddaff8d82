"""In which order the targets of a name are tried: one function for each strategy.

Whatever the strategy, a target that has a queue comes after those that have none: an answer now is
worth more than one from the first in the list.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from llm_gateway.config import Strategy
from llm_gateway.limits.gate import Gate
from llm_gateway.routing import Target

type Candidate = tuple[Target, Gate]
type Order = Callable[[Candidate, Callable[[], float]], tuple[float, ...]]
"""What a candidate is sorted by, lowest first; the function gives numbers from 0 up to 1."""


def _priority(candidate: Candidate, _: Callable[[], float]) -> tuple[float, ...]:
    target, gate = candidate
    return (gate.is_busy, target.spec.priority, gate.last_used)


def _round_robin(candidate: Candidate, _: Callable[[], float]) -> tuple[float, ...]:
    gate = candidate[1]
    return (gate.is_busy, gate.last_used)


def _least_latency(candidate: Candidate, _: Callable[[], float]) -> tuple[float, ...]:
    """One that was never asked comes first: it may be the fastest."""
    gate = candidate[1]
    return (gate.is_busy, gate.latency or 0.0, gate.last_used)


def _weighted(candidate: Candidate, random: Callable[[], float]) -> tuple[float, ...]:
    """Efraimidis and Spirakis: the smallest of exponential times, each with its weight as rate.

    So each is first with the probability of its weight, and so is the next among those left.
    """
    target, gate = candidate
    return (gate.is_busy, -math.log(1.0 - random()) / target.spec.weight)


ORDERS: Mapping[Strategy, Order] = {
    Strategy.PRIORITY: _priority,
    Strategy.ROUND_ROBIN: _round_robin,
    Strategy.LEAST_LATENCY: _least_latency,
    Strategy.WEIGHTED: _weighted,
}


def ordered(
    strategy: Strategy, candidates: Sequence[Candidate], random: Callable[[], float]
) -> Sequence[Candidate]:
    """The candidates as they are to be tried."""
    if len(candidates) == 1:
        return candidates
    order = ORDERS[strategy]
    return sorted(candidates, key=lambda candidate: order(candidate, random))
