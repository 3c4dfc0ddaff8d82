"""A mitmproxy script that breaks the gateway from inside, where a request asks for it.

Load it after the gateway's script. A request says where with the header `x-break`, or, below the
HTTP side, with the same word in its body.
"""

import functools
from collections.abc import Callable
from typing import Any

from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway.api import server as api
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.server import InProcessServer
from llm_gateway.bridge.sinks import StreamSink
from llm_gateway.dispatch import Dispatcher
from llm_gateway.entrance import Entrance
from llm_gateway.http_wire import HttpWire
from llm_gateway.upload import Upload

HEADER = "x-break"


class Broken(Exception):
    """What the broken places raise."""


def asked_by_header(where: str, flow: Any) -> bool:
    """Whether this flow's request asks to break `where`."""
    return bool(flow.request.headers.get(HEADER) == where)


def break_at(owner: Any, name: str, asked: Callable[..., bool]) -> None:
    """Make `owner.name` raise when `asked(*its arguments)`."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def broken(*args: Any, **kwargs: Any) -> Any:
        if asked(*args):
            raise Broken(name)
        return inner(*args, **kwargs)

    setattr(owner, name, broken)


def _of_exchange(where: str) -> Callable[..., bool]:
    def asked(server: InProcessServer, event: Any) -> bool:
        exchange = server.exchanges.get(event.stream_id)
        return exchange is not None and asked_by_header(where, exchange.flow)

    return asked


for _name in ("requestheaders", "request", "http_connect"):
    break_at(Entrance, _name, lambda _, flow, where=_name: asked_by_header(where, flow))
break_at(Entrance, "server_connect", lambda _, data: data.server.address[0] == "127.0.0.3")
break_at(Bridge, "attach", lambda _, flow, *__: asked_by_header("attach", flow))
break_at(InProcessServer, "_receive", _of_exchange("receive"))
for _name in ("start", "whole"):
    break_at(StreamSink, _name, lambda sink, *_: asked_by_header("sink", sink._exchange.flow))
break_at(StreamSink, "write", lambda sink, data: b"break-write" in data)
break_at(Upload, "__call__", lambda _, data: b"break-upload" in data)
break_at(api, "parse_chat", lambda body, *_: b"break-validation" in body)
break_at(Dispatcher, "chat", lambda _, request, *__: "break-dispatch" in str(request.body))
break_at(OpenAIAdapter, "encode", lambda self: "break-encode" in str(self.call.body))
break_at(OpenAIAdapter, "feed", lambda _, event: b"break-feed#2" in event.data)
break_at(OpenAIAdapter, "decode", lambda _, body: b"break-decode" in body)
break_at(HttpWire, "send", lambda _, request, __: b"break-wire" in request.body)
