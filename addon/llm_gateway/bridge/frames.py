"""What an HTTP/2 client makes us work without asking for anything.

Frames of a few bytes cost us far more than the client: resets of requests that have just begun
(CVE-2023-44487), settings and pings that want an answer (CVE-2019-9512, 9515), windows that open by
a byte (CVE-2019-9511), data without data (CVE-2019-9518), and heads that name again and again what
is in the compression's table (CVE-2016-6581). Each connection has an account for them. Frames are
counted where they come in, before anything is done for them; heads as they are decoded.
"""

import time
from collections.abc import Callable, Iterable
from itertools import chain
from typing import override

from hpack import Decoder, HeaderTuple
from hpack.exceptions import OversizedHeaderListError

ALLOWED = 2000
"""What a connection may spend at once; less than a fifth of a second of our time."""
PER_SECOND = 500.0
"""What it is given again each second; a few per cent of a processor."""
STREAM_LOST = 10
"""The price of a request that we have begun to serve for nothing, or refuse: a client may take back
200 at once, which is twice as many as it may have, and 50 each second."""
HEAD = 1
"""The price of a head, which its answer gives back."""
HEADS_AT_ONCE = 20
"""How many heads are decoded before the first of them is looked at."""
BLOWN_UP = 2048
"""Bytes of a head beyond those on the wire that cost as much as a frame: a client with a long token
sends it as a byte or two from its second request on, and earns that by our answers."""

_TOO_MANY = "more, or longer ones, than a client needs"
_FIELD = 32
"""What a field counts beyond its bytes (RFC 7541 §4.1)."""
_PREFACE = 24
"""Bytes before the first frame (RFC 9113 §3.4)."""
_FRAME_HEAD = 9
_DATA, _HEADERS, _RESET, _SETTINGS = 0x0, 0x1, 0x3, 0x4
_END_STREAM = 0x1
_SMALL_DATA = 256
_SETTING = 6


class FrameBudget:
    """The account of one connection."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(ALLOWED)
        self._since = clock()
        self._skip = _PREFACE
        self._begun = b""

    def take(self, data: bytes) -> list[bytes]:
        """Count the frames in what has come, and cut it where ``HEADS_AT_ONCE`` heads are over.

        Nothing: more frames than a client needs.
        """
        price, cuts = self._price(data)
        if not self.spend(price):
            return []
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def spend(self, price: int) -> bool:
        """Take from the account. False: there is not enough in it."""
        if price:
            now = self._clock()
            self._left = min(ALLOWED, self._left + (now - self._since) * PER_SECOND)
            self._since = now
            self._left -= price
        return self._left >= 0

    def earn(self, sent: int) -> None:
        """We send so many bytes in a piece, which the client may acknowledge as it likes."""
        self._left = min(ALLOWED, self._left + 2 + sent // 4096)

    def _price(self, data: bytes) -> tuple[int, list[int]]:
        """What the frames cost, and where each ``HEADS_AT_ONCE`` heads the next one begins."""
        price = heads = 0
        cuts: list[int] = []
        before = len(self._begun)
        if self._begun:
            data, self._begun = self._begun + data, b""
        place, end = self._skip, len(data)
        while place + _FRAME_HEAD <= end:
            length = int.from_bytes(data[place : place + 3])
            kind = data[place + 3]
            if kind == _HEADERS:
                if heads and not heads % HEADS_AT_ONCE:
                    cuts.append(place - before)
                heads += 1
            price += _price_of(kind, data[place + 4], length)
            place += _FRAME_HEAD + length
        if place < end:
            self._begun, place = data[place:], end
        self._skip = place - end
        return price, cuts


class PaidDecoder(Decoder):
    """HPACK's decoder for one connection: what it makes of a few bytes is paid for."""

    def __init__(self, budget: FrameBudget, longest: int) -> None:
        """``longest``: bytes of a head, each field with 32 more."""
        super().__init__(longest)
        self._budget = budget

    @override
    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The fields. Raises HPACKError; OversizedHeaderListError as well if the account is empty.

        hyper-h2 takes the latter for an attack, and says ENHANCE_YOUR_CALM.
        """
        if not self._budget.spend(HEAD):
            raise OversizedHeaderListError(_TOO_MANY)
        fields = list(super().decode(data, raw))
        blown_up = len(b"".join(chain.from_iterable(fields))) + _FIELD * len(fields) - len(data)
        if not self._budget.spend(max(0, blown_up) // BLOWN_UP):
            raise OversizedHeaderListError(_TOO_MANY)
        return fields


def _price_of(kind: int, flags: int, length: int) -> int:
    if kind == _DATA:
        return 0 if length >= _SMALL_DATA or flags & _END_STREAM else 1
    if kind == _HEADERS:
        return 0
    if kind == _RESET:
        return STREAM_LOST
    return 1 + (length // _SETTING if kind == _SETTINGS else 0)
