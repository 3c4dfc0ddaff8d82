"""What each of Anthropic's models takes, as its documentation of November 2026 has it.

From the pages "Thinking", "Effort" and the models' migration guides at platform.claude.com/docs.
"""

from dataclasses import dataclass

SPENDS = 1024
"""The smallest budget of tokens to think with."""

EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


@dataclass(frozen=True)
class Limits:
    """What a model takes: types of thinking, levels of effort, sampling, a tool that is forced."""

    thinking: frozenset[str]
    efforts: frozenset[str] = EFFORTS
    samples: bool = False
    forces: bool = True


ALWAYS = frozenset({"adaptive"})
CAN_STOP = frozenset({"adaptive", "disabled"})
BUDGET = frozenset({"enabled", "disabled"})
ANY = frozenset({"adaptive", "disabled", "enabled", "between_tools"})

MODELS = {
    "claude-3-haiku-20240307": Limits(frozenset({"disabled"}), frozenset(), samples=True),
    "claude-3-7-sonnet-20250219": Limits(BUDGET, frozenset(), samples=True),
    "claude-opus-4-1-20250805": Limits(BUDGET, frozenset(), samples=True),
    "claude-sonnet-4-20250514": Limits(BUDGET, frozenset(), samples=True),
    "claude-sonnet-4-5": Limits(BUDGET, frozenset(), samples=True),
    "claude-haiku-4-5": Limits(BUDGET, frozenset(), samples=True),
    "claude-haiku-4-5-20251001": Limits(BUDGET, frozenset(), samples=True),
    "claude-opus-4-5-20251101": Limits(BUDGET, EFFORTS - {"xhigh", "max"}, samples=True),
    "claude-sonnet-4-6": Limits(CAN_STOP | BUDGET, EFFORTS - {"xhigh"}, samples=True),
    "claude-opus-4-6": Limits(CAN_STOP | BUDGET, EFFORTS - {"xhigh"}, samples=True),
    "claude-opus-4-7": Limits(CAN_STOP),
    "claude-opus-4-8": Limits(CAN_STOP),
    "claude-opus-5": Limits(CAN_STOP),
    "claude-sonnet-5": Limits(CAN_STOP),
    "claude-haiku-5-5": Limits(CAN_STOP),
    "claude-sonnet-5-5": Limits(frozenset({"adaptive", "between_tools"}), forces=False),
    "claude-opus-5-5": Limits(ALWAYS, forces=False),
    "claude-mythos-preview": Limits(ALWAYS, EFFORTS - {"xhigh"}),
    "claude-fable-5": Limits(ALWAYS),
    "claude-mythos-5": Limits(ALWAYS),
    "claude-fable-5-1": Limits(ALWAYS, forces=False),
    "claude-fable-5-2": Limits(ALWAYS, forces=False),
}
UNKNOWN = Limits(ANY, samples=True)


def limits_of(model: str) -> Limits:
    """A model of another name takes everything."""
    return MODELS.get(model, UNKNOWN)
