"""Gates from one configuration to the next: what is kept, what is replaced, what is forgotten."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from llm_gateway.config import BreakerPolicy, Credential, Http, Limits, ThrottlePolicy, Windows
from llm_gateway.errors import UpstreamConnectionError, UpstreamUnavailable
from llm_gateway.limits.gate import Gate, Reason
from llm_gateway.secret import Secret
from support.fakes import make_model, make_provider
from support.gates import BRITTLE, COUNTING, Keeper
from support.virtual_time import run

BUSY = UpstreamUnavailable("Busy.")
UNREACHABLE = UpstreamConnectionError("Nobody there.").unsent()


async def broken(keeper: Keeper) -> Gate:
    """The gate of a target whose breakers are both open, and which rests."""
    gate = keeper.gate
    permit, other = await keeper.admit(), await keeper.admit()
    permit.rest(90.0)
    permit.answered()
    permit.fail(BUSY)
    other.fail(UNREACHABLE)
    return gate


def test_a_target_has_one_gate_whoever_asks() -> None:
    async def main() -> None:
        model = make_model()
        keeper = Keeper(model, make_model("SMALL alike"), make_model(model="other"))
        first, alike, other = (keeper.gatekeeper.gate(each) for each in keeper.models)
        assert first is alike is keeper.gatekeeper.gate(replace(model, priority=9))
        assert first is not other
        assert first.provider is other.provider
        assert (first.label, other.label) == ("p/up-model", "p/other")

    run(main())


@pytest.mark.parametrize("asked_first", [0, 1])
def test_of_entries_alike_the_first_one_s_rules_count_whichever_is_asked_first(
    asked_first: int,
) -> None:
    async def main() -> None:
        limits = Limits(Windows(minute=1))
        keeper = Keeper(make_model(limits=limits), make_model("alike"))
        gate = keeper.gatekeeper.gate(keeper.models[asked_first])
        assert gate.limits == limits
        keeper.adopt()
        assert gate.limits == limits

    run(main())


def test_what_was_counted_stays_and_rules_are_replaced() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=COUNTING, breaker=BRITTLE), limits=COUNTING)
        gate = await broken(keeper)
        policy = BreakerPolicy(failures=7, open=70.0)
        http = Http(max_connections=3)
        keeper.adopt(
            models=(make_model(limits=Limits(Windows(minute=2)), breaker=policy),),
            breaker=policy,
            throttle=ThrottlePolicy(max_concurrent=2),
            limits=Limits(Windows(day=5)),
            http=http,
        )
        assert keeper.gate is gate
        assert gate.breaker.policy == gate.provider.breaker.policy == policy
        assert gate.breaker.wait() == gate.provider.breaker.wait() == 5.0
        assert (gate.cooldown.left(), gate.latency) == (90.0, 0.0)
        assert gate.limits == Limits(Windows(minute=2))
        assert gate.provider.limits == Limits(Windows(day=5))
        assert await keeper.spent() == await keeper.spent("provider p") == (1, 0)
        await asyncio.sleep(90)
        for _ in range(2):
            gate.provider.throttle.running += 1
        assert gate.is_busy, "there are two places now"

    run(main())


def test_who_waits_gets_the_places_of_a_new_configuration() -> None:
    async def main() -> None:
        keeper = Keeper(throttle=ThrottlePolicy(max_concurrent=1))
        first, second = await keeper.admit(), asyncio.ensure_future(keeper.admit())
        await asyncio.sleep(1)
        keeper.adopt(throttle=ThrottlePolicy(max_concurrent=2))
        (await second).succeed(None)
        first.succeed(None)
        assert (asyncio.get_running_loop().time(), keeper.places) == (1.0, (0, 0))

    run(main())


ANOTHER: list[dict[str, Any]] = [
    {"base_url": "http://q.invalid/v1"},
    {"credentials": (Credential("authorization", "Bearer ", Secret("sk-another")),)},
    {"credentials": ()},
    {"kind": "groq"},
]


@pytest.mark.parametrize("another", ANOTHER, ids=str)
def test_what_a_provider_did_is_forgotten_with_its_address_or_its_key(
    another: dict[str, Any],
) -> None:
    async def main() -> None:
        keeper = Keeper(limits=COUNTING)
        old = await broken(keeper)
        keeper.adopt(**another)
        assert keeper.gate.refusal() is None
        assert old.refusal() is not None
        assert await keeper.spent() == await keeper.spent("provider p") == (1, 0), (
            "it is spent all the same"
        )

    run(main())


@pytest.mark.parametrize(
    "same",
    [{}, {"headers": (("x", "y"),)}, {"discover": True}, {"http": Http(connect=1.0)}],
    ids=str,
)
def test_a_provider_with_other_settings_is_still_the_same(same: dict[str, Any]) -> None:
    async def main() -> None:
        keeper = Keeper()
        await broken(keeper)
        keeper.adopt(**same)
        assert await keeper.reason() is Reason.PARKED

    run(main())


def test_one_that_is_changed_back_has_a_clean_slate() -> None:
    async def main() -> None:
        keeper = Keeper()
        await broken(keeper)
        keeper.adopt(base_url="http://q.invalid/v1")
        keeper.adopt(base_url="http://p.invalid/v1")
        assert await keeper.reason() is None

    run(main())


def test_calls_under_way_end_where_they_began() -> None:
    async def main() -> None:
        keeper = Keeper(limits=COUNTING)
        old, permit = keeper.gate, await keeper.admit(100)
        keeper.adopt(base_url="http://q.invalid/v1")
        permit.fail(BUSY)
        assert keeper.gate is not old
        assert keeper.gate.refusal() is None
        assert (old.provider.throttle.running, keeper.places) == (0, (0, 0))
        assert await keeper.spent() == (1, 0)

    run(main())


def test_a_provider_that_is_gone_is_forgotten() -> None:
    async def main() -> None:
        keeper = Keeper()
        await broken(keeper)
        keeper.adopt(make_provider("q"), models=(make_model(provider="q"),))
        keeper.adopt(keeper.provider, models=(make_model(limits=COUNTING),))
        assert keeper.gate.refusal() is None
        assert await keeper.spent() == (1, 0)

    run(main())


def test_others_are_not_touched_by_what_becomes_of_one() -> None:
    async def main() -> None:
        keeper = Keeper()
        gate = await broken(keeper)
        q = make_provider("q")
        models = (*keeper.models, make_model(provider="q"))
        keeper.adopt(keeper.provider, q, models=models)
        keeper.adopt(keeper.provider, models=models[:1])
        assert keeper.gate is gate
        assert await keeper.reason() is Reason.PARKED

    run(main())


def test_an_exchange_that_began_before_may_ask_for_a_provider_that_is_gone() -> None:
    async def main() -> None:
        keeper = Keeper(throttle=ThrottlePolicy(max_concurrent=3))
        keeper.gatekeeper.adopt([], [])
        (await keeper.admit()).succeed(None)
        assert keeper.gate.provider.name == "p"
        keeper.gatekeeper.adopt([], [])
        keeper.adopt()
        assert await keeper.reason() is None

    run(main())


def test_a_model_that_only_its_provider_lists_has_its_provider_s_rules() -> None:
    async def main() -> None:
        found = make_model("p/found", model="found", breaker=BRITTLE)
        keeper = Keeper(make_model())
        gate = keeper.gatekeeper.gate(found)
        policy = BreakerPolicy(failures=9)
        keeper.adopt(breaker=policy)
        assert (gate.breaker.policy, gate.limits) == (policy, Limits())
        keeper.adopt(models=(make_model(model="found", limits=COUNTING),))
        assert gate.limits == COUNTING, "until the configuration names it"
        keeper.adopt(models=())
        assert gate.limits == Limits()

    run(main())


def test_a_limit_that_is_new_knows_what_went_before() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=Limits(Windows(hour=100))))
        (await keeper.admit()).succeed(None)
        keeper.adopt(models=(make_model(limits=Limits(Windows(minute=1))),))
        assert (await keeper.refusal()).reason is Reason.QUOTA
        keeper.adopt(models=(make_model(limits=Limits(Windows(minute=2))),))
        (await keeper.admit()).succeed(None)

    run(main())
