"""Numbers as people read them."""

from llm_gateway.inspect import comments

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MILLION = 1_000_000
_ALL = 100
_MANY = 10
"""Of so many hours, the minutes do not matter."""
_UNITS = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))


def span(seconds: float) -> str:
    """How long something lasts: ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``16 h``.

    Seconds are rounded up, so that what is told to be over in 1 s is over then.
    """
    whole = -int(-seconds // 1)
    for unit, name, part, part_name in _UNITS:
        if whole >= unit:
            rest = whole % unit // part if whole < _MANY * unit else 0
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def ago(seconds: float) -> str:
    """How long something is over: ``12 s ago``, ``3 min ago``."""
    for unit, name, _, _ in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds)} s ago"


def took(seconds: float) -> str:
    """How long something took: ``43 ms``, ``0.42 s``, ``1.2 s``, ``75 s``."""
    return comments.duration(seconds)


def count(number: int) -> str:
    """``1,234``, from a million on ``1.2M``."""
    return f"{number:,}" if number < _MILLION else f"{number / _MILLION:,.1f}M"


def share(part: int, whole: int) -> str:
    """``12 %`` of a whole above 0; neither little nor nearly all is rounded away."""
    percent = round(100 * part / whole)
    if percent == 0 and part:
        return "< 1 %"
    return "> 99 %" if percent == _ALL and part < whole else f"{percent} %"
