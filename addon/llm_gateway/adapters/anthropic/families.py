"""What the families of models differ in, by their names.

Anthropic's models take different ways to be told how much to think, and the newer ones refuse what
the older ones took. From Anthropic's pages "Thinking", "Effort" and the migration guides of each
model (platform.claude.com/docs), as of November 2026.
"""

import enum
import re
from dataclasses import dataclass

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""The levels of ``output_config.effort``, from the lowest."""

_LEGACY_MAX_TOKENS = 4096
_MAX_TOKENS = 32_000


class Thinking(enum.Enum):
    """How a family is told to think."""

    NONE = "none"
    """It cannot."""
    BUDGET = "budget"
    """By a number of tokens, ``thinking.budget_tokens``."""
    ADAPTIVE = "adaptive"
    """It decides itself, guided by ``output_config.effort``."""


@dataclass(frozen=True, slots=True)
class Family:
    """Models that take the same requests.

    ``by_default``: thinks unless it is told not to. ``off`` is the ``thinking.type`` that tells it
    so, empty where nothing does. ``samples``: takes temperature, top_p and top_k. ``forces``: can
    be made to call a tool. ``max_tokens``: how long an answer may be where the client does not say.
    """

    pattern: str
    thinking: Thinking
    by_default: bool = False
    off: str = "disabled"
    efforts: tuple[str, ...] = EFFORTS
    samples: bool = True
    forces: bool = True
    max_tokens: int = _MAX_TOKENS


_ADAPTIVE = Thinking.ADAPTIVE
_NO_XHIGH = ("low", "medium", "high", "max")

FAMILIES = (
    Family(
        r"(fable|mythos)-5-[1-9](?!\d)|opus-5-[5-9]",
        _ADAPTIVE,
        True,
        "",
        samples=False,
        forces=False,
    ),
    Family(r"mythos-preview", _ADAPTIVE, True, "", _NO_XHIGH, samples=False),
    Family(r"fable|mythos", _ADAPTIVE, True, "", samples=False),
    Family(r"sonnet-5-[5-9]", _ADAPTIVE, True, "between_tools", samples=False, forces=False),
    Family(r"(opus|sonnet|haiku)-5", _ADAPTIVE, True, samples=False),
    Family(r"opus-4-[78]", _ADAPTIVE, samples=False),
    Family(r"(opus|sonnet)-4-6", _ADAPTIVE, efforts=_NO_XHIGH),
    Family(r"claude-3-7|(opus|sonnet|haiku)-4", Thinking.BUDGET),
    Family(r"claude-(instant|[123])", Thinking.NONE, max_tokens=_LEGACY_MAX_TOKENS),
)
"""The first whose pattern is in the name counts."""

UNKNOWN = Family("", _ADAPTIVE, by_default=True)
"""A name that says nothing, or a model that is not out yet: asked the newest way, and sent
everything."""


def family_of(model: str) -> Family:
    """The family of a model, by the name the provider knows."""
    name = model.lower()
    return next((each for each in FAMILIES if re.search(each.pattern, name)), UNKNOWN)
