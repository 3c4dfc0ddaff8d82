"""Replaying an attempt: exactly that payload to exactly that provider, with the key put on."""

import time
from dataclasses import replace

from mitmproxy import http
from yarl import URL

from llm_gateway.api.http import Headers, Sink
from llm_gateway.errors import GatewayError, RequestError, UpstreamTimeout
from llm_gateway.inspect.as_flow import as_request
from llm_gateway.inspect.metadata import EXCHANGE, MODEL, PROVIDER, URL_SENT
from llm_gateway.inspect.rows import resent
from llm_gateway.patience import Patience
from llm_gateway.runtime import Runtime
from llm_gateway.wire import Label, read_whole

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
)


_Answer = tuple[int, Headers, bytes]


def restore_address(flow: http.HTTPFlow) -> None:
    """Undo what mitmproxy does to flows it reads in reverse mode: point them at the target."""
    address = flow.metadata.get(URL_SENT)
    if isinstance(address, str):
        url = URL(address, encoded=True)
        data = flow.request.data
        data.host, data.port = url.host or data.host, url.port or data.port
        data.scheme = url.scheme.encode()
        flow.request.headers["host"] = url.host_port_subcomponent or ""


async def resend(
    flow: http.HTTPFlow, runtime: Runtime, sink: Sink, content: bytes | None = None
) -> None:
    """Send the flow's request again and give the whole answer to ``sink``.

    ``content`` is the request's body, if not what the flow shows.
    """
    patience, began = Patience(), time.monotonic()
    deadline = runtime.config.gateway.deadline
    try:
        async with patience.limit(deadline):
            status, headers, body = await _send(flow, runtime, content, patience)
    except TimeoutError:
        status, headers, body = _told(UpstreamTimeout(f"No answer within {deadline:g} s."))
    except GatewayError as error:
        status, headers, body = _told(error)
    resent(flow, status, time.monotonic() - began)
    await sink.whole(status, headers, body)


def _told(error: GatewayError) -> _Answer:
    return error.status, (("content-type", "application/json"),), error.body()


async def _send(
    flow: http.HTTPFlow, runtime: Runtime, content: bytes | None, patience: Patience
) -> _Answer:
    metadata = flow.metadata
    label = Label(
        exchange=str(metadata.get(EXCHANGE)),
        attempt=0,
        provider=str(metadata.get(PROVIDER)),
        model=str(metadata.get(MODEL)),
    )
    with runtime.in_use():
        wire = runtime.wire(label.provider)
        if wire is None:
            raise RequestError(
                404, f"Provider {label.provider!r} is not in the configuration, or is switched off."
            )
        request = as_request(flow, label)
        if content is not None:
            request = replace(request, body=content)
        response = await wire.send(request, patience)
        headers = tuple(
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in _HOP_BY_HOP
        )
        return response.status, headers, await read_whole(response)
