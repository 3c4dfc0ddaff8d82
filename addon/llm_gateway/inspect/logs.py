"""Keeping credentials out of mitmproxy's own log lines.

mitmproxy quotes what it cannot parse: a request that breaks off, a malformed header line, a bad
request line. Those quotes hold whatever the client sent, tokens included.
"""

import logging
import re
from collections.abc import Callable, Iterable
from typing import override
from urllib.parse import quote

from llm_gateway.secret import Secret

QUOTING_LOGGERS = ("mitmproxy.proxy.server",)
"""The loggers that quote what came over a client's connection."""

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
            text = token.reveal()
            masked = masked.replace(text, token.masked).replace(quote(text, ""), token.masked)
        masked = _CREDENTIAL.sub(r"\1***", masked)
        if masked != message:
            record.msg, record.args = masked, ()
        return True


def install(credentials: CredentialFilter) -> None:
    """Have mitmproxy's quoting loggers pass through the filter, in place of an earlier one."""
    for name in QUOTING_LOGGERS:
        logger = logging.getLogger(name)
        for old in [each for each in logger.filters if isinstance(each, CredentialFilter)]:
            logger.removeFilter(old)
        logger.addFilter(credentials)
