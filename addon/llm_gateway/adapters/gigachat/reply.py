"""GigaChat's replies and the events of its streams.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat. A reply has no id,
the events of a stream are called ``chat.completion`` as a reply is, and a call of a function comes
whole, with arguments that are an object.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway.adapters.answers import (
    Answer,
    CallMade,
    Choice,
    Chunks,
    FinishReason,
    Tokens,
    tool_call_id,
)
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.gigachat.failures import refuse_error
from llm_gateway.adapters.gigachat.names import names_to_restore
from llm_gateway.adapters.translating import count_in, object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse, UpstreamUnavailable

FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    # What calls functions and stops is "tool_calls" to OpenAI.
    "function_call": "stop",
    "blacklist": "content_filter",
}
"""Why an answer ended; what is not listed here is a ``stop``."""

BROKEN = "error"
"""It ended because the model could not write the arguments of a function."""

_NOT_THE_ANSWER = {"function_in_progress", "search_result"}
"""The roles of what is told meanwhile, while GigaChat runs a function of its own."""


class ReplyReader:
    """Reads one reply, or the events of one stream."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._names = names_to_restore(call.body)
        self._calls = 0
        self._id = ""
        self._state = ""

    def answer(self, reply: Mapping[str, Any]) -> Answer:
        """A whole reply. Raises UpstreamError if it is an error, or no answer."""
        refuse_error(reply)
        self._calls = 0
        choices = tuple(self._choice(each) for each in objects(reply.get("choices")))
        return Answer(choices, tokens_of(reply), text_in(reply, "model"))

    def event(self, data: Mapping[str, Any], chunks: Chunks) -> None:
        """Says to ``chunks`` what an event adds. Raises UpstreamError if it is an error."""
        refuse_error(data)
        chunks.model = text_in(data, "model") or chunks.model
        chunks.tokens = tokens_of(data) or chunks.tokens
        for choice in objects(data.get("choices")):
            index = count_in(choice, "index")
            delta = object_in(choice, "delta")
            if text_in(delta, "role") not in _NOT_THE_ANSWER:
                chunks.reasoning(index, text_in(delta, "reasoning_content"))
                chunks.text(index, text_in(delta, "content"))
                for made in self._made(delta):
                    chunks.call(index, made)
            reason = finish_of(choice)
            if reason is not None:
                chunks.end(index, reason)

    def _choice(self, choice: Mapping[str, Any]) -> Choice:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise UpstreamInvalidResponse("The provider's answer holds no message.")
        self._id = self._state = ""
        return Choice(
            finish_of(choice) or "stop",
            text_in(message, "content"),
            text_in(message, "reasoning_content"),
            calls=self._made(message),
        )

    def _made(self, message: Mapping[str, Any]) -> tuple[CallMade, ...]:
        """The call in a message, none or one; what the provider knows it by is remembered.

        In a stream, that may come before the call or after it.
        """
        function = object_in(message, "function_call")
        made = (self._call_in(function),) if function else ()
        self._id = made[0].id if made else self._id
        self._state = text_in(message, "functions_state_id") or self._state
        if self._id and self._state:
            self._call.memory.keep(self._call.label.provider, self._id, self._state)
        return made

    def _call_in(self, function: Mapping[str, Any]) -> CallMade:
        name = text_in(function, "name")
        if not name:
            raise UpstreamInvalidResponse("The provider called a function and did not say which.")
        id = tool_call_id(self._call, self._calls)
        self._calls += 1
        return CallMade(id, self._names.get(name, name), _arguments(function.get("arguments")))


def finish_of(choice: Mapping[str, Any]) -> FinishReason | None:
    """Why a choice ended, None if it did not. Raises UpstreamUnavailable if it broke off."""
    reason = text_in(choice, "finish_reason")
    if reason == BROKEN:
        raise UpstreamUnavailable("The provider broke its answer off with an error.")
    return FINISH.get(reason, "stop") if reason else None


def tokens_of(reply: Mapping[str, Any]) -> Tokens | None:
    """The account of tokens, None if there is none."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    cached = "precached_prompt_tokens"
    return Tokens(
        count_in(usage, "prompt_tokens"),
        count_in(usage, "completion_tokens"),
        cached=count_in(usage, cached) if cached in usage else None,
    )


def _arguments(value: object) -> str:
    # Text would be JSON already.
    return value if isinstance(value, str) and value else orjson.dumps(value or {}).decode()
