"""One call to the fault server, and what an answer to it may be made of."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.echo import EVENT_STREAM
from support.marks import mark
from support.openai_shapes import (
    JSONObject,
    completion,
    error_body,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    usage,
)
from support.recording_server import Received, Reply

type Script = Callable[["Attempt"], Awaitable[None]]

PIECES = 3
"""How many pieces of content a good answer has."""

CANARY = "sk-proj-Canary0Canary1Canary2Canary3"
"""A key that the provider repeats in each error: no client may see it."""


@dataclass(frozen=True)
class Attempt:
    """One call to be answered: its number, what was asked, and how to answer.

    `reused` tells whether its connection had carried another call before; `let_go` is set when the
    test lets held answers go on.
    """

    number: int
    reused: bool
    received: Received
    reply: Reply
    let_go: asyncio.Event

    @property
    def asked(self) -> Any:
        """The request's body."""
        return self.received.json

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.asked["model"])

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.asked.get("stream"))

    def piece(self, place: int) -> JSONObject:
        """The chunk with piece `place` (from 0) of the content."""
        return text_chunk(self.model, mark(self.number, place))

    def whole(self) -> JSONObject:
        """A good answer that is no stream."""
        text = "".join(mark(self.number, place) for place in range(PIECES))
        return completion(self.model, [message(text)], "stop", usage(1, PIECES))

    def error(self, code: int | str | None = None) -> JSONObject:
        """An error's body, with a sentence that names this call and holds the canary."""
        text = f"Failure of call {self.number} with the key {CANARY}."
        return error_body(text, "server_error", code=code)

    async def released(self) -> None:
        """Wait until the test lets held answers go on; raises as `pause` does."""

        async def wait() -> None:
            await self.let_go.wait()

        await self.reply.unless_gone(wait())

    async def pause(self, seconds: float) -> None:
        """Wait; raises ConnectionResetError when the peer leaves meanwhile."""
        await self.reply.unless_gone(asyncio.sleep(seconds))

    async def begin(self) -> None:
        """Send the head of a stream, and the chunk that says who speaks."""
        await self.reply.head(200, EVENT_STREAM)
        await self.reply.event(first_chunk(self.model))

    async def pieces(self, first: int = 0, count: int = PIECES) -> None:
        """Send `count` pieces of content from `first` on."""
        for place in range(first, first + count):
            await self.reply.event(self.piece(place))

    async def finish(self) -> None:
        """Send the chunk with the finish reason, and [DONE]."""
        await self.reply.event(last_chunk(self.model))
        await self.reply.event("[DONE]")

    def frames(self, end: str = "\n") -> Iterator[str]:
        """The events of a good stream as they stand on the wire."""
        chunks = [first_chunk(self.model), *map(self.piece, range(PIECES)), last_chunk(self.model)]
        for data in (*map(json.dumps, chunks), "[DONE]"):
            yield f"data: {data}{end}{end}"
