"""mitmproxy's own log lines show no credential."""

import logging

import pytest

from llm_gateway.inspect.logs import QUOTING_LOGGERS, CredentialFilter, install
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


def test_a_new_filter_takes_the_place_of_the_old_one() -> None:
    first, second = CredentialFilter(list), CredentialFilter(list)
    quoting = [logging.getLogger(name) for name in QUOTING_LOGGERS]
    before = [list(each.filters) for each in quoting]
    try:
        install(first)
        install(second)
        for each in quoting:
            assert second in each.filters
            assert first not in each.filters
    finally:
        for each, filters in zip(quoting, before, strict=True):
            each.filters = filters
