"""A request to a provider as a flow, and what the flow says as a request."""

import time

from mitmproxy import http
from mitmproxy.connection import Client, Server
from yarl import URL

from llm_gateway.bridge.responses import make_response
from llm_gateway.inspect.metadata import ATTEMPT, EXCHANGE, KIND, MODEL, PROVIDER, RESUMES
from llm_gateway.wire import Label, UpstreamRequest, UpstreamResponse

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CODED_BODY = frozenset({"content-encoding", "content-length"})
_COMPUTED_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
"""Shown in the flow, made anew by the HTTP client when the request leaves."""


def make_flow(request: UpstreamRequest, client: Client) -> http.HTTPFlow:
    """The flow that shows this request."""
    url = URL(request.url, encoded=True)
    host, port = url.host or "", url.port or 0
    flow = http.HTTPFlow(client, Server(address=(host, port), tls=url.scheme == "https"), live=True)
    flow.request = http.Request(
        host=host,
        port=port,
        method=request.method.encode(),
        scheme=url.scheme.encode(),
        authority=b"",
        path=url.raw_path_qs.encode(),
        http_version=b"HTTP/1.1",
        headers=http.Headers(
            [
                (b"host", (url.host_port_subcomponent or "").encode()),
                *((name.encode(), value.encode()) for name, value in request.headers),
                (b"content-length", str(len(request.body)).encode()),
            ]
        ),
        content=request.body,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=time.time(),
    )
    label = request.label
    flow.metadata |= {
        EXCHANGE: label.exchange,
        ATTEMPT: label.attempt,
        PROVIDER: label.provider,
        MODEL: label.model,
    }
    if label.kind:
        flow.metadata[KIND] = label.kind
    if label.resumes:
        flow.metadata[RESUMES] = True
    return flow


def as_request(flow: http.HTTPFlow, label: Label) -> UpstreamRequest:
    """The request as the flow holds it now."""
    return UpstreamRequest(
        method=flow.request.method,
        url=_url(flow.request),
        headers=tuple(
            (name, value)
            for name, value in flow.request.headers.items(multi=True)
            if name.lower() not in _COMPUTED_HEADERS
        ),
        body=flow.request.content or b"",
        label=label,
    )


def _url(request: http.Request) -> str:
    """The request's address; unlike mitmproxy's, with brackets around an IPv6 address."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    port = "" if request.port == _DEFAULT_PORTS.get(request.scheme) else f":{request.port}"
    return f"{request.scheme}://{host}{port}{request.path}"


def response_head(response: UpstreamResponse) -> http.Response:
    # The HTTP client has decoded the body already, so what described the coded one must go.
    decoded = _CODED_BODY if "content-encoding" in response.headers else frozenset[str]()
    headers = [item for item in response.headers.items() if item[0].lower() not in decoded]
    return make_response(response.status, tuple(headers))


def no_client() -> Client:
    return Client(peername=("", 0), sockname=("", 0))
