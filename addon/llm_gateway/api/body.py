"""From the bytes of a request's body to a JSON object, within the bounds of the configuration.

orjson is strict where the standard library is not: it refuses NaN, Infinity, a byte order mark,
invalid UTF-8, lone surrogates and endless nesting. Of keys that are there twice the last counts,
and it is the only one that is sent on.
"""

from typing import Any

import orjson

from llm_gateway import faults
from llm_gateway.api.numbers import has_other_integers
from llm_gateway.config import Bounds
from llm_gateway.errors import RequestError
from llm_gateway.json_values import has_more_values
from llm_gateway.nesting import too_deep

_TOO_DEEP_FOR_ORJSON = "depth limit exceeded"
"""More than 1024 levels: no bound of ours is as high."""


def parse_object(body: bytes, bounds: Bounds) -> dict[str, Any]:
    """The JSON object in ``body``.

    Raises RequestError (400) where there is none, where it has more values or levels than
    ``bounds`` allow, and where an integer in it has more than 64 bits.
    """
    if has_more_values(body, bounds.values):
        raise _refused(f"it has more than {bounds.values} values (gateway.bounds.values)")
    request = _parse(body, bounds)
    if not isinstance(request, dict):
        raise RequestError(
            400,
            "Invalid type for the body: expected an object, "
            f"but got {faults.name_of(request)} instead.",
            code="invalid_type",
        )
    if too_deep(body, request, bounds.depth):
        raise _refused(_nested(bounds))
    if has_other_integers(body, request):
        raise _refused("an integer in it has more than 64 bits")
    return request


def _parse(body: bytes, bounds: Bounds) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = f"{error.msg} (line {error.lineno}, column {error.colno})"
        if error.msg == _TOO_DEEP_FOR_ORJSON:
            reason = _nested(bounds)
        elif not _is_utf8(body):
            reason = "it is not in UTF-8"  # orjson speaks of surrogates, in column 1
        raise RequestError(
            400, f"We could not parse the JSON body of your request: {reason}."
        ) from None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _nested(bounds: Bounds) -> str:
    return f"it is nested in more than {bounds.depth} levels (gateway.bounds.depth)"


def _refused(reason: str) -> RequestError:
    return RequestError(400, f"We could not take the JSON body of your request: {reason}.")
