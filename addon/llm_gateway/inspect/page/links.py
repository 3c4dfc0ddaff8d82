"""From the page to mitmweb's list of flows, with a filter that shows what a row is about."""

from urllib.parse import quote

_PLAIN = frozenset("_-/: ")


def flows_with(name: str, value: str) -> str:
    """A relative address of mitmweb's list, of flows whose metadata ``name`` is ``value``."""
    return _list(f'~meta "^{_pattern(name)}: {_pattern(value)}$"')


def flows_of(exchange: str) -> str:
    """The same, of the flows of one exchange."""
    return _list(f"~meta {_pattern(exchange)}")


def _list(pattern: str) -> str:
    return f"../#/flows?s={quote(pattern, safe='')}"


def _pattern(text: str) -> str:
    """A regular expression that needs no escapes: the filter's own grammar would undo them."""
    return "".join(c if c.isalnum() or c in _PLAIN else "." for c in text)
