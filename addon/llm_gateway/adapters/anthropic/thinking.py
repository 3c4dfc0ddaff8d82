"""How much the model is to think: ``reasoning_effort`` in the way of its family.

By a budget: each level stands for a number of tokens, but never for more than half of the answer's
limit. Adaptive: the same level of ``output_config.effort``, or the next lower that the model has.
``none`` switches thinking off, and where that is impossible asks for as little as there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.anthropic.families import EFFORTS, Family, Thinking

BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Tokens to think with, by ``reasoning_effort``."""

MIN_BUDGET = 1024
"""Anthropic takes no smaller one."""

_EFFORTS = ("none", *BUDGETS)
_LOWEST = EFFORTS[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request says of thinking.

    ``thinking`` and ``effort`` are to be sent if not empty. ``on``: the client asked for thinking
    and gets it. ``possible``: the answer may hold thinking, asked for or not. ``obeyed``: what the
    client asked for is done.
    """

    thinking: Mapping[str, Any] = field(default_factory=dict)
    effort: str = ""
    on: bool = False
    possible: bool = False
    obeyed: bool = True


def plan(effort: object, family: Family, max_tokens: int, *, barred: bool) -> Plan:
    """The plan for ``reasoning_effort``, of which None is no demand.

    ``barred``: a budget cannot be given, because a tool has to be called, or because the thinking
    that led to a call in progress is lost. Raises RequestError (400) for an unknown effort.
    """
    if effort is None:
        return Plan(possible=family.by_default)
    level = faults.string(effort, "reasoning_effort")
    if level not in _EFFORTS:
        raise faults.invalid_value("reasoning_effort", f"one of {', '.join(map(repr, _EFFORTS))}")
    if level == "none":
        return _off(family)
    if family.thinking is Thinking.ADAPTIVE:
        adaptive = {"type": "adaptive", "display": "summarized"}
        return Plan(adaptive, _level(level, family), on=True, possible=True)
    budget = max(MIN_BUDGET, min(BUDGETS[level], max_tokens // 2))
    if family.thinking is Thinking.NONE or barred or budget >= max_tokens:
        return Plan(obeyed=False)
    return Plan({"type": "enabled", "budget_tokens": budget}, on=True, possible=True)


def _off(family: Family) -> Plan:
    if not family.off:
        return Plan(effort=_LOWEST, possible=True)
    return Plan({"type": family.off}, possible=family.off != "disabled")


def _level(level: str, family: Family) -> str:
    """The highest of the family's levels that is not above ``level``, or its lowest."""
    rank = _EFFORTS.index(level)
    return [_LOWEST, *(each for each in family.efforts if _EFFORTS.index(each) <= rank)][-1]
