"""What a client is told where mitmproxy ends its request, in OpenAI's words and not in HTML."""

import uuid

from mitmproxy.net.http import http1
from mitmproxy.proxy.layers.http import ErrorCode

from llm_gateway.bridge.responses import error_response
from llm_gateway.errors import SERVER_ERROR, GatewayError, RequestError


def as_bytes(error: GatewayError) -> bytes:
    """The whole HTTP/1 answer, the last one of its connection."""
    response = error_response(error, new_id())
    response.headers["connection"] = "close"
    return bytes(http1.assemble_response(response))


def new_id() -> str:
    """An id for an answer without an exchange."""
    return f"req_{uuid.uuid4().hex}"


def told(code: ErrorCode, *, connect: bool) -> GatewayError | None:
    """What to tell of an error of mitmproxy's; None: nothing, the stream is cut.

    mitmproxy's own words are not for clients: they quote what it has received.
    """
    status = code.http_status_code()
    match status:
        case None:
            return None
        case 413:
            return RequestError(
                413, "The request body is larger than allowed.", code="request_too_large"
            )
        case 400 if connect:
            return RequestError(400, "This gateway opens no tunnels (CONNECT).")
        case 400:
            return RequestError(
                400,
                "The request is malformed: its host, the name of a header or the length of its "
                "body is missing, not valid or not clear.",
            )
        case _:
            return GatewayError(
                502,
                "The server that the request was passed on to did not answer as it should.",
                type=SERVER_ERROR,
                code="bad_gateway",
            )
