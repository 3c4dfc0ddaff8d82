"""An attempt's request and its flow hold the same, there and back."""

import copy

import pytest
from mitmproxy import http
from mitmproxy.test import taddons, tflow

from llm_gateway.inspect.as_flow import as_request, make_flow
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.wire import Label, UpstreamRequest

LABEL = Label("req_1", 2, "openrouter", "some/model")
REQUEST = UpstreamRequest(
    method="POST",
    url="https://openrouter.example:8443/api/v1/chat/completions?x=%2F1",
    headers=(("accept", "text/event-stream"), ("authorization", "Bearer ***01234567")),
    body=b'{"model": "some/model"}',
    label=LABEL,
)


def test_the_flow_shows_the_request_as_it_will_go_out() -> None:
    client = tflow.tclient_conn()
    flow = make_flow(REQUEST, client)
    assert flow.client_conn is client
    assert flow.server_conn.address == ("openrouter.example", 8443)
    assert flow.server_conn.tls
    assert flow.request.url == REQUEST.url
    assert flow.request.pretty_url == REQUEST.url
    assert flow.request.headers.fields == (
        (b"host", b"openrouter.example:8443"),
        (b"accept", b"text/event-stream"),
        (b"authorization", b"Bearer ***01234567"),
        (b"content-length", b"23"),
    )
    assert flow.request.content == REQUEST.body
    assert flow.live
    assert flow.metadata == {
        "ai.exchange": "req_1",
        "ai.attempt": 2,
        "ai.provider": "openrouter",
        "ai.model": "some/model",
    }


@pytest.mark.parametrize(
    "url",
    [
        REQUEST.url,
        "http://127.0.0.1:11434/v1/chat/completions",
        "http://[::1]:8080/v1",
        "https://api.example/v1/a%20b/c?d=%26&e=f+g",
        "http://localhost/",
    ],
)
def test_the_flow_holds_all_that_the_request_holds(url: str) -> None:
    request = UpstreamRequest("POST", url, REQUEST.headers, b"\x00\xff", LABEL)
    flow = make_flow(request, tflow.tclient_conn())
    assert as_request(flow, LABEL) == request
    assert as_request(flow.copy(), LABEL) == request
    loaded = http.HTTPFlow.from_state(flow.get_state())
    assert isinstance(loaded, http.HTTPFlow)
    assert as_request(loaded, LABEL) == request


def test_a_copy_of_an_attempt_is_an_attempt_but_no_live_one() -> None:
    flow = make_flow(REQUEST, tflow.tclient_conn())
    assert flow.copy().metadata == flow.metadata
    assert copy.deepcopy(flow.metadata) == flow.metadata
    assert not flow.copy().live


def test_attempts_show_the_client_of_their_exchange() -> None:
    with taddons.context() as context:
        publisher = Publisher(context.master.addons, lambda: True)
    client_flow = tflow.tflow()
    publisher.client(LABEL.exchange, client_flow)
    assert publisher.open(REQUEST).client_conn is client_flow.client_conn


def test_attempts_of_unknown_exchanges_have_a_client_that_can_be_saved() -> None:
    with taddons.context() as context:
        flow = Publisher(context.master.addons, lambda: True).open(REQUEST)
    assert http.HTTPFlow.from_state(flow.get_state()).client_conn.peername == ("", 0)
