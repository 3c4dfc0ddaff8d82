"""What a person sees in a real browser at a real mitmweb: rows, comments, views and the page."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import expect

from support.browser import MitmwebPage, browser_path, open_browser
from support.story import CITY, CLAUDE, QUESTION, SPOKEN, Story, greeting, open_story

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIME = r"\d[\d.]* m?s"
ROWS = [
    ("client", "200", rf"agent → anthropic/{CLAUDE} · 3 tries · ttft {TIME} · 1\.2k\+64 tok"),
    ("groq", "429", rf"1/3 · 429 rate_limit_exceeded, then anthropic/{CLAUDE}"),
    ("anthropic", "500", rf"2/3 · 500 upstream_unavailable, retry in {TIME}"),
    ("anthropic", "200", rf"3/3 · ok · first content {TIME} · 1\.2k\+64 tok"),
    ("client", "200", rf"paid → openrouter/\S+ · {TIME} · 1\.2k\+340 tok · \$0\.0041"),
    ("openrouter", "200", r"1/1 · ok · 1\.2k\+340 tok · \$0\.0041"),
]
"""Of each flow in the list: who was asked, the status, the comment."""
CLIENT, LIMITED, FAILED, ANSWERED = range(4)


@dataclass
class Screen:
    """The story, and mitmweb's page in a browser that shows it."""

    story: Story
    web: MitmwebPage
    visited: set[str] = field(default_factory=set)
    """Every host that the browser turned to."""
    errors: list[str] = field(default_factory=list)
    """What the page's scripts complained of."""

    async def shown(self, row: int, tab: str) -> str:
        """A body as mitmweb shows it by itself."""
        await self.web.select(row)
        await self.web.tab(tab)
        return await self.web.body()


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser. Where there is none there is nothing to test; but CI brings one."""
    path = browser_path()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no Chromium on PATH")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def screen(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Screen]:
    """A page that was open while `agent` was asked, and then `paid`."""
    directory: Path = tmp_path_factory.mktemp("mitmweb")
    async with open_story(directory) as story, open_browser(chromium) as browser:
        page = await browser.new_page()
        screen = Screen(story, MitmwebPage(story.gateway, page))
        page.on("request", lambda request: screen.visited.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: screen.errors.append(str(error)))
        await screen.web.open()
        for question in (QUESTION, greeting("paid")):
            status, body = await story.ask(question)
            assert status == 200, body
        await expect(screen.web.rows).to_have_count(len(ROWS))
        yield screen


async def test_the_list_says_of_every_attempt_what_came_of_it(screen: Screen) -> None:
    addresses = {
        **screen.story.addresses,
        "client": f"http://ai.localhost:{screen.story.gateway.port}",
    }
    for row, (asked, status, comment) in zip(await screen.web.table(), ROWS, strict=True):
        assert row["path"].split()[-1].startswith(addresses[asked])
        assert (row["method"], row["status"]) == ("POST", status)
        assert re.fullmatch(comment, row["comment"])


async def test_a_stream_is_shown_as_the_message_it_adds_up_to(screen: Screen) -> None:
    for row in (CLIENT, ANSWERED):
        body = await screen.shown(row, "Response")
        assert await screen.web.view_name() == "AI message"
        assert "".join(SPOKEN) in body
        assert re.search(rf'tool call get_weather.*\n +\{{\n +"city": "{CITY}",\n', body)
        assert "finish: tool_calls" in body
        assert re.search(r"1 212 read \(800 from a cache\), 64 written", body)


async def test_a_failed_attempt_is_shown_as_the_provider_told_it(screen: Screen) -> None:
    assert "Rate limit reached for model" in await screen.shown(LIMITED, "Response")
    assert "Internal server error" in await screen.shown(FAILED, "Response")


async def test_the_diff_says_what_the_provider_was_told_otherwise(screen: Screen) -> None:
    await screen.shown(ANSWERED, "Request")
    await screen.web.view("AI diff")
    body = await screen.web.body()
    assert "max_completion_tokens → max_tokens" in body
    assert re.search(r"Dropped \(1\)\n +logit_bias", body)
    assert re.search(rf'-  "model": "agent",\n\+  "model": "{CLAUDE}",', body)


async def test_the_route_says_who_was_asked_and_how_long_it_took(screen: Screen) -> None:
    await screen.shown(CLIENT, "Request")
    await screen.web.view("AI route")
    lines = (await screen.web.body()).splitlines()
    for number, (target, outcome) in enumerate(
        [
            ("groq/llama-3.3-70b-versatile", r"rate_limit_exceeded \(429\) after [\d.]+ m?s"),
            (f"anthropic/{CLAUDE}", r"upstream_unavailable \(500\) after [\d.]+ m?s"),
            (f"anthropic/{CLAUDE}", r"answered after [\d.]+ m?s"),
        ],
        start=1,
    ):
        assert any(re.match(rf" +{number} .* {target} +{outcome}", line) for line in lines)


async def test_the_page_is_a_click_away_and_counts_what_happened(screen: Screen) -> None:
    async with screen.web.page.expect_popup() as opened:
        await screen.web.page.get_by_text("AI gateway").click()
    page = await opened.value
    await expect(page).to_have_title("AI gateway")
    models, targets = page.locator("table").nth(0), page.locator("table").nth(1)
    await expect(models.get_by_role("row", name="agent")).to_contain_text("1,212 + 64")
    await expect(models.get_by_role("row", name="paid")).to_contain_text("$0.0041")
    await expect(targets.get_by_role("row", name="groq/")).to_contain_text("parked for")
    await page.close()  # as long as it is in front, mitmweb's own page is slow


async def test_nothing_is_fetched_from_elsewhere_and_no_script_fails(screen: Screen) -> None:
    assert screen.visited == {urlsplit(screen.story.gateway.web_url).netloc}
    assert not screen.errors


async def test_no_page_shows_a_secret(screen: Screen) -> None:
    for row in range(len(ROWS)):
        for tab in ("Request", "Response"):
            await screen.shown(row, tab)
            seen = await screen.web.page.content()
            assert not [secret for secret in screen.story.secrets if secret in seen]
