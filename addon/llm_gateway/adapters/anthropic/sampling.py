"""temperature, top_p and top_k, as far as the model takes them.

Older models take one of temperature and top_p, and hardly any of them while they think; newer ones
take none. What is left out is reported, unless it asks for what happens anyway.
"""

from collections.abc import Callable, Mapping
from typing import Any

from llm_gateway.adapters.anthropic.families import Family
from llm_gateway.adapters.conversation import integer_of, number_of

MAX_TEMPERATURE = 1
"""Above it Anthropic has nothing to offer that is more random."""

_DEFAULT = 1
"""Of temperature and of top_p: asking for it is no demand."""

_MIN_TOP_P_THINKING = 0.95


def sampling(
    body: Mapping[str, Any], family: Family, *, thinks: bool, drop: Callable[[str], None]
) -> dict[str, float]:
    """What is to be sent of them; ``drop`` is called for each demand that is not met.

    Raises RequestError (400) for what is no number.
    """
    asked = _asked(body)
    demanded = {n for n, value in asked.items() if n == "top_k" or value != _DEFAULT}
    sent = _taken(asked, demanded, thinks=thinks) if family.samples else {}
    for name in asked:
        if name in demanded and name not in sent:
            drop(name)
    return sent


def _asked(body: Mapping[str, Any]) -> dict[str, float]:
    temperature = number_of(body, "temperature")
    asked = {
        "temperature": None if temperature is None else min(temperature, MAX_TEMPERATURE),
        "top_p": number_of(body, "top_p"),
        "top_k": integer_of(body, "top_k"),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _taken(asked: Mapping[str, float], demanded: set[str], *, thinks: bool) -> dict[str, float]:
    if thinks:
        return {n: v for n, v in asked.items() if n == "top_p" and v >= _MIN_TOP_P_THINKING}
    weaker = "top_p" if "temperature" in demanded else "temperature"
    both = {"temperature", "top_p"} <= asked.keys()
    return {n: v for n, v in asked.items() if not (both and n == weaker)}
