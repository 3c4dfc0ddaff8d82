"""mitmproxy's log shows no credential, and nothing that is masked."""

import logging
import re
import sys

import pytest
from mitmproxy.log import MitmLogHandler

from llm_gateway.inspect.logs import QUOTING_LOGGERS, CredentialFilter, LogFilter, install
from llm_gateway.masks import Masks
from llm_gateway.secret import Secret

TOKEN = Secret("canary+token/of=test")


def logged(message: str, *args: object) -> str:
    """What is left of a record's message."""
    record = logging.LogRecord("n", logging.INFO, "f", 1, message, args, None)
    assert CredentialFilter(lambda: [TOKEN]).filter(record)
    return record.getMessage()


@pytest.mark.parametrize(
    "line",
    [
        "Client closed connection: b'GET / HTTP/1.1\\r\\nAuthorization: Bearer canary-other\\r\\n'",
        "Invalid header line: b'Authorization Bearer canary-other'",
        "Invalid header line: b'x-api-key canary-other'",
        "Bad HTTP request line: b'GET /?access_token=canary-other HTTP/1.1'",
        "Bad HTTP request line: b'GET /?a=b&key=canary-other&c=d HTTP/1.1'",
        "something with canary+token/of=test in it",
        "something with canary%2Btoken%2Fof%3Dtest in it",
    ],
)
def test_credentials_are_masked(line: str) -> None:
    assert "canary" not in logged(line)
    assert "canary" not in logged("%s", line)


@pytest.mark.parametrize(
    ("message", "args"),
    [("client connect", ()), ("100%", ()), ("HTTP/2 protocol error: %s", ("bad",))],
)
def test_other_lines_stay_as_they_are(message: str, args: tuple[object, ...]) -> None:
    assert logged(message, *args) == (message % args if args else message)


def test_what_follows_a_credential_stays() -> None:
    assert logged("b'GET /?key=canary HTTP/1.1'") == "b'GET /?key=*** HTTP/1.1'"


def masking(*patterns: str) -> Masks:
    masks = Masks()
    masks.adopt([re.compile(pattern) for pattern in patterns])
    return masks


def line(level: int, message: str, *args: object, masks: Masks | None = None) -> str:
    """What a handler would write of a record; inside an except clause, with its traceback."""
    failed = sys.exc_info()[0] is not None
    traceback = sys.exc_info() if failed else None
    record = logging.LogRecord("n", level, "f", 1, message, args, traceback)
    assert LogFilter(lambda: [TOKEN, Secret("short")], masks or Masks()).filter(record)
    return logging.Formatter().format(record)


@pytest.mark.parametrize("form", [TOKEN.reveal(), "canary%2Btoken%2Fof%3Dtest"])
def test_a_warning_quotes_no_secret(form: str) -> None:
    assert line(logging.WARNING, "refused: %s.", form) == f"refused: {TOKEN.masked}."


def test_what_is_too_short_for_a_secret_is_a_word() -> None:
    assert line(logging.ERROR, "a short word") == "a short word"


def test_a_traceback_quotes_no_secret() -> None:
    try:
        raise RuntimeError(TOKEN.reveal())
    except RuntimeError:
        said = line(logging.ERROR, "It failed.")
    assert said.startswith("It failed.\nTraceback (most recent call last):")
    assert said.endswith(f"RuntimeError: {TOKEN.masked}")


def test_lines_of_requests_pass_untouched_where_nothing_is_masked() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "to %s", (TOKEN.reveal(),), None)
    LogFilter(lambda: [TOKEN], Masks()).filter(record)
    assert record.args == (TOKEN.reveal(),)


def test_masked_texts_are_in_no_line() -> None:
    masks = masking(r"\w+@example\.com")
    said = line(logging.INFO, "from %s", "x@example.com", masks=masks)
    assert re.fullmatch(r"from \[masked:[0-9a-f]{8}\]", said)


def test_a_new_filter_takes_the_place_of_the_old_one() -> None:
    first, second = CredentialFilter(list), CredentialFilter(list)
    lines = LogFilter(list, Masks()), LogFilter(list, Masks())
    quoting = [logging.getLogger(name) for name in QUOTING_LOGGERS]
    before = [list(each.filters) for each in quoting]
    handler = MitmLogHandler()
    handler.install()
    try:
        install(first, lines[0])
        install(second, lines[1])
        for each in quoting:
            assert second in each.filters
            assert first not in each.filters
        assert handler.filters == [lines[1]]
    finally:
        handler.uninstall()
        for each, filters in zip(quoting, before, strict=True):
            each.filters = filters
