"""mitmproxy's log shows no credential, and nothing that is masked."""

import base64
import logging
import re
import sys

import pytest
from mitmproxy.log import MitmFormatter, MitmLogHandler

from llm_gateway.inspect.logs import QUOTING_LOGGERS, SHOWN, LogFilter, install
from llm_gateway.masks import Masks
from llm_gateway.secret import Secret

TOKEN = Secret("canary+token/of=test")
BASIC = base64.b64encode(f"id:{TOKEN.reveal()}".encode()).decode()
OURS, MITMPROXYS = "llm_gateway.api.server", "mitmproxy.proxy.server"
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


def masking(*patterns: str) -> Masks:
    masks = Masks()
    masks.adopt([re.compile(pattern) for pattern in patterns], [TOKEN, Secret("short")])
    return masks


def line(
    message: str,
    *args: object,
    name: str = MITMPROXYS,
    level: int = logging.INFO,
    masks: Masks | None = None,
    stack: str | None = None,
) -> str:
    """What handlers write of a record; inside an except clause, with its traceback."""
    failed = sys.exc_info()[0] is not None
    traceback = sys.exc_info() if failed else None
    record = logging.LogRecord(name, level, "f", 1, message, args, traceback, sinfo=stack)
    lines = LogFilter(masks or masking())
    assert lines.filter(record)
    return logging.Formatter().format(record)


@pytest.mark.parametrize(
    "text",
    [
        "Client closed connection: b'GET / HTTP/1.1\\r\\nAuthorization: Bearer canary-other\\r\\n'",
        "Invalid header line: b'Authorization Bearer canary-other'",
        "Invalid header line: b'x-api-key canary-other'",
        "Bad HTTP request line: b'GET /?access_token=canary-other HTTP/1.1'",
        "Bad HTTP request line: b'GET /?a=b&key=canary-other&c=d HTTP/1.1'",
        "wrong: sk-canary-0123456789",
        "wrong: sk-proj-canary0123456789",
        "wrong: gsk_canary0123456789",
        "wrong: xai-canary0123456789",
        "wrong: AIzacanary_0123456789-0123456789",
        "https://user:canary@proxy.example/",
    ],
)
def test_what_looks_like_a_credential_is_in_no_line(text: str) -> None:
    assert "canary" not in line(text)
    assert "canary" not in line("%s", text)
    assert "canary" not in line("%s", text, name=OURS, level=logging.WARNING)


def test_an_id_of_a_key_is_in_no_line() -> None:
    assert line("AKIAIOSFODNN7EXAMPLE") == "***"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", [OURS, MITMPROXYS, "", "aiohttp.client"])
@pytest.mark.parametrize("form", [TOKEN.reveal(), "canary%2Btoken%2Fof%3Dtest", BASIC])
def test_a_known_secret_is_in_no_line(form: str, name: str, level: int) -> None:
    assert line("refused: %s.", form, name=name, level=level) == f"refused: {TOKEN.masked}."


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("client connect", ()),
        ("100%", ()),
        ("HTTP/2 protocol error: %s", ("bad",)),
        ("a short word", ()),
        ("server connect example.com:443 (93.184.216.34:443)", ()),
        ("task-0123456789 of a disk-0123456789", ()),
    ],
)
def test_other_lines_stay_as_they_are(message: str, args: tuple[object, ...]) -> None:
    assert line(message, *args) == (message % args if args else message)


def test_what_follows_a_credential_stays() -> None:
    assert line("b'GET /?key=canary HTTP/1.1'") == "b'GET /?key=*** HTTP/1.1'"


def test_a_traceback_quotes_no_secret() -> None:
    try:
        raise RuntimeError(TOKEN.reveal())
    except RuntimeError:
        said = line("It failed.", level=logging.ERROR)
    assert said.startswith("It failed.\nTraceback (most recent call last):")
    assert said.endswith(f"RuntimeError: {TOKEN.masked}")


def test_a_stack_quotes_no_secret() -> None:
    assert line("Here.", stack=f"Stack: {TOKEN.reveal()}") == f"Here.\nStack: {TOKEN.masked}"


def test_a_line_whose_arguments_do_not_fit_is_told_without_them() -> None:
    assert line("one %s two %s", TOKEN.reveal()) == "A line that cannot be masked (TypeError)."


def test_the_line_that_shows_a_token_on_purpose_shows_it() -> None:
    record = logging.makeLogRecord({"msg": TOKEN.reveal(), **SHOWN})
    assert LogFilter(masking()).filter(record)
    assert record.getMessage() == TOKEN.reveal()


def test_a_line_without_secrets_keeps_its_parts() -> None:
    """Other handlers may make something else of them."""
    try:
        raise RuntimeError
    except RuntimeError:
        record = logging.LogRecord("n", logging.ERROR, "f", 1, "to %s", ("x",), sys.exc_info())
    LogFilter(masking()).filter(record)
    assert (record.msg, record.args) == ("to %s", ("x",))
    assert record.exc_info


def test_masked_texts_are_in_no_line() -> None:
    said = line("from %s", "x@example.com", masks=masking(r"\w+@example\.com"))
    assert re.fullmatch(r"from \[masked:[0-9a-f]{8}\]", said)


def test_all_handlers_of_mitmproxy_s_and_the_last_resort_have_the_filter_once() -> None:
    places = [*map(logging.getLogger, QUOTING_LOGGERS)]
    last = logging.lastResort
    assert last is not None
    before = [list(each.filters) for each in (*places, last)]
    handler = MitmLogHandler()
    handler.install()
    try:
        for lines in (LogFilter(Masks()), new := LogFilter(Masks())):
            install(lines)
        for each in (*places, handler, last):
            assert [filter_ for filter_ in each.filters if isinstance(filter_, LogFilter)] == [new]
    finally:
        handler.uninstall()
        for place, filters in zip((*places, last), before, strict=True):
            place.filters = filters


def test_a_record_that_was_masked_once_reads_the_same_in_the_next_handler() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s", (TOKEN.reveal(),), None)
    first, second = LogFilter(masking()), LogFilter(masking())
    assert first.filter(record)
    assert second.filter(record)
    assert TOKEN.masked in MitmFormatter(colorize=False).format(record)
