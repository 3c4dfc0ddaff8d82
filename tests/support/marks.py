"""Content that proves where it came from: each piece names its call and its place in the answer.

Text that was sent twice, lost, cut or mixed from two calls cannot pass for one answer.
"""

import re

_MARK = re.compile(r"\[([0-9]+):([0-9]+)\] ")


def mark(call: int, place: int) -> str:
    """Return piece `place` (from 0) of the answer to call number `call`."""
    return f"[{call}:{place}] "


def call_of(text: str) -> int:
    """Return the number of the one call whose pieces from 0 on are all that `text` has.

    Raises AssertionError when there are none, when one is missing, doubled or out of place, or when
    they are of several calls.
    """
    pieces = [(int(call), int(place)) for call, place in _MARK.findall(text)]
    assert pieces, f"no piece in {text!r}"
    call = pieces[0][0]
    assert text == "".join(mark(call, place) for place in range(len(pieces))), text
    return call


def pieces_in(text: str) -> int:
    """Return how many pieces there are."""
    return len(_MARK.findall(text))
