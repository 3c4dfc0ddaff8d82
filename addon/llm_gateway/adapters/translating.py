"""What the formats that are not OpenAI's have in common: the way from their replies to answers.

A format says three things: how a whole reply reads (``read_reply``), what an event of a stream adds
(``read_event``), and what an error object means (``error``). Streams end by ``[DONE]``, by an event
of the format's own (which sets ``over``), or with the connection; they are whole if every choice
that began has ended.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, override

import orjson

from llm_gateway import sse
from llm_gateway.adapters.answers import (
    MAX_COUNT,
    Answer,
    Chunks,
    Tokens,
    completion,
    completion_as_chunks,
)
from llm_gateway.adapters.contract import Adapter, Call
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.json_values import has_more_values
from llm_gateway.nesting import too_deep

MAX_VALUES = 5_000_000
"""Of JSON in an answer. Log probabilities are the most: some hundred values for each token."""

MAX_ESCAPES = 1_000_000
"""Backslashes in an answer that is to be mended, which is looked at one by one."""

_DONE = b"[DONE]"


class TranslatingAdapter(Adapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.chunks = Chunks(call)
        self.over = False
        """For ``read_event`` to set: nothing comes after this event."""

    @abstractmethod
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        """A whole 2xx reply. Raises UpstreamError if it is an error or holds no answer."""

    @abstractmethod
    def read_event(self, data: dict[str, Any]) -> None:
        """Say to ``self.chunks`` what an event adds. Raises UpstreamError if it is an error."""

    @override
    def decode(self, body: bytes) -> bytes:
        return completion(self.call, self._answer(body))

    @override
    def decode_as_stream(self, body: bytes) -> list[bytes]:
        chunks = completion_as_chunks(self.call, self._answer(body))
        self.done = True
        return chunks

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        data = event.data.strip()
        if self.done or not data:
            return []
        if data == _DONE:
            return self.end()
        self.read_event(parse_object(data, "An event of the provider's stream"))
        self._count(self.chunks.tokens)
        return self.end() if self.over else self.chunks.take()

    @override
    def end(self) -> list[bytes]:
        if self.done:
            return []
        if not self.chunks.complete:
            raise UpstreamInvalidResponse(
                "The provider's stream ended before its answer was complete.",
                code="upstream_stream_incomplete",
            )
        self.done = True
        return self.chunks.finish()

    def _answer(self, body: bytes) -> Answer:
        answer = self.read_reply(parse_object(body, "The provider's answer"))
        if not answer.choices:
            raise UpstreamInvalidResponse("The provider's answer holds no choices.")
        self._count(answer.tokens)
        return answer

    def _count(self, tokens: Tokens | None) -> None:
        if tokens is not None:
            self.usage = tokens.as_usage()


def parse_object(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``body``; what is no text in it is replaced.

    An error may be wrapped in a list, as errors are told in the middle of a stream.

    Raises UpstreamInvalidResponse whose sentence begins with ``what``.
    """
    value, _ = read_json(body, what)
    if isinstance(value, list) and objects(value[:1]) and value[0].get("error"):
        value = value[0]
    if not isinstance(value, dict):
        raise UpstreamInvalidResponse(f"{what} is no JSON object.")
    if too_deep(body, value):
        raise UpstreamInvalidResponse(f"{what} is nested too deep.")
    return value


def read_json(data: bytes, what: str) -> tuple[Any, bytes]:
    """The JSON value in ``data``, and its bytes with what is no text in it replaced.

    Raises UpstreamInvalidResponse whose sentence begins with ``what``.
    """
    if has_more_values(data, MAX_VALUES):
        raise UpstreamInvalidResponse(f"{what} has more than {MAX_VALUES} values.")
    try:
        return orjson.loads(data), data
    except orjson.JSONDecodeError:
        data = mended(data)
    try:
        return orjson.loads(data), data
    except orjson.JSONDecodeError as error:
        raise UpstreamInvalidResponse(f"{what} is not valid JSON.", detail=str(error)) from error


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""What a backslash begins in JSON; the group is half of a pair of surrogates, without the other."""


def mended(data: bytes) -> bytes:
    """JSON with what is no text in it replaced: invalid UTF-8, and halves of characters.

    A model that is cut off in the middle of an emoji leaves one, and most readers take it. With
    more than ``MAX_ESCAPES`` it stays as it is.
    """
    if data.count(b"\\") > MAX_ESCAPES:
        return data
    text = data.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in what should be a list of them; a reply is never trusted to be well-formed."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def object_in(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object under ``name``, ``{}`` if there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """The string under ``name``, empty if there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def count_in(fields: Mapping[str, Any], name: str) -> int:
    """The count under ``name``, 0 if there is none; what is beyond ``MAX_COUNT`` is none."""
    value = fields.get(name)
    return value if type(value) is int and 0 < value <= MAX_COUNT else 0
