"""How every target stands, as people are told it."""

import asyncio
from dataclasses import replace

from llm_gateway.config import (
    ClientToken,
    Config,
    Limits,
    Model,
    Provider,
    Size,
    ThrottlePolicy,
    Windows,
)
from llm_gateway.errors import UpstreamConnectionError, UpstreamUnavailable
from llm_gateway.limits.breaker import State
from llm_gateway.limits.clients import Clients
from llm_gateway.limits.overview import (
    BreakerState,
    ClientState,
    TargetState,
    of_clients,
    overview,
)
from llm_gateway.limits.quota import MemoryStore, Reading
from llm_gateway.trace import Trace
from support.fakes import make_config, make_model, make_provider
from support.gates import BRITTLE, Keeper
from support.virtual_time import run

CLOSED = BreakerState(State.CLOSED, 0.0, "")
OFF = make_provider("q", off="GROQ_API_KEY is not set", key=None)


def config_of(keeper: Keeper, *others: Provider) -> Config:
    return make_config([keeper.provider, *others], [*keeper.models])


def look(keeper: Keeper, *others: Provider) -> list[TargetState]:
    return overview(config_of(keeper, *others), keeper.gatekeeper)


def limited(minute: int) -> Model:
    return make_model(limits=Limits(Windows(minute=minute)), breaker=BRITTLE)


def test_a_target_that_nobody_has_asked_is_whole() -> None:
    async def main() -> None:
        keeper = Keeper(limited(10), throttle=ThrottlePolicy(max_concurrent=3))
        [state] = look(keeper)
        assert (state.label, state.names) == ("p/up-model", (keeper.models[0].name,))
        assert state.quotas == (Reading("requests", "minute", 10, 0, 0.0),)
        assert (state.breaker, state.provider.breaker) == (CLOSED, CLOSED)
        assert (state.parked, state.latency, state.idle) == (0.0, None, None)
        assert (state.provider.running, state.provider.places, state.provider.waiting) == (0, 3, 0)

    run(main())


def test_quotas_are_the_target_s_own_and_those_of_its_provider_s_key() -> None:
    async def main() -> None:
        keeper = Keeper(limited(10), limits=Limits(Windows(day=50), Windows(hour=1000)))
        (await keeper.admit(80)).succeed(None)
        await asyncio.sleep(5)
        [state] = look(keeper)
        assert state.quotas == (Reading("requests", "minute", 10, 1, 56.0),)
        requests, tokens = state.provider.quotas
        assert (requests.window, requests.used, requests.remaining) == ("day", 1, 49)
        assert (tokens.window, tokens.used, tokens.limit) == ("hour", 80, 1000)

    run(main())


def test_a_call_that_found_too_little_quota_says_until_when() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(limits=Limits(tokens=Windows(minute=100))))
        (await keeper.admit(60)).succeed(None)
        assert look(keeper)[0].spent == 0.0
        await keeper.refusal(60)
        await asyncio.sleep(20)
        assert look(keeper)[0].spent == 41.0
        await asyncio.sleep(41)
        assert look(keeper)[0].spent == 0.0

    run(main())


def test_a_key_that_is_new_has_its_own_quota() -> None:
    async def main() -> None:
        keeper = Keeper(limited(10), limits=Limits(Windows(day=50)))
        (await keeper.admit()).succeed(None)
        keeper.adopt(base_url="http://q.invalid/v1")
        [state] = look(keeper)
        assert [each.used for each in (*state.quotas, *state.provider.quotas)] == [0, 0]

    run(main())


def test_places_that_are_taken_and_calls_that_wait_are_counted() -> None:
    async def main() -> None:
        keeper = Keeper(throttle=ThrottlePolicy(max_concurrent=1))
        permit, waiting = await keeper.admit(), asyncio.ensure_future(keeper.admit())
        await asyncio.sleep(2)
        [state] = look(keeper)
        assert (state.provider.running, state.provider.places, state.provider.waiting) == (1, 1, 1)
        assert state.idle == 2.0
        permit.succeed(None)
        (await waiting).succeed(None)

    run(main())


