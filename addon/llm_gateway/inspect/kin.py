"""Which flows belong together: a client's request, and the calls to providers made for it.

What belongs where stands in the flows' metadata alone, so that it is true for flows loaded from a
file, for copies, for replays (a replayed client flow is a new exchange; a replayed attempt keeps
the exchange and number of the one that it repeats) and for what a person has reverted. This only
knows which flows there are, and keeps none of them alive.
"""

import weakref

from mitmproxy import http

from llm_gateway.inspect.metadata import (
    ATTEMPT,
    COMPARE,
    EXCHANGE,
    MODEL,
    is_attempt,
    is_ours,
)

_REPLAYED = "request"
_EVERY_MODEL = "*"


class Kin:
    """The gateway's flows that somebody still has."""

    def __init__(self) -> None:
        self._flows: weakref.WeakSet[http.HTTPFlow] = weakref.WeakSet()

    def add(self, flow: http.HTTPFlow) -> None:
        """Remember a flow, if it is one of the gateway's. Adding it again changes nothing."""
        if is_ours(flow):
            self._flows.add(flow)

    def client_of(self, flow: http.HTTPFlow) -> http.HTTPFlow | None:
        """The client's flow of an attempt's exchange, None if it is gone; a client flow's own.

        Looks at every flow there is, as ``attempts_of`` does: about 0.2 ms for 2000.
        """
        if not is_attempt(flow):
            return flow if is_ours(flow) else None
        clients = (each for each in self._exchange(flow) if not is_attempt(each))
        return min(clients, key=_age, default=None)

    def attempts_of(self, flow: http.HTTPFlow) -> list[http.HTTPFlow]:
        """The attempts of the flow's exchange, itself perhaps among them, by their numbers.

        Several calls may bear one number: what is uploaded first, pictures drawn one at a time, and
        last the replays by hand.
        """
        return sorted(filter(is_attempt, self._exchange(flow)), key=_place)

    def compared(self, name: str) -> list[http.HTTPFlow]:
        """The flows of one comparison, whose ``ai.compare`` it is; in no order."""
        return [each for each in self._flows if each.metadata.get(COMPARE) == name]

    def _exchange(self, flow: http.HTTPFlow) -> list[http.HTTPFlow]:
        if not is_ours(flow):
            return []
        exchange = flow.metadata[EXCHANGE]
        found = (each for each in self._flows if each.metadata.get(EXCHANGE) == exchange)
        # A file that is read twice has each flow twice.
        return [*({each.id: each for each in found} | {flow.id: flow}).values()]


def replayed(flow: http.HTTPFlow) -> bool:
    """Whether a person has had the flow's request sent again."""
    return flow.is_replay == _REPLAYED


def asks_for_models(flow: http.HTTPFlow) -> bool:
    """Whether the gateway asked a provider by itself which models there are; no client did."""
    return is_attempt(flow) and flow.metadata.get(MODEL) == _EVERY_MODEL


def number_of(attempt: http.HTTPFlow) -> int:
    """An attempt's number; 0 where its metadata, perhaps from a file, has none."""
    number = attempt.metadata.get(ATTEMPT)
    return number if isinstance(number, int) else 0


def _age(flow: http.HTTPFlow) -> float:
    return flow.request.timestamp_start


def _place(attempt: http.HTTPFlow) -> tuple[int, bool, float]:
    return number_of(attempt), replayed(attempt), _age(attempt)
