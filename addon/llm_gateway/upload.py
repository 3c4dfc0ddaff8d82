"""Request bodies whose length is not known beforehand, or that nobody wants.

mitmproxy buffers a request body of any length before a hook can see it. Where its length is
announced, that is bounded by the front door; otherwise the body is taken piece by piece here, and
an excess is noticed when it happens.
"""

from collections.abc import Callable


def discard(data: bytes) -> list[bytes]:
    """A ``request.stream`` function for the body of a request that has been refused."""
    del data
    return []


class Upload:
    """A ``request.stream`` function that keeps the body, up to ``limit`` bytes."""

    def __init__(self, limit: int, on_excess: Callable[[], None]) -> None:
        """``on_excess`` is called once, when the body turns out to be larger than ``limit``."""
        self._left = limit
        self._on_excess = on_excess
        self._parts: list[bytes] = []

    def __call__(self, data: bytes) -> list[bytes]:
        """Take the next piece; nothing of it is passed on."""
        if self._left < 0:
            return []
        self._left -= len(data)
        if self._left < 0:
            self._parts.clear()
            self._on_excess()
        else:
            self._parts.append(data)
        return []

    @property
    def body(self) -> bytes:
        """What came; empty if it was too much."""
        return b"".join(self._parts)
