"""A text that breaks off goes on at another target, so that the client sees one unbroken text.

What was said so far is given to a target that goes on with an assistant's message at the end of the
conversation (a *prefill*). Only plain text can be continued that way: not a tool call, not JSON,
not several choices, nothing that counts its tokens one by one. It is off unless a model's
``resume`` asks for it, because the two halves may come from different models.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.config import Model
from llm_gateway.errors import GatewayError, Retry, UpstreamError
from llm_gateway.pipe import OpenStream

MOST_TIMES = 2
"""How often one answer is continued."""

type Reopen = Callable[[str], Awaitable[OpenStream | None]]
"""Opens a held stream that goes on after this text."""

_NOT_PLAIN = ("tools", "functions", "logprobs", "audio")
_TEXT = {"role", "content", "reasoning", "reasoning_content", "reasoning_details"}


def may_resume(model: Model, body: Mapping[str, Any]) -> bool:
    """Whether a stream of this model that answers this request may be continued."""
    if not model.resume or any(body.get(name) for name in _NOT_PLAIN):
        return False
    answer_format = body.get("response_format")
    plain = answer_format is None or object_in(body, "response_format").get("type") == "text"
    return plain and body.get("n") in (None, 1)


class Unbroken:
    """One stream. A :class:`~llm_gateway.pipe.Resumption`."""

    def __init__(self, reopen: Reopen) -> None:
        self._reopen = reopen
        self._said = ""
        self._plain = True
        self._times = 0
        self._envelope: dict[str, Any] | None = None
        self._tail = ""
        """White space that the client has and the target was not told of."""

    def take(self, chunks: list[bytes]) -> list[bytes]:
        """See Resumption."""
        taken = (self._take(chunk) for chunk in chunks)
        return [chunk for chunk in taken if chunk is not None]

    async def go_on(self, failure: GatewayError) -> OpenStream | None:
        """See Resumption."""
        so_far = self._said.rstrip()
        if not self._plain or not so_far or self._times >= MOST_TIMES or not _mendable(failure):
            return None
        self._times += 1
        # Models go on badly after white space, and some providers refuse it.
        stream = await self._reopen(so_far)
        if stream is not None:
            self._tail = self._said[len(so_far) :]
        return stream

    def _take(self, chunk: bytes) -> bytes | None:
        parsed = orjson.loads(chunk)
        if self._times and not self._fit(parsed):
            return None
        if self._envelope is None:
            self._envelope = {name: parsed.get(name) for name in ("id", "created", "model")}
        self._note(parsed)
        return orjson.dumps(parsed) if self._times else chunk

    def _note(self, parsed: Mapping[str, Any]) -> None:
        for choice in objects(parsed.get("choices")):
            delta = object_in(choice, "delta")
            self._said += text_in(delta, "content")
            other = any(value for name, value in delta.items() if name not in _TEXT)
            ended = choice.get("finish_reason") is not None
            if other or ended or choice.get("index") or choice.get("logprobs"):
                self._plain = False

    def _fit(self, parsed: dict[str, Any]) -> bool:
        """Make a later stream's chunk one of the first; whether anything is left in it."""
        parsed.update(self._envelope or {})
        for choice in objects(parsed.get("choices")):
            delta = object_in(choice, "delta")
            delta.pop("role", None)
            if delta.get("content"):
                delta["content"] = self._without_tail(text_in(delta, "content"))
            if any(delta.values()) or choice.get("finish_reason") is not None:
                return True
        return parsed.get("usage") is not None

    def _without_tail(self, text: str) -> str:
        while self._tail and text and text[0] == self._tail[0]:
            self._tail, text = self._tail[1:], text[1:]
        if text:
            self._tail = ""
        return text


def _mendable(failure: GatewayError) -> bool:
    """Whether another call may do better: not where a person or the gateway's end broke it off."""
    if not isinstance(failure, UpstreamError) or failure.code == "gateway_shutdown":
        return False
    return failure.retry is not Retry.NEVER
