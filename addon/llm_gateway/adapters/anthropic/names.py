"""Names of tools and ids of calls, in the letters that Anthropic takes.

Both have to match ``^[a-zA-Z0-9_-]+$``. What does not fit is replaced by a likeness that depends on
nothing but the text, so that a call and its result still belong together.
"""

import re
from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.naming import declared_names, likeness

MAX_TOOL_NAME = 128
_MAX_ID = 64
_FITS = re.compile(r"[a-zA-Z0-9_-]+")
_MISFIT = re.compile(r"[^a-zA-Z0-9_-]")


def tool_name(name: str) -> str:
    """The name a tool goes by at the provider."""
    return _fitted(name, MAX_TOOL_NAME)


def call_id(id: str) -> str:
    """The id a call goes by at the provider."""
    return _fitted(id, _MAX_ID)


def names_to_restore(body: Mapping[str, Any]) -> dict[str, str]:
    """The client's own names of the tools in its request, by those at the provider."""
    names = declared_names(body)
    return {tool_name(name): name for name in names if name != tool_name(name)}


def _fitted(text: str, limit: int) -> str:
    if not text or (len(text) <= limit and _FITS.fullmatch(text)):
        return text
    return likeness(text, _MISFIT, limit)
