"""A mitmproxy script that moves the wall clock, to be loaded before the gateway's.

A request says by how many seconds, from what it really is, with the header `x-wall-clock`.
"""

import time

from mitmproxy import http

HEADER = "x-wall-clock"

_real_time = time.time


class WallClock:
    """The clock of the process, and the addon that moves it."""

    def __init__(self) -> None:
        self._moved = 0.0

    def time(self) -> float:
        """Seconds since the epoch, as if."""
        return _real_time() + self._moved

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Move the clock if the request says so."""
        if HEADER in flow.request.headers:
            self._moved = float(flow.request.headers[HEADER])


_clock = WallClock()
time.time = _clock.time
addons = [_clock]
