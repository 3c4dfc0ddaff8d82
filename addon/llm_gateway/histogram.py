"""How long things took, in as much memory whether it was ten times or ten million.

Times are counted in buckets whose width grows with them, eight for each doubling: from 1 ms to
about 17 minutes a quantile is at most 4.5 % off. This is a small fixed case of what is known as
HDR histograms and DDSketch (https://arxiv.org/abs/1908.10693, §2.1).
"""

import math
from array import array
from bisect import bisect_left
from itertools import accumulate

STEPS = 8
"""Buckets for each doubling."""
LEAST = 0.001
"""Seconds: what is shorter is in the first bucket."""
TOP = 20 * STEPS + 1
"""The bucket of all that is longer than ``LEAST`` doubled twenty times."""


class Histogram:
    """Times in seconds."""

    __slots__ = ("_counts", "_least", "_most", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts = array("I", bytes((TOP + 1) * array("I").itemsize))
        self._least = math.inf
        self._most = 0.0

    def add(self, seconds: float) -> None:
        """It took so long once more."""
        self.count += 1
        self._counts[_bucket(seconds)] += 1
        if not self._least <= seconds <= self._most:
            self._least = min(self._least, seconds)
            self._most = max(self._most, seconds)

    def quantile(self, share: float) -> float | None:
        """So much it took at most in this share (0 to 1) of all cases; None before the first."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        bucket = bisect_left([*accumulate(self._counts)], rank)
        return min(max(_middle(bucket), self._least), self._most)


def _bucket(seconds: float) -> int:
    if seconds < LEAST:
        return 0
    return min(1 + int(STEPS * math.log2(seconds / LEAST)), TOP)


def _middle(bucket: int) -> float:
    """The middle of a bucket, by ratio; of the first, its end."""
    if not bucket:
        return LEAST
    if bucket == TOP:
        return math.inf
    return float(LEAST * 2.0 ** ((bucket - 0.5) / STEPS))
