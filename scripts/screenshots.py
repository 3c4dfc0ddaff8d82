"""Takes the pictures in docs/ anew: a real mitmweb, in a real browser.

What they show is told by `tests/support/story.py`, which the browser test looks at as well.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import Browser, expect

from support.browser import MitmwebPage, browser_path, open_browser
from support.openai_shapes import JSONObject
from support.story import PLAN, QUESTION, Story, greeting, open_story

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 1440
PACE = 0.08
"""Seconds between the pieces of a stream, so that there are times to be seen."""

QUESTIONS: Sequence[tuple[JSONObject, int]] = (
    (QUESTION, 4),
    (greeting("paid"), 2),
    (PLAN, 2),
    (QUESTION, 2),
    (greeting("nobody"), 1),
)
"""What is asked, and how many flows come of it."""

FIRST, FAILED, REFUSED = 0, 6, 7
"""Rows of the list: the first question, the one that failed, and what was refused of it."""
WHOLE, DETAIL = "body", ".flow-detail"
"""Of the window: all of it, or the flow's half."""
VIEWS = (
    (FIRST, "Response", "AI message", 600, "mitmweb.png", WHOLE),
    (FIRST, "Response", "AI message", 1080, "inspect-message.png", DETAIL),
    (FIRST, "Request", "AI chat", 640, "inspect-chat.png", DETAIL),
    (FIRST, "Request", "AI route", 720, "inspect-route.png", DETAIL),
    (FAILED, "Response", "AI message", 600, "inspect-error.png", WHOLE),
    (REFUSED, "Request", "AI diff", 1340, "inspect-diff.png", DETAIL),
)
"""Of each picture: the row, the tab, the view, how high the window is, its name, what of it."""


async def take_views(story: Story, browser: Browser) -> None:
    """The list, and one flow in each view."""
    page = await browser.new_page(viewport={"width": WIDTH, "height": 530})
    web = MitmwebPage(story.gateway, page)
    await web.open()
    for question, _ in QUESTIONS:
        await story.ask(question)
    await expect(web.rows).to_have_count(sum(flows for _, flows in QUESTIONS))
    await _save(web, "inspect-list.png", WHOLE)
    for row, tab, view, height, name, part in VIEWS:
        await page.set_viewport_size({"width": WIDTH, "height": height})
        await web.select(row)
        await web.tab(tab)
        await web.view(view)
        await _save(web, name, part)


async def take_page(story: Story, browser: Browser) -> None:
    """The page of the gateway's own."""
    page = await browser.new_page(
        viewport={"width": 1180, "height": 600}, color_scheme="light", reduced_motion="reduce"
    )
    web = MitmwebPage(story.gateway, page)
    await web.open("/ai/")
    await expect(page.locator("svg").first).to_be_visible()
    await page.screenshot(path=DOCS / "inspect-page.png", full_page=True)


async def _save(web: MitmwebPage, name: str, part: str) -> None:
    # The pointer would mark what is below it, and the word "connected" fades.
    await web.page.mouse.move(0, 0)
    await expect(web.page.locator(".connection-indicator.established")).to_have_count(1)
    await web.page.wait_for_timeout(1500)
    await web.page.locator(part).screenshot(path=DOCS / name)


async def main() -> None:
    """Take them all; exits with what is missing."""
    executable = browser_path()
    if executable is None:
        sys.exit("There is no Chromium on PATH.")
    with tempfile.TemporaryDirectory() as directory:
        async with (
            open_story(Path(directory), pace=PACE) as story,
            open_browser(executable) as browser,
        ):
            await take_views(story, browser)
            await take_page(story, browser)
    print(f"The pictures are in {DOCS}.")


if __name__ == "__main__":
    asyncio.run(main())
