"""About how many tokens a request or an answer has, where nobody has counted them."""

from typing import Any

from llm_gateway import sse

BYTES_PER_TOKEN = 4
"""Of English; other languages have fewer."""
FRAME = 300
"""Bytes of an event around its text: ids, names and times."""
LOOKED_AT = 1000
"""Characters: no text has a word that is so long, but pictures, sounds and files in base64 have."""


def estimate(value: Any) -> int:
    """The tokens of all text in a JSON value. What is data, and no text, has none."""
    return _size(value) // BYTES_PER_TOKEN


class Told:
    """About how many tokens a stream has brought: one in each event, and more in longer ones.

    What is not text is about the same in all events: the shortest, and FRAME bytes, are hardly more
    than that.
    """

    __slots__ = ("_bytes", "_events", "_shortest")

    def __init__(self) -> None:
        self._events = 0
        self._bytes = 0
        self._shortest: float = FRAME

    def add(self, piece: bytes) -> None:
        """Whole events of the stream."""
        events = piece.count(sse.END_OF_EVENT)
        if events:
            self._events += events
            self._bytes += len(piece)
            self._shortest = min(self._shortest, len(piece) / events)

    @property
    def tokens(self) -> int:
        """Of all events so far."""
        if not self._events:
            return 0
        text = self._bytes - self._events * self._shortest
        return self._events + int(text) // BYTES_PER_TOKEN


def _size(value: Any) -> int:
    size, left = 0, [[value]]
    while left:
        # There may be a million of them: in one loop, and by what orjson makes.
        for each in left.pop():
            its = type(each)
            if its is str:
                size += _size_of_text(each)
            elif its is dict:
                size += sum(map(len, each))
                left.append([*each.values()])
            elif its is list:
                left.append(each)
            else:
                size += 1
    return size


def _size_of_text(text: str) -> int:
    if _is_data(text):
        return 0
    return len(text) if text.isascii() else len(text.encode())


def _is_data(text: str) -> bool:
    return len(text) > LOOKED_AT and text.isascii() and " " not in text[:LOOKED_AT]
