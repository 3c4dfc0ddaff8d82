"""In which order targets are tried: each strategy by hand, and what comes of it in virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config import Model, Routing, Strategy, ThrottlePolicy
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.limits.quota import MemoryStore
from llm_gateway.routing import Target
from llm_gateway.strategies import ORDERS, Candidate, ordered
from support.fakes import make_model, make_provider
from support.targets import Answer, Targets, whole
from support.virtual_time import run


def candidates(*models: Model) -> list[Candidate]:
    """Each at a provider of its own, which has one place."""
    providers = [make_provider(model.provider) for model in models]
    keeper = Gatekeeper(MemoryStore(lambda: 0.0, lambda: 0.0), lambda: 0.0)
    keeper.adopt(providers, models)
    return [
        (Target(provider, model), keeper.gate(model))
        for provider, model in zip(providers, models, strict=True)
    ]


def models(*priorities: int, **fields: Any) -> list[Model]:
    """Models at a, b, c … with these priorities."""
    return [
        make_model(provider=name, priority=priority, **fields)
        for name, priority in zip("abcdefgh", priorities, strict=False)
    ]


def names(found: object) -> str:
    assert isinstance(found, list)
    return "".join(target.provider.name for target, _ in found)


def never() -> float:
    raise AssertionError("no lot is to be drawn")


def in_order(strategy: Strategy, given: list[Candidate], **state: Mapping[str, Any]) -> str:
    """Who is tried, where gates have this state by provider."""
    for field, values in state.items():
        for target, gate in given:
            if target.provider.name in values:
                setattr(gate, field, values[target.provider.name])
    return names(ordered(strategy, given, never))


def test_every_strategy_that_can_be_configured_has_an_order() -> None:
    assert set(ORDERS) == set(Strategy)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_single_target_is_itself_the_order(strategy: Strategy) -> None:
    async def main() -> None:
        [only] = candidates(make_model())
        assert ordered(strategy, [only], never) == [only]

    run(main())


@pytest.mark.parametrize("strategy", Strategy)
@given(priorities=st.lists(st.integers(-2, 2), min_size=1, max_size=8), seed=st.integers())
def test_every_target_is_in_the_order_once(
    strategy: Strategy, priorities: list[int], seed: int
) -> None:
    async def main() -> None:
        given = candidates(*models(*priorities))
        found = ordered(strategy, given, random.Random(seed).random)
        assert sorted(names(list(found))) == sorted(names(given))

    run(main())


def test_by_priority_the_lowest_is_first_whoever_has_rested() -> None:
    async def main() -> None:
        given = candidates(*models(3, 1, 2))
        assert in_order(Strategy.PRIORITY, given, last_used={"b": 9}) == "bca"

    run(main())


def test_among_equals_the_one_that_has_rested_longest_is_first() -> None:
    async def main() -> None:
        given = candidates(*models(1, 1, 1, 0))
        used = {"a": 3, "b": 1, "c": 2, "d": 4}
        assert in_order(Strategy.PRIORITY, given, last_used=used) == "dbca"

    run(main())


@pytest.mark.parametrize("strategy", Strategy)
def test_one_that_has_a_place_is_before_one_that_has_none(strategy: Strategy) -> None:
    async def main() -> None:
        given = candidates(*models(1, 2, 3))
        throttle = given[0][1].provider.throttle
        throttle.adopt(ThrottlePolicy(max_concurrent=1), 1)
        assert names(ordered(strategy, given, lambda: 0.5)) == "abc"
        await throttle.acquire()
        assert names(ordered(strategy, given, lambda: 0.5)) == "bca"

    run(main())


def test_round_robin_goes_by_rest_alone() -> None:
    async def main() -> None:
        given = candidates(*models(1, 2, 3))
        assert in_order(Strategy.ROUND_ROBIN, given, last_used={"a": 2, "b": 3, "c": 1}) == "cab"

    run(main())


def test_where_nothing_was_asked_yet_the_file_s_order_holds() -> None:
    async def main() -> None:
        given = candidates(*models(1, 1, 1))
        for strategy in (Strategy.PRIORITY, Strategy.ROUND_ROBIN, Strategy.LEAST_LATENCY):
            assert in_order(strategy, given) == "abc"

    run(main())


def test_the_least_latency_is_first_but_for_one_that_is_not_known() -> None:
    async def main() -> None:
        given = candidates(*models(1, 2, 3, 4))
        latency = {"a": 0.5, "b": 0.2, "c": 0.3}
        assert in_order(Strategy.LEAST_LATENCY, given, latency=latency) == "dbca"

    run(main())


def test_of_the_same_latency_the_one_that_has_rested_is_first() -> None:
    async def main() -> None:
        given = candidates(*models(1, 1))
        latency, used = {"a": 0.2, "b": 0.2}, {"a": 2, "b": 1}
        assert in_order(Strategy.LEAST_LATENCY, given, latency=latency, last_used=used) == "ba"

    run(main())


def shares(weights: Mapping[str, int], draws: int = 6000) -> tuple[Counter[str], Counter[str]]:
    """How often each was first, and how often each was second behind the first of all."""
    lots = random.Random(11)
    given = candidates(*(make_model(provider=n, weight=w) for n, w in weights.items()))
    orders = [names(ordered(Strategy.WEIGHTED, given, lots.random)) for _ in range(draws)]
    behind = Counter(order[1] for order in orders if order[0] == next(iter(weights)))
    return Counter(order[0] for order in orders), behind


def test_each_is_first_as_often_as_its_weight_says() -> None:
    async def main() -> None:
        first, behind = shares({"a": 6, "b": 3, "c": 1})
        for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
            assert first[name] / first.total() == pytest.approx(share, abs=0.02)
        for name, share in (("b", 0.75), ("c", 0.25)):
            assert behind[name] / behind.total() == pytest.approx(share, abs=0.03)

    run(main())


def test_equal_weights_are_equal_shares() -> None:
    async def main() -> None:
        first, _ = shares({"a": 1, "b": 1, "c": 1, "d": 1})
        assert all(
            count / first.total() == pytest.approx(0.25, abs=0.02) for count in first.values()
        )

    run(main())


@pytest.mark.parametrize("lot", [0.0, 0.5, 1.0 - 2**-53])
def test_no_lot_whatever_breaks_the_order(lot: float) -> None:
    async def main() -> None:
        given = candidates(*models(1, 1, weight=10**9))
        assert names(ordered(Strategy.WEIGHTED, given, lambda: lot)) == "ab"

    run(main())


def routing(strategy: Strategy) -> Routing:
    return Routing(strategy=strategy)


def good(*pauses: float) -> list[Answer]:
    """A thousand good answers after pauses that repeat."""
    return [step for _ in range(1000) for pause in pauses for step in (pause, whole("x"))]


async def asked(targets: Targets, times: int) -> str:
    for _ in range(times):
        await targets.text()
    return "".join(targets.calls)


@pytest.mark.parametrize("strategy", [Strategy.PRIORITY, Strategy.ROUND_ROBIN])
def test_equals_take_turns(strategy: Strategy) -> None:
    async def main() -> None:
        targets = Targets(
            {name: good(1.0) for name in "abc"},
            everywhere={"priority": 1},
            routing=routing(strategy),
        )
        assert await asked(targets, 7) == "abcabca"

    run(main())


def test_round_robin_takes_turns_whatever_the_priorities_are() -> None:
    async def main() -> None:
        for strategy, calls in ((Strategy.PRIORITY, "aaaa"), (Strategy.ROUND_ROBIN, "abab")):
            targets = Targets({name: good(1.0) for name in "ab"}, routing=routing(strategy))
            assert await asked(targets, 4) == calls

    run(main())


def test_calls_at_the_same_time_are_spread_over_equals() -> None:
    async def main() -> None:
        scripts: dict[str, list[Answer]] = {
            name: [*[1.0] * 4, *(whole(name) for _ in range(4))] for name in "ab"
        }
        targets = Targets(scripts, everywhere={"priority": 1})
        await asyncio.gather(*(targets.text() for _ in range(8)))
        assert Counter(targets.calls) == {"a": 4, "b": 4}
        assert asyncio.get_running_loop().time() == 1.0

    run(main())


def test_the_fast_one_is_asked_once_both_are_known() -> None:
    async def main() -> None:
        targets = Targets({"a": good(3.0), "b": good(0.5)}, routing=routing(Strategy.LEAST_LATENCY))
        assert await asked(targets, 6) == "abbbbb"

    run(main())


def test_one_that_becomes_slow_is_left_for_another() -> None:
    async def main() -> None:
        slower: list[Answer] = [*good(1.0)[:2], *good(7.0)]
        targets = Targets({"a": slower, "b": good(2.0)}, routing=routing(Strategy.LEAST_LATENCY))
        # A fifth of the 7 s counts: 2.2 s.
        assert await asked(targets, 7) == "ababbbb"

    run(main())


def test_one_that_fails_is_the_next_one_s_turn_in_every_strategy() -> None:
    async def main(strategy: Strategy) -> None:
        targets = Targets(
            {"a": [UpstreamConnectionError("It broke.")], "b": good(1.0)},
            routing=routing(strategy),
        )
        await asked(targets, 3)
        assert targets.calls.count("b") == 3

    for strategy in Strategy:
        run(main(strategy))
