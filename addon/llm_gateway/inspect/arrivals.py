"""Few lines about many clients: what mitmproxy logs of each connection, within bounds.

It logs a line when a client connects, one when it disconnects, and more in between. People like to
see them; whoever floods the gateway with connections must not flood its log as well, nor push
everything else out of mitmweb's event log, which keeps ten thousand lines.
"""

import logging
from collections.abc import Callable
from typing import override

LOGGER = "mitmproxy.proxy.server"
MINUTE = 60.0
LINES = 600
"""Lines of this logger in a minute; the others are counted."""


class Arrivals(logging.Filter):
    """Lets so many of the ordinary lines through in each minute, and counts the rest."""

    def __init__(self, clock: Callable[[], float], lines: int = LINES) -> None:
        super().__init__()
        self._clock = clock
        self._lines = lines
        self._ends = float("-inf")
        self._passed = 0
        self._left_out = 0

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be seen. Warnings and errors always are."""
        if record.levelno > logging.INFO:
            return True
        now = self._clock()
        if now >= self._ends:
            self._begin(now, record)
        self._passed += 1
        if self._passed <= self._lines:
            return True
        self._left_out += 1
        return False

    def _begin(self, now: float, record: logging.LogRecord) -> None:
        self._ends = now + MINUTE
        self._passed = 0
        if self._left_out:
            record.msg = (
                f"{record.getMessage()} ({self._left_out} lines about clients' connections were "
                "left out before this one)"
            )
            record.args = ()
            self._left_out = 0


def install(clock: Callable[[], float]) -> None:
    """Have mitmproxy's lines about connections pass through the filter, in place of an earlier."""
    logger = logging.getLogger(LOGGER)
    for old in [each for each in logger.filters if isinstance(each, Arrivals)]:
        logger.removeFilter(old)
    # The first of all: what is left out need not be searched for secrets.
    logger.filters.insert(0, Arrivals(clock))
