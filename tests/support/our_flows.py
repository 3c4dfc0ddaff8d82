"""Flows as the gateway leaves them in mitmproxy, without a gateway."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

MASKED = "***01234567"
"""What stands for a credential in a flow."""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def client_flow(
    body: bytes | Mapping[str, Any] = CHAT,
    *,
    path: str = "/v1/chat/completions",
    headers: Iterable[tuple[str, str]] = (),
    answer: http.Response | None = None,
    **metadata: Any,
) -> http.HTTPFlow:
    """A client's request that was let in, by default a chat.

    Its metadata are the keywords, ``ai.`` before each.
    """
    request = _request("http://ai.localhost:8080" + path, body)
    request.headers["authorization"] = f"Bearer {MASKED}"
    return _flow(request, headers, answer, {"exchange": "req_1", **metadata})


def attempt_flow(
    body: bytes | Mapping[str, Any] = CHAT,
    *,
    url: str = "https://api.acme.example/v1/chat/completions",
    headers: Iterable[tuple[str, str]] = (("authorization", f"Bearer {MASKED}"),),
    answer: http.Response | None = None,
    **metadata: Any,
) -> http.HTTPFlow:
    """A call to the provider ``p`` for the same exchange."""
    known = {"exchange": "req_1", "attempt": 1, "provider": "p", **metadata}
    return _flow(_request(url, body), headers, answer, known)


def answered(
    content: bytes | Mapping[str, Any], content_type: str = "application/json", status: int = 200
) -> http.Response:
    """A complete answer."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = http.Response.make(status, data, http.Headers(content_type=content_type))
    response.timestamp_start = response.timestamp_end = time.time()
    return response


def _request(url: str, body: bytes | Mapping[str, Any]) -> http.Request:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = http.Request.make("POST", url, data, http.Headers(content_type="application/json"))
    request.timestamp_end = request.timestamp_start
    return request


def _flow(
    request: http.Request,
    headers: Iterable[tuple[str, str]],
    answer: http.Response | None,
    metadata: Mapping[str, Any],
) -> http.HTTPFlow:
    flow = tflow.tflow(req=request, resp=answer or False)
    for name, value in headers:
        flow.request.headers.add(name, value)
    flow.metadata |= {f"ai.{name}": value for name, value in metadata.items()}
    flow.live = False
    return flow
