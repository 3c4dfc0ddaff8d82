"""mitmweb's application on a port of its own, without a proxy behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from mitmproxy import options
from mitmproxy.tools.web.master import WebMaster
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

PASSWORD = "canary-of-the-page"


@dataclass(frozen=True)
class WebApp:
    """The application, and a browser's session with it that has not logged in."""

    master: WebMaster
    session: aiohttp.ClientSession

    def get(self, path: str, *, password: str | None = PASSWORD) -> Any:
        """Ask for an address, with this password as a token; redirects are not followed."""
        headers = {} if password is None else {"Authorization": f"Bearer {password}"}
        return self.session.get(path, headers=headers, allow_redirects=False)


@asynccontextmanager
async def open_web_app() -> AsyncIterator[WebApp]:
    """Serve it on loopback."""
    master = WebMaster(options.Options(), with_termlog=False)
    master.options.update(web_password=PASSWORD)
    server = HTTPServer(master.app)
    [socket] = bind_sockets(0, "127.0.0.1")
    server.add_socket(socket)
    url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield WebApp(master, session)
    server.stop()
    await server.close_all_connections()
    # The handler would outlive its event loop.
    master._legacy_log_events.uninstall()
