"""One exchange over a fake wire, the streams it is given, and what is read from it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from llm_gateway import sse
from llm_gateway.adapters import KINDS, Kind
from llm_gateway.attempt import Reply
from llm_gateway.config import Http
from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import (
    GatewayError,
    UpstreamConnectionError,
)
from llm_gateway.memory import Memory
from llm_gateway.trace import Trace
from llm_gateway.wire import EVENT_STREAM
from support.fakes import (
    FakeResponse,
    FakeWire,
    Piece,
    chat_body,
    frame,
    make_config,
    make_dispatcher,
    make_model,
    make_provider,
    make_upstreams,
)
from support.openai_shapes import (
    chunk,
    completion,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    usage,
)

JSON = "application/json"


NOW = 1_763_700_000.9

BROKEN = UpstreamConnectionError("The connection broke.", detail="reset by peer")


ANSWER = completion("up-model", [message("Hi")], "stop", usage(3, 2))


ANSWER_BYTES = json.dumps(ANSWER).encode()


FIRST = frame(first_chunk("up-model"))


HELLO = frame(text_chunk("up-model", "Hello"))


THERE = frame(text_chunk("up-model", " there é😀"))


LAST = frame(last_chunk("up-model"))


USAGE = frame({**chunk("up-model", None), "usage": usage(3, 2)})


DONE = frame("[DONE]")


GOOD = FIRST + HELLO + THERE + LAST + USAGE + DONE


type Cut = Callable[[bytes], list[Piece]]


def whole(data: bytes) -> list[Piece]:
    return [data]


def byte_by_byte(data: bytes) -> list[Piece]:
    return [data[i : i + 1] for i in range(len(data))]


either_way = pytest.mark.parametrize("cut", [whole, byte_by_byte])


@dataclass
class Exchange:
    """One exchange over a wire that gives one answer, and then ``more``.

    A streamed one asks for the usage as well.
    """

    answer: FakeResponse | Exception | asyncio.Event
    stream: bool = True
    http: Http = field(default_factory=Http)
    deadline: float = 10.0
    model: str = "m"
    body: dict[str, Any] = field(default_factory=chat_body)
    more: tuple[FakeResponse | Exception | asyncio.Event, ...] = ()
    kind: Kind = KINDS["openai"]
    omit: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.wire = FakeWire(self.answer, *self.more)
        self.trace = Trace("req_test")
        model = make_model(omit=self.omit, http=self.http)
        config = make_config([make_provider(http=self.http)], [model])
        upstreams = make_upstreams(config, {"p": self.wire}, {"openai": self.kind})
        self.dispatcher = make_dispatcher(
            config, upstreams, self.deadline, self.memory, lambda: NOW
        )

    async def reply(self) -> Reply:
        body = {**self.body, "stream": self.stream}
        if self.stream:
            body["stream_options"] = {"include_usage": True}
        request = ChatRequest(body, self.model, self.stream)
        return await self.dispatcher.chat(request, self.trace)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The pieces of the streamed reply as they come."""
        reply = await self.reply()
        assert reply.content_type == EVENT_STREAM
        assert not isinstance(reply.body, bytes)
        async with aclosing(reply.body) as body:
            async for piece in body:
                yield piece

    async def streamed(self) -> bytes:
        """The whole streamed reply."""
        return b"".join([piece async for piece in self.pieces()])

    async def failure(self) -> GatewayError:
        """The error that comes in place of a reply."""
        with pytest.raises(GatewayError) as caught:
            await self.reply()
        return caught.value


def datas(stream: bytes) -> list[str]:
    """The data of a stream's events; fails where the stream is not plain `data: …` events."""
    decoder = sse.Decoder()
    found = [event.data.decode() for event in decoder.feed(stream)]
    assert decoder.close() == []
    assert b"".join(sse.encode(data.encode()) for data in found) == stream
    return found


def told_failure(stream: bytes) -> tuple[list[str], dict[str, Any]]:
    """The good events of a stream that ends with an error event and one [DONE]; and the error."""
    *good, error, done = datas(stream)
    assert done == "[DONE]"
    assert "[DONE]" not in good
    parsed = json.loads(error)
    assert parsed.keys() == {"error"}
    assert parsed["error"].keys() == {"message", "type", "param", "code"}
    return good, parsed["error"]


def data_of(*frames: bytes) -> list[str]:
    return [text for each in frames for text in datas(each)]


async def cancelled(work: asyncio.Task[Any], once: asyncio.Event) -> None:
    """Cancel ``work`` when it has come so far."""
    await once.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
