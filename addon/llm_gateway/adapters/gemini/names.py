"""Names of functions. Google takes fewer than OpenAI; what it does not take gets another name.

The other name is made of the name alone, so it is the same in every turn of a conversation, and no
two functions get the same.
"""

import re
from collections.abc import Iterable, Mapping

from llm_gateway.adapters.naming import likeness

_TAKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_OTHERS = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)
_MAX_NAME = 64


def sent_name(name: str) -> str:
    """The name that Google knows a function by."""
    if _TAKEN.fullmatch(name):
        return name
    return f"_{likeness(name, _OTHERS, _MAX_NAME - 1)}"


def by_sent_name(names: Iterable[str]) -> Mapping[str, str]:
    """The client's names of its functions, by those that Google knows them by."""
    return {sent_name(name): name for name in names}
