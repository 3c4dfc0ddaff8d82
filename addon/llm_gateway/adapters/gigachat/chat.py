"""GigaChat's ``POST /chat/completions``, and the upload of pictures before it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, override

import orjson

from llm_gateway.adapters.answers import Answer
from llm_gateway.adapters.contract import Call, Steps
from llm_gateway.adapters.gigachat.client import client_headers
from llm_gateway.adapters.gigachat.failures import failure_of
from llm_gateway.adapters.gigachat.pictures import Key, upload
from llm_gateway.adapters.gigachat.reply import ReplyReader
from llm_gateway.adapters.gigachat.request import ChatRequest, read_request
from llm_gateway.adapters.translating import TranslatingAdapter
from llm_gateway.errors import UpstreamError
from llm_gateway.wire import EVENT_STREAM, JSON, UpstreamRequest


class GigaChatAdapter(TranslatingAdapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._reader = ReplyReader(call)
        self._files: Mapping[Key, str] = {}

    @cached_property
    def _request(self) -> ChatRequest:
        return read_request(self.call)

    @override
    def prepare(self) -> Steps[None]:
        self._files = yield from upload(self.call, self._request.conversation.messages)

    @override
    def encode(self) -> UpstreamRequest:
        call = self.call
        self.dropped = self._request.dropped
        return call.site.request(
            "POST",
            "/chat/completions",
            call.label,
            body=orjson.dumps(self._request.body(self._files)),
            accept=EVENT_STREAM if call.stream else JSON,
            headers=client_headers(call.body),
        )

    @override
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        return self._reader.answer(reply)

    @override
    def read_event(self, data: dict[str, Any]) -> None:
        self._reader.event(data, self.chunks)

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return failure_of(status, headers, body)