def test_a_rest_and_open_breakers_are_told_with_their_end_and_their_cause() -> None:
    async def main() -> None:
        keeper = Keeper()
        permit, unreachable = await keeper.admit(), await keeper.admit()
        permit.rest(90.0)
        permit.fail(UpstreamUnavailable("Busy."))
        unreachable.fail(UpstreamConnectionError("Nobody there.").unsent())
        await asyncio.sleep(2)
        [state] = look(keeper)
        assert state.parked == 88.0
        assert state.breaker == BreakerState(State.OPEN, 3.0, "upstream_unavailable")
        assert state.provider.breaker == BreakerState(State.OPEN, 3.0, "upstream_connection_error")
        await asyncio.sleep(3)
        [state] = look(keeper)
        assert state.breaker == BreakerState(State.HALF_OPEN, 0.0, "upstream_unavailable")

    run(main())


def test_the_time_to_a_good_answer_is_told() -> None:
    async def main() -> None:
        keeper = Keeper()
        permit = await keeper.admit()
        await asyncio.sleep(4)
        permit.answered()
        [state] = look(keeper)
        assert (state.latency, state.idle) == (4.0, 4.0)
        permit.succeed(None)

    run(main())


def test_a_target_with_several_names_is_one_and_names_them_all() -> None:
    async def main() -> None:
        big = make_model("clever", size=Size.BIG)
        keeper = Keeper(big, replace(big, name="smart"), make_model("other", model="x"))
        assert [(each.label, each.names) for each in look(keeper)] == [
            ("p/up-model", ("clever", "BIG", "smart")),
            ("p/x", ("other",)),
        ]

    run(main())


def test_a_target_whose_provider_is_off_says_why() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(), make_model("m", provider="q"))
        keeper.adopt(keeper.provider, OFF)
        first, second = look(keeper, OFF)
        assert (first.provider.off, second.provider.off) == (None, "GROQ_API_KEY is not set")

    run(main())


def test_models_that_were_found_are_there_once_they_were_asked_for() -> None:
    async def main() -> None:
        keeper = Keeper(make_model())
        assert len(look(keeper)) == 1
        keeper.gatekeeper.gate(make_model("p/found", model="found"))
        assert [(each.label, each.names) for each in look(keeper)] == [
            ("p/up-model", (keeper.models[0].name,)),
            ("p/found", ("p/found",)),
        ]

    run(main())


def test_targets_of_a_provider_that_is_gone_are_left_out() -> None:
    async def main() -> None:
        keeper = Keeper(make_model(), make_model("m", provider="q"))
        keeper.adopt(keeper.provider, make_provider("q"))
        keeper.gatekeeper.gate(keeper.models[1])
        keeper.adopt(keeper.provider, models=keeper.models[:1])
        assert [each.label for each in look(keeper)] == ["p/up-model"]

    run(main())


def test_looking_changes_nothing() -> None:
    async def main() -> None:
        keeper = Keeper(limited(2))
        (await keeper.admit()).fail(UpstreamUnavailable("Busy."))
        await asyncio.sleep(5)
        for _ in range(3):
            look(keeper)
        probe = await keeper.admit()
        for _ in range(3):
            look(keeper)
        assert keeper.places == (1, 0)
        probe.succeed(None)
        assert look(keeper)[0].quotas[0].remaining == 0

    run(main())


def test_clients_are_told_by_name_with_what_is_left_to_each() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clients = Clients(MemoryStore(loop.time, loop.time))
        ci = ClientToken("ci", b"1", limits=Limits(Windows(minute=10)), concurrent=3)
        tokens = [ci, replace(ci, digest=b"2"), ClientToken("boss", b"3")]
        with clients.visit(ci, Trace("req_test")) as visit:
            visit.begin()
            await visit.charge(lambda: 0)
            assert of_clients(tokens, clients) == [
                ClientState("ci", (Reading("requests", "minute", 10, 1, 61.0),), 1, 3),
                ClientState("boss", (), 0, 1000),
            ]

    run(main())
