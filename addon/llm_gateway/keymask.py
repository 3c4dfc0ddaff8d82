"""Masking a key in the fields of a head, and in bytes that arrive in pieces.

Some providers repeat the key they were sent in their error messages. What comes from the wire is
shown in flows, told to clients and logged, so the key is taken out before any of them sees it.
"""

import re
from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict

_ESCAPE = 6
"""The length of JSON's longest way to write an ASCII character, ``\\u0041``."""
_BACKSLASH: Final = 0x5C
_CUT: Final = -1


class KeyMask:
    """Replaces one key wherever it stands, also across the edges of pieces.

    With ``escaped`` it is found as well where JSON writes some of its characters, or all of them,
    by their numbers (RFC 8259 §7): who reads it then would read the key.
    """

    def __init__(self, key: bytes, mask: bytes, *, escaped: bool = False) -> None:
        """The key is of printable ASCII, and has no backslash where ``escaped`` is asked for."""
        self._key = key
        self._mask = mask
        self._escaped = escaped
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next piece, masked. What may be the beginning of the key is held back."""
        data = self._held + data if self._held else data
        if self._key in data:
            data = data.replace(self._key, self._mask)
        if self._escaped and (b"\\u00" in data or b"\\" in data[1 - _ESCAPE :]):
            data, self._held = self._without_escaped(data)
            return data
        keep = self._beginning(data)
        self._held = data[keep:]
        return data[:keep] if self._held else data

    def flush(self) -> bytes:
        """What was held back, once no more can come."""
        held, self._held = self._held, b""
        return held

    def _without_escaped(self, data: bytes) -> tuple[bytes, bytes]:
        """The data, masked, and what may be the beginning of a key at its end."""
        parts: list[bytes] = []
        done = 0
        for start in re.finditer(re.escape(self._key[:1]) + rb"|\\", data):
            at = start.start()
            end = self._end(data, at) if at >= done else None
            if end == _CUT:
                return b"".join((*parts, data[done:at])), data[at:]
            if end is not None:
                parts += (data[done:at], self._mask)
                done = end
        return b"".join((*parts, data[done:])), b""

    def _end(self, data: bytes, at: int) -> int | None:
        """Where the key ends that begins here; ``_CUT`` where the data ends first."""
        for letter in self._key:
            if at == len(data):
                return _CUT
            if data[at] == letter:
                at += 1
                continue
            found, wanted = data[at : at + _ESCAPE].lower(), b"\\u00%02x" % letter
            if data[at] != _BACKSLASH or not wanted.startswith(found):
                return None
            if len(found) < _ESCAPE:
                return _CUT
            at += _ESCAPE
        return at

    def _beginning(self, data: bytes) -> int:
        """Where the beginning of a key stands at the end of ``data``; its length if nowhere."""
        first = self._key[:1]
        at = data.find(first, max(0, len(data) - len(self._key) + 1))
        while at >= 0:
            if self._key.startswith(data[at:]):
                return at
            at = data.find(first, at + 1)
        return len(data)


def without_key(headers: Mapping[str, str], key: str, mask: str) -> Mapping[str, str]:
    """The fields with a key masked, in names in whatever case; the same object if it is in none."""
    lower = key.lower()
    if not any(key in value or lower in name.lower() for name, value in headers.items()):
        return headers
    in_name = re.compile(re.escape(key), re.IGNORECASE)
    return CIMultiDict(
        (in_name.sub(mask, name), value.replace(key, mask)) for name, value in headers.items()
    )
