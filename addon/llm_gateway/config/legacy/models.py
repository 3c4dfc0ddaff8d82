"""One model of ai-proxy's configuration file, as it is written there."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, did_you_mean, plain
from llm_gateway.config.nodes import ScalarNode
from llm_gateway.config.values import Problem

WINDOWS = {
    "requests_per_minute": "minute",
    "requests_per_hour": "hour",
    "requests_per_day": "day",
}
"""Its limits, and what each is called here."""
LENGTH = "max_request_length"
TIMEOUT = "timeout_seconds"
KEEPALIVE = "idle_conn_timeout_seconds"

_CLIENT = "http_client_config"
_TEXTS = ("name", "provider", "url", "token", "model_size")
_NUMBERS = (*WINDOWS, LENGTH)
_TIMES = (TIMEOUT, KEEPALIVE)
_KEYS = (*_TEXTS, "priority", *_NUMBERS, _CLIENT)
SIGNS = frozenset(_KEYS) - {"name", "provider", "priority"}
"""The keys that a model of our own format does not have."""


@dataclass(frozen=True, slots=True)
class OldModel:
    """What there is and can be read.

    `places` have all that is not empty, `texts` are as written, references and all. Both, and
    `numbers`, have the keys of `http_client_config` among the others.
    """

    cursor: Cursor
    places: Mapping[str, Cursor]
    texts: Mapping[str, str]
    numbers: Mapping[str, int]

    @property
    def provider(self) -> str:
        """What the file calls the provider."""
        return self.texts.get("provider", "")

    def line(self, key: str) -> int:
        """Where the key stands, or the model if it has none such."""
        return self.places.get(key, self.cursor).line

    def warn(self, key: str, message: str) -> None:
        """Note a warning of what stands under a key, or of that nothing does."""
        warn(self.places.get(key, self.cursor), message)


def read(cursor: Cursor) -> OldModel | None:
    """The model; None, with a problem noted, if it has no name.

    Notes problems of what cannot be read, and warnings of keys that ai-proxy does not have either.
    """
    places = _places(cursor, _KEYS)
    if _CLIENT in places:
        places |= places[_CLIENT].attempt(_client) or {}
    texts = _values(places, _TEXTS, _as_written)
    if "name" not in places:
        cursor.problem("required key 'name' is missing")
    if "name" not in texts:
        return None
    numbers = _values(places, (*_NUMBERS, *_TIMES), plain(scalars.integer_from(0)))
    return OldModel(cursor, places, texts, numbers)


def warn(cursor: Cursor, message: str) -> None:
    """Note a warning here, with the line."""
    place = Problem(cursor.report.file, cursor.line, cursor.path, message)
    cursor.report.warnings.append(str(place))


def _client(cursor: Cursor) -> dict[str, Cursor]:
    return _places(cursor, _TIMES)


def _places(cursor: Cursor, known: Collection[str]) -> dict[str, Cursor]:
    entries = cursor.entries()
    for key, place in entries.items():
        if key not in known:
            warn(place, f"ai-proxy has no such key, and it is not read{did_you_mean(key, known)}")
    return {key: entries[key] for key in known if key in entries and not _is_empty(entries[key])}


def _values[T](
    places: Mapping[str, Cursor], keys: Collection[str], reader: Callable[[Cursor], T]
) -> dict[str, T]:
    values = {key: places[key].attempt(reader) for key in keys if key in places}
    return {key: value for key, value in values.items() if value is not None}


def _is_empty(cursor: Cursor) -> bool:
    return isinstance(cursor.node, ScalarNode) and (cursor.node.is_null or not cursor.node.text)


def _as_written(cursor: Cursor) -> str:
    if not isinstance(cursor.node, ScalarNode):
        raise cursor.expected("a text")
    cursor.expansion()  # sees to it that references are right
    return cursor.node.text
