"""Names of functions. Google takes fewer than OpenAI; what it does not take gets another name.

The other name is made of the name alone, so it is the same in every turn of a conversation, and no
two functions get the same.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

_TAKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_OTHERS = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)
_KEPT = 54


def sent_name(name: str) -> str:
    """The name that Google knows a function by."""
    if _TAKEN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"_{_OTHERS.sub('_', name)[:_KEPT]}_{digest}"


def by_sent_name(names: Iterable[str]) -> Mapping[str, str]:
    """The client's names of its functions, by those that Google knows them by."""
    return {sent_name(name): name for name in names}
