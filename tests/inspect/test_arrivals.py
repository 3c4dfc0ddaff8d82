"""What mitmproxy logs of connections, within bounds."""

import logging

from llm_gateway.inspect.arrivals import LOGGER, MINUTE, Arrivals, install


class Log:
    """Lines that went through the filter."""

    def __init__(self, lines: int) -> None:
        self.now = 0.0
        self._filter = Arrivals(lambda: self.now, lines)

    def say(self, text: str = "client connect", level: int = logging.INFO) -> str | None:
        record = logging.LogRecord(LOGGER, level, "", 0, text, (), None)
        return record.getMessage() if self._filter.filter(record) else None


def test_lines_within_the_bound_pass_as_they_are() -> None:
    log = Log(3)
    assert [log.say() for _ in range(3)] == ["client connect"] * 3


def test_more_are_left_out_until_the_minute_is_over_and_then_counted() -> None:
    log = Log(2)
    assert [log.say() for _ in range(5)] == ["client connect"] * 2 + [None] * 3
    log.now = MINUTE
    said = log.say("client disconnect")
    assert said is not None
    assert said.startswith("client disconnect (3 lines about clients' connections were left out")
    assert log.say() == "client connect"


def test_warnings_are_never_left_out() -> None:
    log = Log(0)
    assert log.say("bad", logging.WARNING) == "bad"


def test_installed_again_it_is_there_once_and_before_the_others() -> None:
    logger = logging.getLogger(LOGGER)
    before = [*logger.filters]
    try:
        install(lambda: 0.0)
        install(lambda: 0.0)
        assert isinstance(logger.filters[0], Arrivals)
        assert sum(isinstance(each, Arrivals) for each in logger.filters) == 1
    finally:
        logger.filters[:] = before
