"""The lines of ai.models, ai.limits and ai.reload say what is the case."""

import dataclasses

import pytest

from llm_gateway.config import Routing, Size, Strategy
from llm_gateway.inspect.commands.listing import (
    change_line,
    client_lines,
    limit_lines,
    model_lines,
)
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ClientState, ProviderState, TargetState
from llm_gateway.limits.quota import Reading
from llm_gateway.routing import Catalogue
from support.fakes import make_config, make_model, make_provider

CLOSED = BreakerState(State.CLOSED, 0.0, "")
PROVIDER = ProviderState("p", None, (), CLOSED, running=2, places=10, waiting=0)
TARGET = TargetState("p/m", ("m",), PROVIDER, (), CLOSED, 0.0, None, None)


def test_each_name_is_listed_with_its_targets_and_their_order() -> None:
    config = dataclasses.replace(
        make_config(
            [make_provider("a"), make_provider("b"), make_provider("c", off="C_KEY is not set")],
            [
                make_model("one", provider="a", size=Size.BIG),
                make_model("two", provider="b", size=Size.BIG),
                make_model("three", provider="c"),
            ],
        ),
        routing=Routing(strategies={"BIG": Strategy.WEIGHTED}, aliases={"fast": "two"}),
    )
    targets = {model.name: model.label for model in config.models}
    assert model_lines(config, Catalogue(config, 0)) == [
        f"one    → {targets['one']}",
        f"two    → {targets['two']}",
        f"fast   → {targets['two']}",
        f"BIG    → {targets['one']}, {targets['two']} (weighted)",
        "three  off: C_KEY is not set",
    ]


def test_a_configuration_without_a_usable_model_says_why() -> None:
    config = make_config([make_provider(off="KEY is not set")])
    [line] = model_lines(config, Catalogue(config, 0))
    assert line.endswith("off: KEY is not set")
    nothing = dataclasses.replace(config, models=())
    assert model_lines(nothing, Catalogue(nothing, 0)) == ["No model can be used."]


def test_the_state_of_a_provider_stands_above_its_targets() -> None:
    busy = dataclasses.replace(
        PROVIDER,
        waiting=3,
        breaker=BreakerState(State.HALF_OPEN, 0.0, "upstream_connection_error"),
        quotas=(Reading("requests", "day", 500, 20, 40_000.0),),
    )
    used = dataclasses.replace(TARGET, provider=busy, latency=0.8123, idle=200.0)
    off = dataclasses.replace(
        TARGET, label="q/x", provider=dataclasses.replace(PROVIDER, name="q", off="Q is not set")
    )
    assert limit_lines([used, dataclasses.replace(used, label="p/other", idle=None), off]) == [
        "p          2 of 10 places taken, 3 waiting, not reached (upstream_connection_error), the "
        "next call is the probe, 480 of 500 requests per day left, whole in 11 h",
        "  p/m      ready, rated 0.81 s, asked 3 min ago",
        "  p/other  ready, rated 0.81 s, not asked yet",
        "q          off: Q is not set",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parked": 12.34}, "parked for 12 s more"),
        ({"breaker": BreakerState(State.OPEN, 4.2, "overloaded")}, "breaker open (overloaded) for"),
        (
            {"quotas": (Reading("tokens", "minute", 9, 12, 7.0),)},
            "0 of 9 tokens per minute left",
        ),
        (
            {"quotas": (Reading("tokens", "hour", 9, 0, 0.0),)},
            "ready, 9 of 9 tokens per hour left",
        ),
    ],
)
def test_what_keeps_a_target_is_said(changes: dict[str, object], said: str) -> None:
    [_, line] = limit_lines([dataclasses.replace(TARGET, **changes)])  # type: ignore[arg-type] # a table
    assert said in line
    assert ("ready" in line) is ("quotas" in changes)


def test_what_is_left_to_each_client_is_told() -> None:
    quota = Reading("requests", "minute", 20, 3, 41.0)
    assert client_lines([ClientState("ci", (quota,), 1, 2), ClientState("boss", (), 0, 1000)]) == [
        "client ci    1 of 2 under way, 17 of 20 requests per minute left, whole in 41 s",
        "client boss  0 of 1000 under way",
    ]


def test_what_a_new_configuration_changes_is_named() -> None:
    before = make_config(models=[make_model("one"), make_model("two")])
    assert change_line(before, before) == "The configuration test.yaml is as it was."
    now = dataclasses.replace(
        make_config(models=[make_model("one"), make_model("three")], warnings=("it is odd",)),
        routing=Routing(aliases={"fast": "one"}),
    )
    assert change_line(before, now) == (
        "The configuration test.yaml was read again: 2 models at 1 providers; new: three, fast; "
        "gone: two; it is odd."
    )
