"""Keeping a streamed body so that it can be read afterwards, within bounds."""

from mitmproxy import http

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""Per streamed body. A chat stays far below; an endless stream must not fill the memory."""


class BodyTap:
    """Collects the pieces of one streamed body up to a limit."""

    def __init__(self, limit: int = MAX_KEPT_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._kept = 0
        self._seen = 0

    def add(self, data: bytes) -> None:
        """Note the next piece."""
        self._seen += len(data)
        if self._kept < self._limit:
            data = data[: self._limit - self._kept]
            self._parts.append(data)
            self._kept += len(data)

    def store(self, flow: http.HTTPFlow) -> None:
        """Make what was kept the content of the flow's response, and say if it is not all."""
        if flow.response is None:
            return
        flow.response.data.content = b"".join(self._parts)
        if self._seen > self._kept:
            note = f"body cut: the first {self._kept} of {self._seen} bytes are kept"
            flow.comment = f"{flow.comment}; {note}" if flow.comment else note
