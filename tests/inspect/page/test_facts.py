"""What the page says of each target, and which of them belong together."""

from dataclasses import replace

import orjson
import pytest

from llm_gateway.inspect.page.facts import (
    Facts,
    Sign,
    by_provider,
    gather,
    signs_of_provider,
    signs_of_target,
)
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ProviderState, TargetState
from llm_gateway.limits.quota import Reading
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.statistics import Statistics
from support.fakes import KEY, TOKEN, FakeWire, make_config, make_model, make_provider
from support.page import CLOSED, make_provider_state, make_target

OPEN = BreakerState(State.OPEN, 4.2, "upstream_timeout")
HALF_OPEN = BreakerState(State.HALF_OPEN, 0.0, "upstream_timeout")
SPENT = Reading("tokens", "hour", 100, 120, 30.0)
LEFT = Reading("requests", "minute", 100, 99, 30.0)


@pytest.mark.parametrize(
    ("target", "signs"),
    [
        (make_target(), [Sign("good", "ready")]),
        (make_target(quotas=(LEFT,)), [Sign("good", "ready")]),
        (make_target(parked=61.0), [Sign("odd", "parked for 1 min 1 s")]),
        (make_target(breaker=OPEN), [Sign("bad", "breaker open for 5 s (upstream_timeout)")]),
        (
            make_target(breaker=HALF_OPEN),
            [Sign("odd", "breaker half-open, the next call is a probe (upstream_timeout)")],
        ),
        (
            make_target(quotas=(SPENT,), spent=30.0),
            [Sign("bad", "too little quota for the latest call, enough in 30 s")],
        ),
        (make_target(quotas=(LEFT, SPENT)), [Sign("bad", "no tokens left this hour")]),
        (
            make_target(parked=1.0, breaker=OPEN),
            [
                Sign("odd", "parked for 1 s"),
                Sign("bad", "breaker open for 5 s (upstream_timeout)"),
            ],
        ),
        (
            make_target(provider=make_provider_state(breaker=OPEN)),
            [Sign("bad", "held up by its provider")],
        ),
        (
            make_target(provider=make_provider_state(quotas=(SPENT,))),
            [Sign("bad", "held up by its provider")],
        ),
        (
            make_target(provider=make_provider_state(waiting=3)),
            [Sign("good", "ready")],
        ),
        (make_target(provider=make_provider_state(off="no key")), [Sign("off", "off")]),
    ],
)
def test_a_target_says_what_keeps_it_from_being_asked(
    target: TargetState, signs: list[Sign]
) -> None:
    assert signs_of_target(target) == signs


@pytest.mark.parametrize(
    ("provider", "signs"),
    [
        (make_provider_state(), []),
        (
            make_provider_state(breaker=OPEN, waiting=2),
            [
                Sign("bad", "cannot be reached for 5 s (upstream_timeout)"),
                Sign("odd", "2 in the queue"),
            ],
        ),
        (make_provider_state(quotas=(SPENT,)), [Sign("bad", "no tokens left this hour")]),
        (
            make_provider_state(off="GROQ_API_KEY is not set", breaker=OPEN),
            [Sign("off", "off: GROQ_API_KEY is not set")],
        ),
    ],
)
def test_a_provider_says_what_holds_up_all_of_its_targets(
    provider: ProviderState, signs: list[Sign]
) -> None:
    assert signs_of_provider(provider) == signs


async def gathered() -> Facts:
    """The facts of an engine with two providers."""
    engine = Engine(lambda provider: FakeWire(), lambda wire: wire, Secret(TOKEN), 0)
    models = [make_model("a"), make_model("b", provider="q"), make_model("c", model="other")]
    engine.adopt(make_config([make_provider(), make_provider("q")], models))
    facts = gather(engine.current, Statistics(lambda target, usage: None))
    await engine.close()
    return facts


async def test_the_facts_are_those_of_the_configuration_in_force() -> None:
    facts = await gathered()
    assert facts.source == "test.yaml"
    assert [each.label for each in facts.targets] == ["p/up-model", "q/up-model", "p/other"]


async def test_targets_stand_with_their_provider() -> None:
    facts = await gathered()
    found = by_provider(facts)
    assert [(p.name, [target.label for target, _ in rows]) for p, rows in found] == [
        ("p", ["p/up-model", "p/other"]),
        ("q", ["q/up-model"]),
    ]
    assert {totals for _, rows in found for _, totals in rows} == {None}


async def test_the_facts_are_json_and_hold_no_secret() -> None:
    text = orjson.dumps(await gathered()).decode()
    assert KEY not in text
    assert TOKEN not in text
    told = orjson.loads(text)["targets"][0]
    assert told["breaker"] == {"state": "closed", "left": 0.0, "reason": ""}


def test_a_closed_breaker_says_nothing() -> None:
    state = replace(make_provider_state(), breaker=CLOSED)
    assert signs_of_provider(state) == []
