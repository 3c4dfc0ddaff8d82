"""reasoning_effort as each family of models takes it."""

import pytest

from llm_gateway.adapters.anthropic.families import family_of
from llm_gateway.adapters.anthropic.thinking import BUDGETS, Plan, plan
from llm_gateway.errors import RequestError

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


def made(effort: object, model: str, max_tokens: int = 32_000, *, barred: bool = False) -> Plan:
    return plan(effort, family_of(model), max_tokens, barred=barred)


@pytest.mark.parametrize(
    ("model", "possible"),
    [("claude-haiku-4-5", False), ("claude-opus-4-8", False), ("claude-opus-5", True), ("m", True)],
)
def test_without_a_demand_nothing_is_said_and_some_models_think(model: str, possible: bool) -> None:
    assert made(None, model) == Plan(possible=possible)


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-opus-5", "minimal", "low"),
        ("claude-opus-5", "low", "low"),
        ("claude-opus-5", "medium", "medium"),
        ("claude-opus-5", "xhigh", "xhigh"),
        ("claude-opus-5-5", "max", "max"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-6", "max", "max"),
        ("m", "high", "high"),
    ],
)
def test_newer_models_are_given_an_effort(model: str, effort: str, sent: str) -> None:
    assert made(effort, model) == Plan(ADAPTIVE, sent, on=True, possible=True)


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [
        ("minimal", 32_000, 1024),
        ("low", 32_000, 2048),
        ("medium", 32_000, 8192),
        ("high", 32_000, 16_000),
        ("high", 64_000, 16_384),
        ("max", 128_000, 32_768),
        ("high", 4096, 2048),
        ("low", 1500, 1024),
        ("low", 1025, 1024),
    ],
)
def test_older_models_are_given_a_budget_below_the_limit(
    effort: str, max_tokens: int, budget: int
) -> None:
    thinking = {"type": "enabled", "budget_tokens": budget}
    assert made(effort, "claude-haiku-4-5", max_tokens) == Plan(thinking, on=True, possible=True)


@pytest.mark.parametrize(
    ("model", "max_tokens", "barred"),
    [
        ("claude-haiku-4-5", 1024, False),
        ("claude-haiku-4-5", 16, False),
        ("claude-haiku-4-5", 32_000, True),
        ("claude-3-haiku-20240307", 32_000, False),
    ],
)
def test_where_there_can_be_no_budget_thinking_is_off(
    model: str, max_tokens: int, barred: bool
) -> None:
    assert made("high", model, max_tokens, barred=barred) == Plan(obeyed=False)


def test_nothing_bars_newer_models_from_thinking() -> None:
    assert made("high", "claude-opus-5", 16, barred=True).on


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-haiku-4-5", Plan(OFF)),
        ("claude-3-haiku-20240307", Plan(OFF)),
        ("claude-opus-5", Plan(OFF)),
        ("claude-sonnet-5-5", Plan({"type": "between_tools"}, possible=True)),
        ("claude-opus-5-5", Plan(effort="low", possible=True)),
        ("m", Plan(OFF)),
    ],
)
def test_none_is_as_little_as_the_model_can(model: str, expected: Plan) -> None:
    assert made("none", model) == expected


@pytest.mark.parametrize("effort", ["", "ultra", 5, True, ["low"], {}])
def test_another_effort_is_the_clients_fault(effort: object) -> None:
    with pytest.raises(RequestError) as caught:
        made(effort, "claude-opus-5")
    assert (caught.value.status, caught.value.param) == (400, "reasoning_effort")


def test_more_effort_is_a_greater_budget() -> None:
    budgets = list(BUDGETS.values())
    assert budgets == sorted(set(budgets))
