"""How many values a JSON text has, counted before any is made.

A text grows when it is read: ``{},`` is three bytes, and a hundred as an object in a list. What has
too many values is refused where it comes in. Nearly every text answers by its length, and the rest
by its commas and brackets; only a text that has too many of those is looked at more closely, since
they may all stand within its strings.
"""

_WINDOW = 64 * 1024
"""Bytes looked at in one go: what is made of them meanwhile is bounded by it."""


def has_more_values(text: bytes, most: int) -> bool:
    """Whether a JSON text has more than ``most`` values; an empty object or array counts as two.

    Of a text that is no JSON the answer may be either.
    """
    # Each takes at least a byte.
    return len(text) > most and most_values(text) > most and _has_more_marks(text, most - 1)


def most_values(text: bytes) -> int:
    """So many values a JSON text has at most; as many or some more if its strings are plain."""
    return 1 + _marks(text)


def _marks(text: bytes) -> int:
    """Every value but the first comes after one of these."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _has_more_marks(text: bytes, most: int) -> bool:
    """The same, of the marks that are in no string."""
    found, inside, rest = 0, False, b""
    for start in range(0, len(text), _WINDOW):
        window = rest + text[start : start + _WINDOW]
        if b"\\" in window:
            # Pairs first: what is left of a row of backslashes escapes what comes after it.
            window = window.replace(b"\\\\", b"")
            rest = b"\\" if window.endswith(b"\\") else b""
            window = window.removesuffix(rest).replace(b'\\"', b"")
        else:
            rest = b""
        pieces = window.split(b'"')
        found += _marks(b"".join(pieces[inside::2]))
        inside ^= len(pieces) % 2 == 0
        if found > most:
            return True
    return False
