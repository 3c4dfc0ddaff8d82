"""Keeping credentials, and what the configuration masks, out of the log.

mitmproxy quotes what it cannot parse: a request that breaks off, a malformed header line, a bad
request line. Those quotes hold whatever the client sent, tokens included. Anybody's line may quote
a request as well, above all the traceback of a bug.
"""

import logging
from collections.abc import Iterator
from typing import override

from mitmproxy.log import MitmLogHandler

from llm_gateway.known import without_credentials
from llm_gateway.masks import Masks

QUOTING_LOGGERS = ("mitmproxy.proxy.server",)
"""The loggers that quote what came over a client's connection."""

SHOWN = {"llm_gateway_shown": True}
"""Goes as ``extra`` with the one line that shows a token, to who is to use it."""

_MASKED = "llm_gateway_masked"
_OURS = "llm_gateway"
_FORMATTER = logging.Formatter()


class LogFilter(logging.Filter):
    """Keeps known secrets and masked texts out of every line, and what looks like a credential.

    Our own lines of ordinary events are made of words of ours, and are not searched for looks.
    """

    def __init__(self, masks: Masks) -> None:
        """``masks`` know the current tokens and keys."""
        super().__init__()
        self._masks = masks

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message; never drop it, never raise."""
        # Several handlers see the same record.
        if not hasattr(record, _MASKED) and not hasattr(record, next(iter(SHOWN))):
            try:
                self._mask(record)
            except Exception as error:
                _put_in_place(record, f"A line that cannot be masked ({type(error).__name__}).")
            setattr(record, _MASKED, True)
        return True

    def _mask(self, record: logging.LogRecord) -> None:
        text = "\n".join(_parts(record))
        masked = self._masks.hide_secrets(text)
        if record.levelno >= logging.WARNING or not record.name.startswith(_OURS):
            masked = without_credentials(masked)
        if self._masks.active:
            masked = self._masks.hide_text(masked)
        if masked != text:
            _put_in_place(record, masked)


def _parts(record: logging.LogRecord) -> Iterator[str]:
    yield record.getMessage()
    if record.exc_info:
        yield _FORMATTER.formatException(record.exc_info)
    elif record.exc_text:
        yield record.exc_text
    if record.stack_info:
        yield record.stack_info


def _put_in_place(record: logging.LogRecord, text: str) -> None:
    record.msg, record.args = text, ()
    record.exc_info = record.exc_text = record.stack_info = None


def install(lines: LogFilter) -> None:
    """Have what is logged pass through the filter, in place of an earlier one."""
    for name in QUOTING_LOGGERS:
        _put(logging.getLogger(name), lines)
    # What writes the log and keeps it for the event log; these see the lines of all loggers.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, MitmLogHandler):
            _put(handler, lines)
    # What is there before mitmproxy's and after them.
    if logging.lastResort is not None:
        _put(logging.lastResort, lines)


def _put(place: logging.Logger | logging.Handler, new: logging.Filter) -> None:
    for old in [each for each in place.filters if isinstance(each, type(new))]:
        place.removeFilter(old)
    place.addFilter(new)
