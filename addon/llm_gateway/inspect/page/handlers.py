"""The page's addresses in mitmweb, behind its login and with its headers.

This module is imported under mitmweb alone: mitmweb's application takes half a second to import,
which mitmdump need not pay.
"""

import logging
from collections.abc import Callable
from importlib import resources
from typing import override

import orjson
from mitmproxy.tools.web.app import RequestHandler
from mitmproxy.tools.web.master import WebMaster

from llm_gateway.inspect.page import document, front
from llm_gateway.inspect.page.facts import Facts

logger = logging.getLogger(__name__)

_FACTS = "ai_page_facts"
"""The setting of mitmweb's application that says where the facts come from."""


def install(master: WebMaster, facts: Callable[[], Facts]) -> None:
    """Serve the page, with what ``facts`` gives each time that somebody looks.

    A second call replaces the facts of the first: the gateway may be loaded again.
    """
    app = master.app
    if _FACTS not in app.settings:
        app.add_handlers(
            r".*",
            [
                (r"/ai", ToPage),
                (r"/ai/", Page),
                (r"/ai/data\.json", Data),
                (r"/ai/page\.css", File, {"name": "page.css", "content_type": "text/css"}),
                (r"/ai/page\.js", File, {"name": "page.js", "content_type": "text/javascript"}),
                *front.ROUTES,
            ],
        )
    app.settings[_FACTS] = facts


class _Handler(RequestHandler):
    """What all of them have in common. mitmweb's own class wraps their methods in its login."""

    def answer(self, content_type: str, content: Callable[[], bytes]) -> None:
        """Send what ``content`` gives; what it raises is logged."""
        try:
            body = content()
        except Exception:
            logger.exception("The gateway's page failed.")
            self.set_status(500)
            content_type, body = "text/plain", b"The page failed; the event log says why."
        self.set_header("Content-Type", f"{content_type}; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(body)

    @override
    def _request_summary(self) -> str:
        # What Tornado says of a request that failed. The whole address may hold mitmweb's token.
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def facts(self) -> Facts:
        """What is known now."""
        found: Facts = self.application.settings[_FACTS]()
        return found


class ToPage(_Handler):
    """For who leaves out the last slash."""

    @override
    def get(self) -> None:
        self.redirect("ai/")


class Page(_Handler):
    """The page itself; for who has not logged in, mitmweb's form."""

    @override
    def auth_fail(self, invalid_password: bool) -> None:
        self.render("login.html", invalid_password=invalid_password)

    @override
    def get(self) -> None:
        self.answer("text/html", lambda: document.render(self.facts()))

    @override
    def post(self) -> None:
        # The form was right. What the browser reloads from here on is not a form.
        self.redirect("./")


class Data(_Handler):
    """The same facts for programs, as one JSON object."""

    @override
    def get(self) -> None:
        self.answer("application/json", lambda: orjson.dumps(self.facts()))


class File(_Handler):
    """A file of this package."""

    @override
    def initialize(self, name: str, content_type: str) -> None:
        self._name = name
        self._content_type = content_type

    @override
    def get(self) -> None:
        self.answer(
            self._content_type,
            lambda: resources.files(__package__).joinpath(self._name).read_bytes(),
        )
