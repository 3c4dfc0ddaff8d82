"""What is wrong with a client's request, in OpenAI's words: 400s that name the place at fault.

A place is written as OpenAI writes it, ``messages[2].content[0].image_url.url``.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from llm_gateway.errors import RequestError

_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def invalid_type(where: str, expected: str, got: object) -> RequestError:
    """A value of the wrong JSON type; ``expected`` is a noun with its article."""
    return RequestError(
        400,
        f"Invalid type for '{where}': expected {expected}, but got {name_of(got)} instead.",
        code="invalid_type",
        param=where,
    )


def invalid_value(where: str, expected: str) -> RequestError:
    """A value of the right type that cannot be right."""
    return RequestError(
        400, f"Invalid value for '{where}': expected {expected}.", code="invalid_value", param=where
    )


def in_range(
    value: float,
    where: str,
    kind: Literal["integer", "decimal"],
    least: float | None,
    most: float | None,
) -> None:
    """Raises RequestError (400) for a number below ``least`` or above ``most``; None: no bound."""
    if least is not None and value < least:
        beyond, sign, bound = "below_min", ">=", least
    elif most is not None and value > most:
        beyond, sign, bound = "above_max", "<=", most
    else:
        return
    said = "below minimum" if beyond == "below_min" else "above maximum"
    raise RequestError(
        400,
        f"Invalid '{where}': {kind} {said} value. "
        f"Expected a value {sign} {bound}, but got {value} instead.",
        code=f"{kind}_{beyond}_value",
        param=where,
    )


def empty_array(where: str) -> RequestError:
    """An array that must have something in it."""
    return RequestError(
        400,
        f"Invalid '{where}': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        code="empty_array",
        param=where,
    )


def at_most(values: Collection[Any], where: str, most: int) -> None:
    """Raises RequestError (400) for an array that is longer than its bound of the same name."""
    if len(values) > most:
        raise RequestError(
            400,
            f"Invalid '{where}': array too long. Expected an array with maximum length {most} "
            f"(gateway.bounds.{where}), but got an array with length {len(values)} instead.",
            code="array_above_max_length",
            param=where,
        )


def required(fields: Mapping[str, Any], name: str, where: str | None = None) -> Any:
    """The value of a field that must be there, whatever it is. Raises RequestError (400)."""
    if name not in fields:
        where = where or name
        raise RequestError(
            400,
            f"Missing required parameter: '{where}'.",
            code="missing_required_parameter",
            param=where,
        )
    return fields[name]


def string(value: object, where: str) -> str:
    """``value`` if it is a string. Raises RequestError (400)."""
    if not isinstance(value, str):
        raise invalid_type(where, "a string", value)
    return value


def filled(value: object, where: str) -> str:
    """``value`` if it is a string and not empty. Raises RequestError (400)."""
    if not string(value, where):
        raise invalid_value(where, "a non-empty string")
    return str(value)


def optional_string(fields: Mapping[str, Any], name: str, where: str) -> str:
    """The string under ``name``, empty where there is none or null. Raises RequestError (400)."""
    value = fields.get(name)
    return "" if value is None else string(value, where)


def one_of(value: object, allowed: Iterable[str], where: str) -> str:
    """``value`` if it is one of these strings. Raises RequestError (400)."""
    names = tuple(allowed)
    if string(value, where) not in names:
        raise invalid_value(where, f"one of {', '.join(map(repr, names))}")
    return str(value)


def mapping(value: object, where: str) -> dict[str, Any]:
    """``value`` if it is an object. Raises RequestError (400)."""
    if not isinstance(value, dict):
        raise invalid_type(where, "an object", value)
    return value


def array(value: object, where: str) -> list[Any]:
    """``value`` if it is an array. Raises RequestError (400)."""
    if not isinstance(value, list):
        raise invalid_type(where, "an array", value)
    return value


def boolean(value: object, where: str) -> bool:
    """``value`` if it is a boolean. Raises RequestError (400)."""
    if not isinstance(value, bool):
        raise invalid_type(where, "a boolean", value)
    return value


def integer(value: object, where: str) -> int:
    """``value`` if it is an integer. Raises RequestError (400)."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid_type(where, "an integer", value)
    return value


def number(value: object, where: str) -> float:
    """``value`` if it is a number. Raises RequestError (400)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid_type(where, "a number", value)
    return value


def name_of(value: object) -> str:
    """What a JSON value is, with its article."""
    return _NAMES[type(value)]
