"""The `limits` of a provider or a model: its quota."""

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, Reader, plain, scalar
from llm_gateway.config.values import Limits, Windows

_AMOUNT = plain(scalars.integer_from(1))
_WINDOWS: dict[str, Reader[int]] = {"minute": _AMOUNT, "hour": _AMOUNT, "day": _AMOUNT}


def limits(cursor: Cursor) -> Limits:
    """Requests in each window, and `tokens`; `Invalid` if there is no number at all."""
    values = cursor.fields({**_WINDOWS, "tokens": _tokens, "zone": scalar(scalars.time_zone)})
    if not cursor.entries().keys() - {"zone"}:
        raise Invalid(f"expected at least one of: {', '.join(_WINDOWS)}, tokens")
    requests = Windows(**{window: values[window] for window in _WINDOWS if window in values})
    return Limits(requests, values.get("tokens", Windows()), values.get("zone", Limits().zone))


def _tokens(cursor: Cursor) -> Windows:
    values = cursor.fields(_WINDOWS)
    if not cursor.entries():
        raise Invalid(f"expected at least one of: {', '.join(_WINDOWS)}")
    return Windows(**values)
