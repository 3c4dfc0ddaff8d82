"""Attempts to give to adapters, each with the same fixed ids and time, and ways through them."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from multidict import CIMultiDict

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter, Call, ImageCall, Site, Steps, Whole
from llm_gateway.memory import Memory
from llm_gateway.wire import Label, UpstreamRequest

CREATED = 1763700000
EXCHANGE = "req_0123456789abcdef0123456789abcdef"
SITE = Site("http://p.invalid/base", (("authorization", "Bearer ***12345678"),))
LABEL = Label(EXCHANGE, 1, "p", "up-model")


def make_call(
    body: Mapping[str, Any],
    *,
    site: Site = SITE,
    model: str = "up-model",
    memory: Memory | None = None,
    exchange: str = EXCHANGE,
) -> Call:
    """An attempt at the chat request `body`, streamed if the body says so."""
    return Call(
        body=body,
        stream=bool(body.get("stream")),
        model=model,
        site=site,
        label=Label(exchange, 1, "p", model),
        created=CREATED,
        memory=memory or Memory(),
    )


def make_image_call(
    body: Mapping[str, Any], *, site: Site = SITE, model: str = "up-model"
) -> ImageCall:
    """An attempt at the picture request `body`."""
    return ImageCall(body, model, site, Label(EXCHANGE, 1, "p", model), CREATED)


def whole(
    status: int, body: bytes, content_type: str = "application/json", **headers: str
) -> Whole:
    """A whole answer; `retry_after="3"` is the header retry-after."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Whole(status, CIMultiDict({"content-type": content_type, **fields}), body)


def run_steps[T](steps: Steps[T], answers: Iterable[Whole] = ()) -> tuple[T, list[UpstreamRequest]]:
    """Run the generator, giving each request the next answer; its result, and the requests."""
    sent: list[UpstreamRequest] = []
    left = iter(answers)
    try:
        batch = next(steps)
        while True:
            sent += batch
            batch = steps.send([next(left) for _ in batch])
    except StopIteration as stop:
        assert next(left, None) is None, "not every answer was asked for"
        result: T = stop.value
        return result, sent


def feed_all(adapter: Adapter, pieces: Iterable[bytes]) -> list[bytes]:
    """The chunks that a stream in these pieces becomes, to its end."""
    decoder = sse.Decoder()
    chunks: list[bytes] = []
    for piece in pieces:
        for event in decoder.feed(piece):
            chunks += adapter.feed(event)
    for event in decoder.close():
        chunks += adapter.feed(event)
    if not adapter.done:
        chunks += adapter.end()
    assert adapter.done
    return chunks


def unchanged[T](value: T) -> T:
    """A deep copy to compare with afterwards."""
    return copy.deepcopy(value)
