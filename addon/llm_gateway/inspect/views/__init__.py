"""The gateway's content views: what a body of ours means, as text."""

from mitmproxy import contentviews

from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.views.chat import ChatView
from llm_gateway.inspect.views.compare import CompareView
from llm_gateway.inspect.views.diff import DiffView
from llm_gateway.inspect.views.message import MessageView
from llm_gateway.inspect.views.route import RouteView


def install(kin: Kin) -> None:
    """Add the views to mitmproxy, in place of those of before where a script is reloaded.

    ``kin`` knows the flows that they look at beside the one that is shown.
    """
    for view in (MessageView(), ChatView(), CompareView(kin), DiffView(kin), RouteView(kin)):
        contentviews.add(view)
