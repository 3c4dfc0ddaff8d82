"""A gatekeeper in virtual time, with one target unless told otherwise, and what it counts."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from llm_gateway.config import BreakerPolicy, Limits, Model, Provider, Windows
from llm_gateway.limits.gate import Gate, Permit, Reason, Refused
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.quota import Claim, MemoryStore
from support.fakes import make_model, make_provider

MANY = 10**6
COUNTING = Limits(Windows(minute=MANY), Windows(minute=MANY))
"""Limits that are never met, and count."""
BRITTLE = BreakerPolicy(failures=1, open=5.0, max_open=60.0, jitter=0.0)


class Keeper:
    """Made inside the event loop."""

    def __init__(self, *models: Model, **provider: Any) -> None:
        """``provider`` are fields of the provider ``p``, which all models are at."""
        loop = asyncio.get_running_loop()
        self.store = MemoryStore(loop.time, loop.time)
        self.gatekeeper = Gatekeeper(self.store, loop.time)
        self.models = models or (make_model(limits=COUNTING, breaker=BRITTLE),)
        self.provider = replace(make_provider(), **{"breaker": BRITTLE, **provider})
        self.adopt()

    @property
    def gate(self) -> Gate:
        """The first model's."""
        return self.gatekeeper.gate(self.models[0])

    def adopt(
        self, *providers: Provider, models: tuple[Model, ...] | None = None, **provider: Any
    ) -> None:
        """A new configuration, of these providers or of the same with other fields."""
        self.provider = replace(self.provider, **provider)
        self.models = self.models if models is None else models
        self.gatekeeper.adopt(providers or [self.provider], self.models)

    async def admit(self, tokens: int = 0, *, panic: bool = False) -> Permit:
        """One call may be made."""
        return await self.gate.admit(tokens, panic=panic)

    async def refusal(self, tokens: int = 0, *, panic: bool = False) -> Refused:
        """One call may not be made."""
        with pytest.raises(Refused) as refused:
            await self.gate.admit(tokens, panic=panic)
        return refused.value

    async def reason(self) -> Reason | None:
        """Why none may be made; if it may, it is released again."""
        try:
            permit = await self.admit()
        except Refused as refused:
            return refused.reason
        permit.release(sent=False)
        return None

    async def spent(self, key: str = "target p/up-model") -> tuple[int, int]:
        """The requests and tokens that a quota's minute has seen."""
        receipt = await self.store.take([Claim(key, COUNTING)])
        await self.store.refund(receipt)
        requests, tokens = receipt.standing.requests, receipt.standing.tokens
        assert requests is not None
        assert tokens is not None
        return MANY - requests.remaining - 1, MANY - tokens.remaining

    @property
    def places(self) -> tuple[int, int]:
        """How many calls run, and how many wait."""
        throttle = self.gate.provider.throttle
        return throttle.running, throttle.waiting
