"""mitmproxy's response objects, made of our values."""

import time
from collections.abc import Iterator

from mitmproxy import http
from mitmproxy.net.http.status_codes import RESPONSES
from mitmproxy.proxy.layers.http import (
    HttpEvent,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)

from llm_gateway.api.http import Headers
from llm_gateway.errors import GatewayError


def make_response(status: int, headers: Headers) -> http.Response:
    """A response head without a body."""
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=status,
        reason=RESPONSES.get(status, "").encode(),
        headers=http.Headers([(name.encode(), value.encode()) for name, value in headers]),
        content=b"",
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def error_response(error: GatewayError, exchange: str) -> http.Response:
    """A whole response with the OpenAI body of ``error``."""
    body = error.body()
    response = make_response(
        error.status,
        (
            ("content-type", "application/json"),
            ("x-request-id", exchange),
            *error.headers,
            ("content-length", str(len(body))),
        ),
    )
    response.data.content = body
    response.timestamp_end = time.time()
    return response


def error_events(stream_id: int, error: GatewayError) -> Iterator[HttpEvent]:
    """A whole error answer as the events of one stream."""
    response = error_response(error, "")
    yield ResponseHeaders(stream_id, response)
    yield ResponseData(stream_id, response.data.content or b"")
    yield ResponseEndOfMessage(stream_id)
