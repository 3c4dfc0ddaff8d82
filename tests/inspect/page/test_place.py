"""Where the page is: in mitmweb, and nowhere else."""

from collections.abc import AsyncIterator

import pytest
from mitmproxy import options
from mitmproxy.master import Master
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.master import WebMaster

from llm_gateway.inspect.page.place import Place
from support.page import no_price


@pytest.fixture
async def dump() -> AsyncIterator[Master]:
    master = DumpMaster(options.Options(), with_termlog=False, with_dumper=False)
    yield master
    master._legacy_log_events.uninstall()


@pytest.fixture
async def web() -> AsyncIterator[Master]:
    master = WebMaster(options.Options(), with_termlog=False)
    yield master
    master._legacy_log_events.uninstall()


def nothing() -> None:
    raise AssertionError("nobody looks")


async def test_under_mitmdump_nothing_is_counted_and_nothing_served(dump: Master) -> None:
    place = Place(dump, no_price)
    place.open(dump, nothing)  # type: ignore[arg-type] # it is never called
    assert (place.statistics, place.address) == (None, None)


async def test_under_mitmweb_it_is_served_and_has_an_address(web: Master) -> None:
    place = Place(web, no_price)
    assert place.statistics is not None
    assert place.address is None, "mitmweb does not listen yet"
    place.open(web, nothing)  # type: ignore[arg-type] # nobody looks
    assert place.address == "http://127.0.0.1:8081/ai/"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:8081/ai/"),
        ("0.0.0.0", "http://127.0.0.1:8081/ai/"),
        ("::1", "http://[::1]:8081/ai/"),
        ("devbox", "http://devbox:8081/ai/"),
    ],
)
async def test_the_address_is_one_to_click_on(web: Master, host: str, address: str) -> None:
    web.options.update(web_host=host)
    place = Place(web, no_price)
    place.open(web, nothing)  # type: ignore[arg-type] # nobody looks
    assert place.address == address
