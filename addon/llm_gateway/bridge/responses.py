"""mitmproxy's response objects, made of our values."""

import time

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

_ONE_LINE = bytes.maketrans(b"\r\n\0", b"   ")


def make_response(status: int, headers: Headers, body: bytes | None = None) -> http.Response:
    """A response with this whole body and its length, or without one the head of a stream."""
    # A header's bytes may be no UTF-8; they came in this way and go out as they were. mitmproxy
    # writes whatever there is, and what ends a line would be another header, or another answer.
    fields = [
        (name.encode(), value.encode("utf-8", "surrogateescape").translate(_ONE_LINE))
        for name, value in headers
    ]
    if body is not None:
        fields.append((b"content-length", str(len(body)).encode()))
    now = time.time()
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=status,
        reason=RESPONSES.get(status, "").encode(),
        headers=http.Headers(fields),
        content=body or b"",
        trailers=None,
        timestamp_start=now,
        timestamp_end=None if body is None else now,
    )


def error_response(error: GatewayError, exchange: str | None = None) -> http.Response:
    """A whole response with the OpenAI body of ``error``."""
    request_id = () if exchange is None else (("x-request-id", exchange),)
    headers = (("content-type", "application/json"), *request_id, *error.headers)
    return make_response(error.status, headers, error.body())


def whole_events(
    stream_id: int, response: http.Response, body: bytes | None = None
) -> tuple[HttpEvent, ...]:
    """A whole response as the events of one stream; ``body`` is sent in place of its content."""
    return (
        ResponseHeaders(stream_id, response),
        ResponseData(stream_id, (response.data.content or b"") if body is None else body),
        ResponseEndOfMessage(stream_id),
    )
