"""The metadata of flows, and what a flow is by it."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.inspect import metadata
from llm_gateway.trace import Step


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({}, (False, False, False)),
        ({"ai.exchange": "req_1"}, (True, True, False)),
        ({"ai.exchange": "req_1", "ai.refused": True}, (True, False, False)),
        ({"ai.exchange": "req_1", "ai.attempt": 1}, (True, False, True)),
    ],
    ids=["somebody else's", "a client's", "refused", "an attempt"],
)
def test_what_a_flow_is_stands_in_its_metadata(
    values: dict[str, object], facts: tuple[bool, bool, bool]
) -> None:
    flow = tflow.tflow()
    flow.metadata |= values
    assert facts == (
        metadata.is_ours(flow),
        metadata.is_client(flow),
        metadata.is_attempt(flow),
    )


@pytest.mark.parametrize(
    ("ours", "marker", "by_hand"),
    [
        (None, "", False),
        (None, ":default:", True),
        (":robot:", ":robot:", False),
        (":robot:", ":eyes:", True),
        (":robot:", "", False),
    ],
)
def test_a_mark_that_is_not_the_gateways_is_a_persons(
    ours: str | None, marker: str, by_hand: bool
) -> None:
    flow = tflow.tflow()
    flow.marked = marker
    if ours is not None:
        flow.metadata[metadata.MARK] = ours
    assert metadata.marked_by_hand(flow) is by_hand


def test_a_route_is_read_back_as_it_was_written() -> None:
    route = [Step("a/m", "quota", "its quota is spent"), Step("b/m", "ok", attempt=1, ended=0.5)]
    flow = tflow.tflow()
    flow.metadata[metadata.ROUTE] = metadata.plain_route(route)
    assert metadata.steps(flow) == route
    loaded = http.HTTPFlow.from_state(flow.get_state())
    assert isinstance(loaded, http.HTTPFlow)
    assert metadata.steps(loaded) == route


@pytest.mark.parametrize("route", [None, 5, "text", [1], [["too", "short"]]])
def test_what_is_no_route_is_none(route: object) -> None:
    flow = tflow.tflow()
    flow.metadata[metadata.ROUTE] = route
    assert metadata.steps(flow) == []
