"""A real browser at mitmweb's page, as a person uses it."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from support.process import WEB_PASSWORD, Gateway

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""So that it talks to nobody but the page."""


def browser_path() -> str | None:
    """Where the system's Chromium is, None if it has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def open_browser(executable: str) -> AsyncIterator[Browser]:
    """Run a browser without a window."""
    # Chromium's sandbox refuses root.
    arguments = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else [*QUIET]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


class MitmwebPage:
    """mitmweb's page in a browser: the list of flows, and one flow's tabs and views."""

    def __init__(self, gateway: Gateway, page: Page) -> None:
        self._gateway = gateway
        self.page = page
        self.rows: Locator = page.locator(".flow-table tbody tr:has(td)")
        """The list, first flow first."""

    async def open(self, path: str = "/") -> None:
        """Log in and wait for the page."""
        await self.page.goto(f"{self._gateway.web_url}{path}?token={WEB_PASSWORD}")

    async def table(self) -> list[dict[str, str]]:
        """The list as it is read, a dictionary of column and text for each flow."""
        cells = await self.rows.evaluate_all(
            "rows => rows.map(row => Object.fromEntries([...row.cells].map("
            "cell => [cell.className, cell.innerText.trim()])))"
        )
        return [
            {re.sub(r"^col-", "", column): text for column, text in row.items()} for row in cells
        ]

    async def select(self, row: int) -> None:
        """Open a flow of the list, the first is 0."""
        await self.rows.nth(row).click()

    async def tab(self, name: str) -> None:
        """Choose a tab of the flow: Request, Response, Comment …"""
        await self.page.locator(".flow-detail nav a", has_text=name).click()
        await self.page.locator(".contentview pre, .contentview .cm-content").wait_for()

    async def view(self, name: str) -> None:
        """Choose how the body is shown; the name as the body's heading has it."""
        controls = self.page.locator(".contentview .controls")
        await controls.get_by_text("View:").click()
        await controls.locator(".dropdown-menu").get_by_text(name.lower(), exact=True).click()
        await expect(controls.locator("h5")).to_have_text(name)

    async def view_name(self) -> str:
        """The heading of the body."""
        return await self.page.locator(".contentview .controls h5").inner_text()

    async def body(self) -> str:
        """The body as it is shown."""
        return await self.page.locator(".contentview pre").inner_text()
