"""Chat: ``generateContent`` and ``streamGenerateContent``.

A stream is the same reply in pieces: each event has the format of a whole one, texts are to be
joined, a tool call comes at once, the usage counts all that was until then. Streams end with their
connection; they have no ``[DONE]``.
"""

from collections.abc import Mapping
from typing import Any, override

from llm_gateway.adapters.answers import Answer, Choice
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.gemini.failures import failure_of, raise_error_in
from llm_gateway.adapters.gemini.fields import FIELDS
from llm_gateway.adapters.gemini.reply import (
    Reader,
    Said,
    blocked,
    finish_of,
    index_of,
    logprobs_of,
    tokens_of,
    withheld,
)
from llm_gateway.adapters.gemini.request import chat_body, chat_path
from llm_gateway.adapters.translating import TranslatingAdapter, object_in, objects, text_in
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse
from llm_gateway.wire import UpstreamRequest


class GeminiAdapter(TranslatingAdapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._reader = Reader(call)
        self._usage: dict[str, Any] = {}
        self._answered: set[int] = set()

    @override
    def encode(self) -> UpstreamRequest:
        fields = Fields(FIELDS)
        body = chat_body(self.call, fields)
        self.dropped = tuple(fields.dropped)
        return self.call.post(chat_path(self.call), body)

    @override
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        raise_error_in(reply, self.call.created)
        candidates = objects(reply.get("candidates"))
        if candidates:
            reader = Reader(self.call)
            ordered = sorted(enumerate(candidates), key=lambda each: index_of(each[1], each[0]))
            choices = tuple(_choice(candidate, reader.read(candidate)) for _, candidate in ordered)
        elif reason := blocked(reply):
            choices = (Choice("content_filter", refusal=reason),)
        else:
            raise UpstreamInvalidResponse("The provider's answer holds no candidates.")
        usage = object_in(reply, "usageMetadata")
        return Answer(choices, tokens_of(usage), text_in(reply, "modelVersion"))

    @override
    def read_event(self, data: dict[str, Any]) -> None:
        raise_error_in(data, self.call.created)
        self.chunks.model = text_in(data, "modelVersion") or self.chunks.model
        self._usage |= object_in(data, "usageMetadata")
        self.chunks.tokens = tokens_of(self._usage)
        candidates = objects(data.get("candidates"))
        for position, candidate in enumerate(candidates):
            self._read_piece(index_of(candidate, position), candidate)
        if not candidates and (reason := blocked(data)):
            self.chunks.refusal(0, reason)
            self.chunks.end(0, "content_filter")

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return failure_of(status, headers, error_object(body), self.call.created)

    def _read_piece(self, index: int, candidate: Mapping[str, Any]) -> None:
        said = self._reader.read(candidate)
        self._say(index, said)
        logprobs = logprobs_of(candidate)
        if logprobs is not None:
            self.chunks.logprobs(index, logprobs)
        if said.is_answer:
            self._answered.add(index)
        answered = index in self._answered
        finish = finish_of(candidate, answered=answered)
        if finish is None:
            return
        if finish == "content_filter" and not answered:
            self.chunks.refusal(index, withheld(candidate))
        self.chunks.end(index, finish)

    def _say(self, index: int, said: Said) -> None:
        self.chunks.reasoning(index, said.reasoning)
        self.chunks.text(index, said.content)
        for url in said.images:
            self.chunks.image(index, url)
        for made in said.calls:
            self.chunks.call(index, made)


def _choice(candidate: Mapping[str, Any], said: Said) -> Choice:
    finish = finish_of(candidate, answered=said.is_answer)
    if finish is None:
        if not said.is_answer:
            raise UpstreamInvalidResponse("The provider's answer is empty.")
        finish = "stop"
    return Choice(
        finish,
        content=said.content,
        reasoning=said.reasoning,
        refusal=withheld(candidate) if finish == "content_filter" and not said.is_answer else "",
        calls=said.calls,
        images=said.images,
        logprobs=logprobs_of(candidate),
    )
