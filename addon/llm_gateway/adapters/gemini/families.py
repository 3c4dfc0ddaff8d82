"""The families of models, told by their names, as far as they want to be asked differently.

Sources: https://ai.google.dev/gemini-api/docs/thinking and …/docs/thought-signatures.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_gateway import faults

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The values of OpenAI's ``reasoning_effort``."""


@dataclass(frozen=True, slots=True)
class Family:
    """The models whose names match.

    ``thinking`` holds the setting and its value for each of ``EFFORTS``; it is None where nothing
    can be said of thinking. ``since_3`` says whether a model demands the signatures of its tool
    calls back, and answers in JSON where it may also call functions: all do since Gemini 3.
    """

    names: re.Pattern[str]
    thinking: tuple[str, tuple[int | str, ...]] | None
    since_3: bool

    def thinking_config(self, effort: str) -> dict[str, object] | None:
        """``thinkingConfig`` for one of ``EFFORTS``, None if these models take none.

        The thoughts are asked for, too, unless the client wants none.
        """
        if self.thinking is None:
            return None
        setting, values = self.thinking
        config: dict[str, object] = {setting: values[EFFORTS.index(effort)]}
        return config if effort == "none" else {**config, "includeThoughts": True}


def _family(
    names: str, thinking: tuple[str, tuple[int | str, ...]] | None, *, since_3: bool
) -> Family:
    return Family(re.compile(names), thinking, since_3)


_BUDGET = "thinkingBudget"
_LEVEL = "thinkingLevel"

FAMILIES = (
    _family(r".*(?:image|nano-banana|tts|audio)", None, since_3=False),
    _family(r"gemini-(?:1|2\.0|exp)|gemma|learnlm", None, since_3=False),
    # 2.5 Pro cannot be kept from thinking: 128 is the least.
    _family(
        r"gemini-2\.5-pro", (_BUDGET, (128, 512, 1024, 8192, 24576, 32768, 32768)), since_3=False
    ),
    _family(r"gemini-2\.5", (_BUDGET, (0, 512, 1024, 8192, 24576, 24576, 24576)), since_3=False),
    _family(
        r"gemini-3-pro",
        (_LEVEL, ("LOW", "LOW", "LOW", "HIGH", "HIGH", "HIGH", "HIGH")),
        since_3=True,
    ),
    _family(
        r"gemini-3(?:\.[1-6])?-flash|gemini-(?:[\w.]+-)?flash-lite",
        (_LEVEL, ("MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH")),
        since_3=True,
    ),
    # What is not known is taken for new: of those, most refuse MINIMAL.
    _family(r"", (_LEVEL, ("LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH")), since_3=True),
)
"""The first that matches counts."""


def bare_name(model: str) -> str:
    """The model's name without the ``models/`` that Google's own list puts before it."""
    return model.removeprefix("models/")


def family_of(model: str) -> Family:
    """The family of a model."""
    return next(family for family in FAMILIES if family.names.match(bare_name(model)))


def effort_of(body: Mapping[str, object]) -> str | None:
    """``reasoning_effort``, None if it is not given. Raises RequestError (400)."""
    effort = body.get("reasoning_effort")
    return None if effort is None else faults.one_of(effort, EFFORTS, "reasoning_effort")
