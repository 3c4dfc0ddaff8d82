"""The plain settings of a request: numbers and stops, of the right type or a 400."""

from collections.abc import Mapping
from typing import Any

from llm_gateway import faults


def number_of(body: Mapping[str, Any], name: str) -> float | None:
    """An optional number, an integer as it is. Raises RequestError (400) for another type."""
    value = body.get(name)
    return None if value is None else faults.number(value, name)


def integer_of(body: Mapping[str, Any], *names: str) -> int | None:
    """An optional integer, under the first of the names that has one. Raises RequestError."""
    for name in names:
        if body.get(name) is not None:
            return faults.integer(body[name], name)
    return None


def stops_of(body: Mapping[str, Any]) -> list[str]:
    """``stop`` as a list, empty if there is none. Raises RequestError (400)."""
    stop = body.get("stop")
    if stop is None:
        return []
    if isinstance(stop, str):
        return [stop]
    if not isinstance(stop, list):
        raise faults.invalid_type("stop", "a string or an array of strings", stop)
    return [faults.string(each, f"stop[{index}]") for index, each in enumerate(stop)]
