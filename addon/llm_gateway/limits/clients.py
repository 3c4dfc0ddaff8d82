"""What each client may still ask for: the quota of its token, and its requests under way.

All is counted by the name of the token and kept from one configuration to the next, so tokens that
stand in for each other under one name share it. A request is charged before it is dispatched, once,
whatever it takes to answer it, and put right when it is over.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from llm_gateway import verdict
from llm_gateway.config import ClientToken, Limits
from llm_gateway.errors import UpstreamTimeout
from llm_gateway.limits.quota import QuotaExceeded, QuotaStore, Reading, Receipt, claim
from llm_gateway.routing import May, anything
from llm_gateway.tasks import spawn
from llm_gateway.tokens import Told
from llm_gateway.trace import Trace

_NO_LIMITS = Limits()
REROUTING = ("models", "route", "preset", "fallbacks", "fallback_models")
"""Fields by which OpenRouter, and servers like LiteLLM, take another model than the one that they
are asked for (https://openrouter.ai/docs/guides/routing/model-fallbacks)."""
_FULL_SECONDS = 1.0
"""When to come again where as many requests are under way as may be: nobody knows better."""


class Clients:
    """All clients, by the names of their tokens."""

    def __init__(self, store: QuotaStore) -> None:
        self.store = store
        self.running: Counter[str] = Counter()

    def visit(self, client: ClientToken | None, trace: Trace) -> "Visit":
        """One request of a client; None: of the operator, who may do everything."""
        return Visit(self, client, trace)

    def quota(self, client: ClientToken) -> Sequence[Reading]:
        """Where the quota of a token stands."""
        return self.store.read(_key(client), client.limits)


class Visit:
    """One request, from when it is there to the end of its answer: a context manager.

    Its end settles what was charged: the tokens that were used take the place of the estimate; of
    a failure there were none, but where a provider was only too slow; and where no call has left
    for a provider, all is given back.
    """

    __slots__ = ("_client", "_clients", "_estimate", "_has_place", "_receipt", "_trace")

    def __init__(self, clients: Clients, client: ClientToken | None, trace: Trace) -> None:
        self._clients = clients
        self._client = client
        self._trace = trace
        self._has_place = False
        self._receipt: Receipt | None = None
        self._estimate = 0

    @property
    def may(self) -> May:
        """Which names it may ask for."""
        return anything if self._client is None else self._client.may_ask_for

    def check(self, body: Mapping[str, Any]) -> None:
        """Raises RequestError (400) for a request that could have another model than it asks for.

        Who may ask for all models may do that.
        """
        if self._client is None or self._client.models is None:
            return
        for name in REROUTING:
            if body.get(name) is not None:
                raise verdict.of_rerouting(self._client.name, name)

    def begin(self) -> None:
        """Take one of the client's places. Raises RequestError (429)."""
        client = self._client
        if client is None:
            return
        running = self._clients.running
        if running[client.name] >= client.concurrent:
            raise verdict.of_place(client.name, client.concurrent, _FULL_SECONDS)
        running[client.name] += 1
        self._has_place = True

    async def charge(self, tokens: Callable[[], int]) -> None:
        """Charge the client with the request, and about so many tokens. Raises RequestError (429).

        ``tokens`` is only asked where it matters.
        """
        client = self._client
        if client is None or client.limits == _NO_LIMITS:
            return
        if client.limits.tokens != _NO_LIMITS.tokens:
            self._estimate = tokens()
            self._trace.told = Told()
        try:
            asked = claim(_key(client), client.limits, self._estimate)
            receipt = await self._clients.store.take([asked])
        except QuotaExceeded as exceeded:
            raise verdict.of_allowance(client.name, exceeded) from None
        self._receipt = receipt
        self._trace.allowance = receipt.standing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._has_place and self._client is not None:
            self._leave(self._client.name)
        if self._receipt is not None:
            self._settle(self._receipt)

    def _leave(self, name: str) -> None:
        running = self._clients.running
        running[name] -= 1
        if not running[name]:
            # Names come and go with configurations.
            del running[name]

    def _settle(self, receipt: Receipt) -> None:
        store, trace = self._clients.store, self._trace
        if not trace.sent:
            spawn(store.refund(receipt), "give a client's quota back")
        elif (used := self._used(trace)) is not None:
            spawn(store.settle(receipt, used), "count a client's tokens")

    def _used(self, trace: Trace) -> int | None:
        """The tokens that it took, None: as many as was thought."""
        usage = trace.usage
        counted = usage.prompt_tokens + usage.completion_tokens if usage else None
        broke_off = trace.failure is not None or not trace.complete
        if trace.first_byte is not None and broke_off:
            # No count has come, or half of one; the client has had what came until then.
            told = trace.told.tokens if trace.told else 0
            return max(self._estimate + told, counted or 0)
        refused = trace.failure is not None and not isinstance(trace.failure, UpstreamTimeout)
        return 0 if counted is None and refused else counted


def _key(client: ClientToken) -> str:
    return f"token {client.name}"
