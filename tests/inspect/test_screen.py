"""Who looks at the list of flows, and what is shown there."""

from collections.abc import Iterator

import pytest
from mitmproxy import http, options
from mitmproxy.addons.view import View
from mitmproxy.master import Master
from mitmproxy.test import tflow
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.app import ClientConnection
from mitmproxy.tools.web.master import WebMaster

from llm_gateway.inspect.screen import is_web, screen_of, show_comments, view_of


@pytest.fixture
async def dump() -> Master:
    """mitmdump."""
    return DumpMaster(options.Options(), with_termlog=False, with_dumper=False)


@pytest.fixture
async def web() -> Master:
    """mitmweb."""
    return WebMaster(options.Options(), with_termlog=False)


@pytest.fixture
def page() -> Iterator[None]:
    """An open page of mitmweb."""
    one = object.__new__(ClientConnection)
    ClientConnection.connections.add(one)
    yield
    ClientConnection.connections.discard(one)


async def test_mitmdump_shows_nothing(dump: Master) -> None:
    screen = screen_of(dump)
    assert not screen.is_looked_at()
    screen.update(tflow.tflow())
    assert view_of(dump) is None
    assert not is_web(dump)


async def test_mitmweb_is_looked_at_while_a_page_is_open(web: Master, page: None) -> None:
    assert is_web(web)
    assert screen_of(web).is_looked_at()


async def test_mitmweb_without_a_page_is_not_looked_at(web: Master) -> None:
    assert not screen_of(web).is_looked_at()


async def test_the_console_is_always_looked_at(dump: Master) -> None:
    dump.addons.add(View())
    assert screen_of(dump).is_looked_at()


async def test_an_update_reaches_the_list(web: Master) -> None:
    view = view_of(web)
    assert view is not None
    view.set_filter_cmd("~comment found")
    flow = tflow.tflow()
    view.add([flow])
    assert len(view) == 0
    flow.comment = "found"
    screen_of(web).update(flow)
    assert [*view] == [flow]


class Updates:
    """An addon that hears of flows that have changed."""

    def __init__(self) -> None:
        self.heard = 0

    def update(self, _: list[http.HTTPFlow]) -> None:
        self.heard += 1


async def test_a_change_is_told_while_a_page_is_open(web: Master, page: None) -> None:
    addon = Updates()
    web.addons.add(addon)
    screen_of(web).update(tflow.tflow())
    assert addon.heard == 1


async def test_a_change_costs_nothing_while_no_page_is_open(web: Master) -> None:
    addon = Updates()
    web.addons.add(addon)
    screen_of(web).update(tflow.tflow())
    assert addon.heard == 0


async def test_the_comments_stand_beside_the_path(web: Master) -> None:
    show_comments(web.options)
    columns = web.options.web_columns
    assert columns[columns.index("path") + 1] == "comment"
    assert columns.count("comment") == 1


async def test_columns_that_were_chosen_by_hand_stay(web: Master) -> None:
    web.options.update(web_columns=["path", "status"])
    show_comments(web.options)
    assert web.options.web_columns == ["path", "status"]


async def test_where_there_are_no_columns_none_are_chosen(dump: Master) -> None:
    show_comments(dump.options)
    assert "web_columns" not in dump.options
