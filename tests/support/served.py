"""The API over a fake wire, and the one line that it logs."""

import asyncio
import json
import logging
from typing import Any

import pytest

from llm_gateway.api.http import ClientRequest
from llm_gateway.api.identity import Identity
from llm_gateway.api.server import Api
from llm_gateway.config import Config
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.runtime import Runtime
from support.fakes import (
    KEY,
    TOKEN,
    FakeResponse,
    FakeSink,
    FakeWire,
    chat_body,
    frame,
    make_config,
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

PROMPT = "canary-prompt"


STREAMED = chat_body("canary-prompt", stream=True, stream_options={"include_usage": True})
"""A request for a stream that counts."""


ANSWER = json.dumps(completion("up", [message("canary-answer")], "stop", usage(3, 2))).encode()


FIRST = frame(first_chunk("up"))


HELLO = frame(text_chunk("up", "canary-answer"))


LAST = frame(last_chunk("up")) + frame({**chunk("up", None), "usage": usage(3, 2)})


DONE = frame("[DONE]")


BROKEN = UpstreamConnectionError("It broke.", detail="ServerDisconnectedError: Server disconnected")


class Clock:
    """Each look at it is a tenth of a second later."""

    def __init__(self) -> None:
        self._now = 100.0

    def __call__(self) -> float:
        self._now += 0.1
        return self._now


class Served:
    """An API over one wire, and what it logs."""

    def __init__(
        self,
        caplog: pytest.LogCaptureFixture,
        *answers: FakeResponse | Exception | asyncio.Event,
        config: Config | None = None,
    ) -> None:
        self.config = config or make_config()
        self.wire = FakeWire(*answers)
        wires = {provider: self.wire for provider in self.config.providers.values()}
        self.runtime = Runtime(self.config, Identity(()), wires, lambda wire: wire, 1_763_700_000)
        self.api = Api(lambda: self.runtime, Clock())
        self._caplog = caplog

    async def serve(
        self,
        path: str = "/v1/chat/completions",
        body: dict[str, Any] | bytes | None = None,
        *,
        method: str = "POST",
        sink: FakeSink | None = None,
    ) -> FakeSink:
        sink = sink or FakeSink()
        if body is None:
            body = chat_body(PROMPT)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.api.serve(ClientRequest("req_test", method, path, data), sink)
        return sink

    @property
    def line(self) -> str:
        """The one line that was logged for the exchange: short of secrets, and really one."""
        [line] = [r.getMessage() for r in self._caplog.records if r.levelno == logging.INFO]
        assert line.isprintable()
        for secret in (KEY, TOKEN, PROMPT, "canary-answer"):
            assert secret not in self._caplog.text
        return line


def error_of(sink: FakeSink) -> dict[str, Any]:
    """The error object of a whole JSON answer."""
    assert sink.ended
    assert not sink.streamed
    assert sink.header("content-type") == "application/json"
    body = json.loads(sink.body)
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error
