"""Flows of requests, for the views: a client's, and the attempts made for it."""

import json
from collections.abc import Mapping
from typing import Any

from mitmproxy import contentviews, http
from mitmproxy.test import tflow, tutils

from llm_gateway.inspect.kin import Kin

EXCHANGE = "req_1"


def client(
    body: object, *, path: str = "/v1/chat/completions", **metadata: object
) -> http.HTTPFlow:
    """A client's flow; `body` is bytes, or becomes JSON. Metadata are names without their `ai.`."""
    return _flow(body, path, metadata)


def attempt(
    body: object,
    *,
    number: int = 1,
    kind: str = "openai",
    status: int | None = 200,
    path: str = "/chat/completions",
    **metadata: object,
) -> http.HTTPFlow:
    """An attempt's flow, answered with `status`."""
    known = {"attempt": number, "provider": kind, "kind": kind, "model": "up-model"}
    flow = _flow(body, path, {**known, **metadata})
    if status is not None:
        flow.response = tutils.tresp(status_code=status)
    return flow


def kin_of(*flows: http.HTTPFlow) -> Kin:
    """What knows these flows, which the test has to hold."""
    kin = Kin()
    for flow in flows:
        kin.add(flow)
    return kin


def shown(view: contentviews.Contentview, flow: http.HTTPFlow) -> str:
    """The view's text for the flow's request."""
    return view.prettify(flow.request.raw_content or b"", about(flow))


def about(flow: http.HTTPFlow) -> contentviews.Metadata:
    """What mitmproxy tells a view of a flow's request."""
    return contentviews.Metadata(
        flow=flow, content_type="application/json", http_message=flow.request
    )


def _flow(body: object, path: str, metadata: Mapping[str, Any]) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.live = False
    flow.request.method, flow.request.path = "POST", path
    flow.request.content = body if isinstance(body, bytes) else json.dumps(body).encode()
    flow.metadata["ai.exchange"] = EXCHANGE
    flow.metadata |= {f"ai.{name}": value for name, value in metadata.items()}
    return flow
