"""The page's addresses: behind mitmweb's login, with its headers, and silent about its token."""

import logging
from collections.abc import AsyncIterator

import orjson
import pytest

from llm_gateway.inspect.page.facts import Facts
from llm_gateway.inspect.page.handlers import install
from support.page import make_facts, make_target
from support.web_app import PASSWORD, WebApp, open_web_app

PATHS = ["/ai", "/ai/", "/ai/data.json", "/ai/page.css", "/ai/page.js"]


def facts() -> Facts:
    return make_facts(make_target())


@pytest.fixture
async def served() -> AsyncIterator[WebApp]:
    async with open_web_app() as app:
        install(app.master, facts)
        yield app


@pytest.mark.parametrize("password", [None, "wrong", ""])
async def test_nothing_is_told_without_the_password(served: WebApp, password: str | None) -> None:
    for path in PATHS:
        async with served.get(path, password=password) as answer:
            assert answer.status == 403
            body = await answer.read()
            assert b"p/m" not in body
            assert (b'type="password"' in body) is (path == "/ai/")


async def test_all_of_it_is_told_with_the_password(served: WebApp) -> None:
    types = {}
    for path in PATHS[1:]:
        async with served.get(path) as answer:
            assert answer.status == 200
            types[path] = answer.content_type
            assert await answer.read()
    assert [*types.values()] == ["text/html", "application/json", "text/css", "text/javascript"]


@pytest.mark.parametrize("path", PATHS)
async def test_mitmweb_s_security_headers_are_kept(served: WebApp, path: str) -> None:
    async with served.get(path) as answer, served.session.get("/") as own:
        for name in ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options"):
            assert answer.headers[name] == own.headers[name]


async def test_the_address_without_its_last_slash_leads_there(served: WebApp) -> None:
    async with served.get("/ai") as answer:
        assert (answer.status, answer.headers["location"]) == (302, "ai/")


async def test_the_login_form_leads_to_the_page(served: WebApp) -> None:
    cookies = {"_mitmproxy_xsrf": "abc"}
    form = {"token": PASSWORD, "_xsrf": "abc"}
    async with served.session.post("/ai/", data=form, cookies=cookies) as answer:
        assert (answer.status, answer.url.path) == (200, "/ai/")
        assert b"p/m" in await answer.read()
        assert [each.status for each in answer.history] == [302]


async def test_the_numbers_are_told_as_json(served: WebApp) -> None:
    async with served.get("/ai/data.json") as answer:
        told = orjson.loads(await answer.read())
    assert told["targets"][0]["label"] == "p/m"
    assert told["statistics"]["total"]["requests"] == 0


async def test_a_gateway_that_is_loaded_again_takes_the_place_of_the_first(served: WebApp) -> None:
    install(served.master, lambda: make_facts(make_target(label="another/one")))
    async with served.get("/ai/data.json") as answer:
        assert b"another/one" in await answer.read()


@pytest.mark.parametrize("path", ["/ai/", "/ai/data.json"])
async def test_a_failure_is_logged_without_mitmweb_s_token(
    served: WebApp, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Facts:
        raise KeyError("made up")

    install(served.master, fail)
    async with served.session.get(path, params={"token": PASSWORD}) as answer:
        assert (answer.status, answer.content_type) == (500, "text/plain")
        assert b"made up" not in await answer.read()
    assert "The gateway's page failed." in caplog.text
    assert "made up" in caplog.text
    assert PASSWORD not in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
