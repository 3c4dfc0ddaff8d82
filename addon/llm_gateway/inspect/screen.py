"""Whether anybody looks at the list of flows right now, and telling them that a flow changed."""

import importlib
from collections.abc import Callable

from mitmproxy import flowfilter, hooks, http
from mitmproxy.addons.view import View
from mitmproxy.master import Master
from mitmproxy.options import Options

from llm_gateway.inspect.bodies import Screen

COLUMN = "comment"
_BEHIND = "path"


def screen_of(master: Master) -> Screen:
    """What shows flows: mitmweb while a page is open, the console always, mitmdump never."""

    view, is_looked_at = view_of(master), _looked_at(master)

    def update(flow: http.HTTPFlow) -> None:
        # mitmweb makes JSON of it for no page as well. A view that is filtered decides anew.
        if view is not None and (is_looked_at() or view.filter is not flowfilter.match_all):
            master.addons.trigger(hooks.UpdateHook([flow]))

    return Screen(is_looked_at, update, has_list=view is not None)


def is_web(master: Master) -> bool:
    """Whether this is mitmweb."""
    return hasattr(master, "app")


def _looked_at(master: Master) -> Callable[[], bool]:
    if not is_web(master):
        return lambda: view_of(master) is not None
    # Only there: the import takes mitmdump half a second.
    web = importlib.import_module("mitmproxy.tools.web.app")
    return lambda: bool(web.ClientConnection.connections)


def view_of(master: Master) -> View | None:
    """The list of flows; None under mitmdump, which keeps none."""
    view = master.addons.get("view")
    return view if isinstance(view, View) else None


def show_comments(options: Options) -> None:
    """Have mitmweb's list show the comments, unless its columns were chosen by hand."""
    if "web_columns" not in options or options.has_changed("web_columns"):
        return
    columns = [name for name in options.web_columns if name != COLUMN]
    place = columns.index(_BEHIND) + 1 if _BEHIND in columns else len(columns)
    options.update(web_columns=[*columns[:place], COLUMN, *columns[place:]])
