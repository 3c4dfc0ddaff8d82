"""Names of functions, in the letters that GigaChat takes.

Source: https://developers.sber.ru/docs/ru/gigachat/guides/functions/generating-arguments. A name
that does not fit is replaced by a likeness that depends on nothing but the name, and replaced back
in what the model calls.
"""

import re
from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.naming import declared_names, likeness

RESERVED = frozenset({"get_file_content", "text2image", "text2model3d", "web_search"})
"""Functions that GigaChat brings itself: a function of the client's must not be taken for one."""

MAX_NAME = 64
_FITS = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_MISFIT = re.compile(r"[^\w.-]", re.ASCII)


def function_name(name: str) -> str:
    """The name a function goes by at the provider."""
    if len(name) <= MAX_NAME and _FITS.fullmatch(name) and name not in RESERVED:
        return name
    # The underscore in front is for names that begin with a digit.
    return f"_{likeness(name, _MISFIT, MAX_NAME - 1)}"


def names_to_restore(body: Mapping[str, Any]) -> dict[str, str]:
    """The client's own names of the functions in its request, by those at the provider."""
    return {function_name(name): name for name in declared_names(body) if name}
