"""Workers AI's own endpoint: ``POST /run/{model}``."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, override

import orjson

from llm_gateway import sse
from llm_gateway.adapters.answers import Answer
from llm_gateway.adapters.cloudflare.failures import error_in, failure_in, failure_of
from llm_gateway.adapters.cloudflare.fields import FIELDS
from llm_gateway.adapters.cloudflare.reply import read_result
from llm_gateway.adapters.cloudflare.request import chat_body, max_tokens_of
from llm_gateway.adapters.cloudflare.stream import StreamReader
from llm_gateway.adapters.contract import Call, in_path
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.translating import TranslatingAdapter
from llm_gateway.errors import UpstreamError
from llm_gateway.wire import EVENT_STREAM, JSON, UpstreamRequest

_DONE = b"[DONE]"


class NativeAdapter(TranslatingAdapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._reader: StreamReader | None = None

    @override
    def encode(self) -> UpstreamRequest:
        call, fields = self.call, Fields(FIELDS)
        body = chat_body(call, fields)
        self.dropped = tuple(fields.dropped)
        return call.site.request(
            "POST",
            f"/run/{in_path(call.model)}",
            call.label,
            body=orjson.dumps(body),
            accept=EVENT_STREAM if "stream" in body else JSON,
        )

    @override
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        self._refuse_error(reply)
        result = reply.get("result", reply)
        if not isinstance(result, dict):
            result = {"response": result}
        return read_result(self.call, result, max_tokens_of(self.call.body))

    @override
    def read_event(self, data: dict[str, Any]) -> None:
        self._refuse_error(data)
        self._events.read(data)

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        if event.data.strip() == _DONE:
            self._events.close()
        return super().feed(event)

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return failure_in(status, headers, body, self.call.created)

    @property
    def _events(self) -> StreamReader:
        if self._reader is None:
            limit = max_tokens_of(self.call.body)
            self._reader = StreamReader(self.call, self.chunks, limit)
        return self._reader

    def _refuse_error(self, reply: Mapping[str, Any]) -> None:
        error = error_in(reply)
        if error is not None:
            raise failure_of(HTTPStatus.OK, {}, error, self.call.created)
