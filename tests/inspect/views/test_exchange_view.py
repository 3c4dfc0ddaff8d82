"""What views that are chosen by hand share: whose flows they show, and when."""

from collections.abc import Iterator
from typing import override

import pytest
from mitmproxy import contentviews, http
from mitmproxy.test import tflow

from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.views.diff import DiffView
from llm_gateway.inspect.views.exchange_view import ExchangeView
from llm_gateway.inspect.views.route import RouteView


class Plain(ExchangeView):
    """Says that it was asked."""

    @override
    def lines(self, flow: http.HTTPFlow) -> Iterator[str]:
        yield "asked"


@pytest.mark.parametrize("kind", [Plain, DiffView, RouteView])
def test_it_is_for_the_gateways_flows_and_never_chosen_by_itself(
    kind: type[ExchangeView],
) -> None:
    for flow in (None, tflow.tflow(), tflow.ttcpflow()):
        view, about = kind(Kin()), contentviews.Metadata(flow=flow)
        assert view.prettify(b"", about) == "This flow is not one of the gateway's."
        assert view.render_priority(b"", about) < 0


def test_one_of_the_gateways_flows_is_shown() -> None:
    flow = tflow.tflow()
    flow.metadata["ai.exchange"] = "req_1"
    assert Plain(Kin()).prettify(b"", contentviews.Metadata(flow=flow)) == "asked"
