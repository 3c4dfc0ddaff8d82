"""Keeping credentials, and what the configuration masks, out of the log.

mitmproxy quotes what it cannot parse: a request that breaks off, a malformed header line, a bad
request line. Those quotes hold whatever the client sent, tokens included. A warning or an error of
anybody's may quote a request as well, above all the traceback of a bug.
"""

import logging
import re
from collections.abc import Callable, Iterable
from typing import override

from mitmproxy.log import MitmLogHandler

from llm_gateway.masks import SHORTEST_SECRET, Masks
from llm_gateway.secret import Secret

QUOTING_LOGGERS = ("mitmproxy.proxy.server",)
"""The loggers that quote what came over a client's connection."""

_FORMATTER = logging.Formatter()
_CREDENTIAL = re.compile(
    r"(?i)((?:authorization|api[_-]?key|x-goog-api-key|x-auth-token)\W{1,3}(?:\w+ +)?"
    r"|[?&](?:access_token|key)=|bearer +)[^\s'\"\\&]+"
)


class CredentialFilter(logging.Filter):
    """Masks known tokens, and what looks like a credential, in each record it sees."""

    def __init__(self, tokens: Callable[[], Iterable[Secret]]) -> None:
        """``tokens`` gives the gateway's current client tokens."""
        super().__init__()
        self._tokens = tokens

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message; never drop it."""
        message = record.getMessage()
        masked = message
        for token in self._tokens():
            for form in token.spellings:
                masked = masked.replace(form, token.masked)
        masked = _CREDENTIAL.sub(r"\1***", masked)
        if masked != message:
            record.msg, record.args = masked, ()
        return True


class LogFilter(logging.Filter):
    """Keeps known secrets out of warnings and errors, and masked texts out of every line.

    Most lines are told of a request that went well; without masks they pass as they are.
    """

    def __init__(self, secrets: Callable[[], Iterable[Secret]], masks: Masks) -> None:
        """``secrets`` gives the current tokens and keys."""
        super().__init__()
        self._secrets = secrets
        self._masks = masks

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message; never drop it."""
        serious = record.levelno >= logging.WARNING
        if serious or self._masks.active:
            text = record.getMessage()
            if record.exc_info:
                text = f"{text}\n{_FORMATTER.formatException(record.exc_info)}"
            masked = self._masks.hide_text(self._without_secrets(text) if serious else text)
            if masked != text:
                record.msg, record.args, record.exc_info = masked, (), None
        return True

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets():
            key = secret.reveal()
            if len(key) >= SHORTEST_SECRET:
                for form in secret.spellings:
                    text = text.replace(form, secret.masked)
        return text


def install(credentials: CredentialFilter, lines: LogFilter) -> None:
    """Have what mitmproxy quotes and logs pass through the filters, in place of earlier ones."""
    for name in QUOTING_LOGGERS:
        _put(logging.getLogger(name), credentials)
    # What writes the log and keeps it for the event log; these see the lines of all loggers.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, MitmLogHandler):
            _put(handler, lines)


def _put(place: logging.Logger | logging.Handler, new: logging.Filter) -> None:
    for old in [each for each in place.filters if isinstance(each, type(new))]:
        place.removeFilter(old)
    place.addFilter(new)
