"""Masking a key in bytes that arrive in pieces.

Some providers repeat the key they were sent in their error messages. What comes from the wire is
shown in flows, told to clients and logged, so the key is taken out before any of them sees it.
"""


class KeyMask:
    """Replaces one key wherever it stands, also across the edges of pieces."""

    def __init__(self, key: bytes, mask: bytes) -> None:
        self._key = key
        self._mask = mask
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next piece, masked. What may be the beginning of the key is held back."""
        data = self._held + data if self._held else data
        if self._key in data:
            data = data.replace(self._key, self._mask)
        keep = self._beginning(data)
        self._held = data[keep:]
        return data[:keep] if self._held else data

    def flush(self) -> bytes:
        """What was held back, once no more can come."""
        held, self._held = self._held, b""
        return held

    def _beginning(self, data: bytes) -> int:
        """Where the beginning of a key stands at the end of ``data``; its length if nowhere."""
        first = self._key[:1]
        at = data.find(first, max(0, len(data) - len(self._key) + 1))
        while at >= 0:
            if self._key.startswith(data[at:]):
                return at
            at = data.find(first, at + 1)
        return len(data)
