"""Flows of ours with answers in them, as a person finds them, and what mitmproxy shows of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mitmproxy import contentviews, http
from mitmproxy.test import taddons, tflow

from support.wire_files import Case

STREAM = "text/event-stream"
JSON = "application/json"
ASKED = 1_763_700_000.0
"""When the flows' requests began, seconds since the epoch."""


def client_flow(
    body: bytes,
    content_type: str = JSON,
    *,
    status: int = 200,
    path: str = "/v1/chat/completions",
    **metadata: Any,
) -> http.HTTPFlow:
    """A client's flow that is over; `metadata` are names without their `ai.`."""
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.live = False
    flow.request.method = "POST"
    flow.request.path = path
    flow.request.timestamp_start = ASKED
    flow.response = http.Response.make(status, body, {"content-type": content_type})
    flow.response.timestamp_end = ASKED + 1
    flow.metadata |= {"ai.exchange": "req_1"}
    flow.metadata |= {f"ai.{name}": value for name, value in metadata.items()}
    return flow


def attempt_flow(
    body: bytes,
    content_type: str = JSON,
    *,
    kind: str = "openai",
    status: int = 200,
    headers: Mapping[str, str] = {},
    **metadata: Any,
) -> http.HTTPFlow:
    """A call to a provider of that kind that is over."""
    flow = client_flow(body, content_type, status=status, path="/somewhere", **metadata)
    assert flow.response is not None
    flow.response.headers.update(headers)
    flow.metadata |= {"ai.attempt": 1, "ai.provider": "p", "ai.model": "up-model", "ai.kind": kind}
    return flow


def recorded(case: Case) -> http.HTTPFlow:
    """The attempt of a recorded exchange; a reply has to be there."""
    if case.has("reply.sse"):
        flow = attempt_flow(case.bytes("reply.sse"), STREAM, kind=case.kind)
    else:
        flow = attempt_flow(case.bytes("reply.json"), kind=case.kind)
    if case.has("upstream.json"):
        flow.request.raw_content = case.bytes("upstream.json")
    return flow


@contextmanager
def options_of_mitmproxy() -> Iterator[None]:
    """What `shown` needs around it."""
    with taddons.context() as context:
        if "protobuf_definitions" not in context.options:
            context.options.add_option("protobuf_definitions", str, "", "")
        yield


def shown(flow: http.HTTPFlow, view: str = "auto") -> contentviews.ContentviewResult:
    """The response as mitmproxy itself shows it."""
    assert flow.response is not None
    return contentviews.prettify_message(flow.response, flow, view)
