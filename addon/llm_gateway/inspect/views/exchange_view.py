"""What views of an exchange have in common, whichever of its flows they are asked for."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import override

from mitmproxy import contentviews, http

from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.metadata import is_ours
from llm_gateway.inspect.views.text import bounded

NEVER_BY_ITSELF = -1.0


class ExchangeView(contentviews.Contentview):
    """A view of the gateway's flows that is chosen by hand."""

    def __init__(self, kin: Kin) -> None:
        self._kin = kin

    @abstractmethod
    def lines(self, flow: http.HTTPFlow) -> Iterator[str]:
        """The text of one of the gateway's flows."""

    @override
    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        return NEVER_BY_ITSELF

    @override
    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or not is_ours(flow):
            return "This flow is not one of the gateway's."
        return bounded(self.lines(flow))
