"""Replaying an attempt: exactly that payload to exactly that provider, with the key put on."""

from mitmproxy import http
from yarl import URL

from llm_gateway.api.http import Headers, Sink
from llm_gateway.errors import GatewayError, RequestError, UpstreamTimeout
from llm_gateway.inspect.attempts import (
    ATTEMPT,
    EXCHANGE,
    MODEL,
    PROVIDER,
    URL_SENT,
    as_request,
)
from llm_gateway.patience import Patience
from llm_gateway.runtime import Runtime
from llm_gateway.wire import Label, read_whole

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
)


_Answer = tuple[int, Headers, bytes]


def is_attempt(flow: http.HTTPFlow) -> bool:
    """Whether the flow, perhaps loaded from a file, once was an attempt of ours."""
    return ATTEMPT in flow.metadata


def restore_address(flow: http.HTTPFlow) -> None:
    """Undo what mitmproxy does to flows it reads in reverse mode: point them at the target."""
    address = flow.metadata.get(URL_SENT)
    if isinstance(address, str):
        url = URL(address, encoded=True)
        data = flow.request.data
        data.host, data.port = url.host or data.host, url.port or data.port
        data.scheme = url.scheme.encode()
        flow.request.headers["host"] = url.host_port_subcomponent or ""


async def resend(flow: http.HTTPFlow, runtime: Runtime, sink: Sink) -> None:
    """Send the flow's request again and give the whole answer to ``sink``."""
    patience = Patience()
    deadline = runtime.config.gateway.deadline
    try:
        async with patience.limit(deadline):
            status, headers, body = await _send(flow, runtime, patience)
    except TimeoutError:
        status, headers, body = _told(UpstreamTimeout(f"No answer within {deadline:g} s."))
    except GatewayError as error:
        status, headers, body = _told(error)
    await sink.whole(status, headers, body)


def _told(error: GatewayError) -> _Answer:
    return error.status, (("content-type", "application/json"),), error.body()


async def _send(flow: http.HTTPFlow, runtime: Runtime, patience: Patience) -> _Answer:
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
        response = await wire.send(as_request(flow, label), patience)
        headers = tuple(
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in _HOP_BY_HOP
        )
        return response.status, headers, await read_whole(response)
