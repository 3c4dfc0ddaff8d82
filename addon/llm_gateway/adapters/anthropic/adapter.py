"""One attempt at a chat completion with Anthropic."""

from collections.abc import Mapping
from typing import Any, override

from llm_gateway.adapters.answers import Answer
from llm_gateway.adapters.anthropic.failures import failure
from llm_gateway.adapters.anthropic.fields import FIELDS
from llm_gateway.adapters.anthropic.names import names_to_restore
from llm_gateway.adapters.anthropic.reply import read_reply
from llm_gateway.adapters.anthropic.request import request_of
from llm_gateway.adapters.anthropic.stream import Stream
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.translating import TranslatingAdapter
from llm_gateway.errors import UpstreamError
from llm_gateway.wire import UpstreamRequest


class AnthropicAdapter(TranslatingAdapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._names = names_to_restore(call.body)
        self._stream = Stream(call, self._names, self.chunks)

    @override
    def encode(self) -> UpstreamRequest:
        fields = Fields(FIELDS)
        body, left_out = request_of(self.call, fields)
        self.dropped = (*fields.dropped, *left_out)
        return self.call.post("/messages", body)

    @override
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        return read_reply(self.call, self._names, reply)

    @override
    def read_event(self, data: dict[str, Any]) -> None:
        self._stream.read(data)
        self.over = self._stream.over

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return failure(status, headers, body)
