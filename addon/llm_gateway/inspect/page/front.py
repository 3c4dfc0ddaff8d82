"""mitmweb's own page, with room for the comments, and a way to ours.

This module is imported under mitmweb alone, see :mod:`llm_gateway.inspect.page.handlers`.
"""

from importlib import resources
from typing import Any, override

from mitmproxy.tools.web.app import IndexHandler, RequestHandler

_STYLE = b'<link rel="stylesheet" href="./ai/list.css">'
_LINK = b'<a id="ai-page" href="./ai/" target="_blank">AI gateway</a>'


class Front(IndexHandler):
    """The list of flows. Where mitmweb's page has another form some day, it stays as it is."""

    @override
    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        page = super().render_string(template_name, **kwargs)
        if not template_name.endswith("index.html"):
            return page
        return page.replace(b"</head>", _STYLE + b"</head>").replace(b"</body>", _LINK + b"</body>")


class ListStyle(RequestHandler):
    """``/ai/list.css``."""

    @override
    def get(self) -> None:
        """The style sheet."""
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.write(resources.files(__package__).joinpath("list.css").read_bytes())


ROUTES = [(r"/", Front), (r"/ai/list\.css", ListStyle)]
