"""The settings of a chat that every provider knows, and what each may be: data.

Checked is only what is wrong wherever the request goes, so a range ends where no provider goes
further. What is not listed passes: OpenAI adds fields faster than anyone can list them. Null is
"not given". The words and codes of the refusals are OpenAI's.
"""

from collections.abc import Callable, Mapping
from typing import Any

from llm_gateway import faults

type Check = Callable[[object, str], object]
"""Is given a value and its place; raises RequestError (400) for what cannot be right."""


def check(fields: Mapping[str, Any], table: Mapping[str, Check]) -> None:
    """Check what is there of the table's fields. Raises RequestError (400) for the first fault."""
    for name, value in fields.items():
        rule = table.get(name)
        if rule is not None and value is not None:
            rule(value, name)


def integer(least: int | None = None, most: int | None = None, *, or_else: int = 0) -> Check:
    """An integer of this range; ``or_else`` is one below it that will do as well."""

    def rule(value: object, where: str) -> None:
        number = faults.integer(value, where)
        if number == or_else != 0:
            return
        faults.in_range(number, where, "integer", least, most)

    return rule


def number(least: float | None = None) -> Check:
    """A number that is not below ``least``."""

    def rule(value: object, where: str) -> None:
        faults.in_range(faults.number(value, where), where, "decimal", least, None)

    return rule


def _objects(value: object, where: str) -> None:
    for index, each in enumerate(faults.array(value, where)):
        if not isinstance(each, dict):
            raise faults.invalid_type(f"{where}[{index}]", "an object", each)


def _string_or_object(value: object, where: str) -> None:
    if not isinstance(value, str | dict):
        raise faults.invalid_type(where, "a string or an object", value)


def _strings(value: object, where: str) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise faults.invalid_type(where, "a string or an array of strings", value)
    for index, each in enumerate(value):
        if not isinstance(each, str):
            raise faults.invalid_type(f"{where}[{index}]", "a string", each)


MAX_ANSWERS = 16_384
"""Of one request: what vLLM takes at most (``VLLM_MAX_N_SEQUENCES``). OpenAI takes 128."""

_LENGTH = integer(1, or_else=-1)
"""LM Studio and llama.cpp know -1: no limit."""

CHAT: Mapping[str, Check] = {
    "frequency_penalty": number(),
    "max_completion_tokens": _LENGTH,
    "max_tokens": _LENGTH,
    "n": integer(1, MAX_ANSWERS),
    "presence_penalty": number(),
    "response_format": faults.mapping,
    "seed": integer(),
    "stop": _strings,
    "stream": faults.boolean,
    "stream_options": faults.mapping,
    # OpenAI ends at 2, Workers AI at 5, and a server of one's own nowhere.
    "temperature": number(0),
    "tool_choice": _string_or_object,
    "tools": _objects,
    "top_p": number(0),
}
