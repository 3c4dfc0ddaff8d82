"""Other names for tools whose own a provider does not take.

A likeness depends on nothing but the text, so it is the same in every turn of a conversation, a
call and its result still belong together, and no two tools get the same.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_gateway.adapters.translating import object_in, objects, text_in

_MARK = 8


def likeness(text: str, misfit: re.Pattern[str], limit: int) -> str:
    """``text`` in at most ``limit`` characters, with ``_`` for what is ``misfit``, and a mark."""
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK]
    return f"{misfit.sub('_', text)[: limit - _MARK - 1]}_{mark}"


def declared_names(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of the functions that a client's request offers, as they stand there."""
    for tool in objects(body.get("tools")):
        yield text_in(object_in(tool, "function"), "name")
