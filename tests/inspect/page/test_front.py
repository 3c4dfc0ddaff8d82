"""mitmweb's own page: what is added to it, and that nothing else is changed."""

from collections.abc import AsyncIterator

import pytest

from llm_gateway.inspect.page.handlers import install
from support.page import make_facts
from support.web_app import WebApp, open_web_app


@pytest.fixture
async def app() -> AsyncIterator[WebApp]:
    async with open_web_app() as app:
        yield app


async def test_it_has_a_link_to_ours_and_a_style_sheet_and_is_else_as_it_was(app: WebApp) -> None:
    async with app.get("/") as answer:
        before = await answer.text()
    install(app.master, make_facts)
    async with app.get("/") as answer:
        page = await answer.text()
        assert answer.status == 200
    added = [line for line in ('href="./ai/list.css"', 'href="./ai/"') if line in page]
    assert len(added) == 2
    start, _, rest = page.partition('<link rel="stylesheet" href="./ai/list.css">')
    middle, _, end = rest.partition('<a id="ai-page" href="./ai/" target="_blank">AI gateway</a>')
    assert start + middle + end == before


async def test_the_style_sheet_is_behind_the_login(app: WebApp) -> None:
    install(app.master, make_facts)
    async with app.get("/ai/list.css") as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")
        assert ".col-comment" in await answer.text()
    app.session.cookie_jar.clear()
    async with app.get("/ai/list.css", password=None) as answer:
        assert answer.status == 403


async def test_who_has_not_logged_in_gets_mitmweb_s_form_as_it_is(app: WebApp) -> None:
    install(app.master, make_facts)
    async with app.get("/", password=None) as answer:
        form = await answer.text()
        assert answer.status == 403
    assert 'type="password"' in form
    assert "ai-page" not in form
