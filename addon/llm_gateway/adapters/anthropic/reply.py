"""A whole reply of Anthropic's, read."""

from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway.adapters.answers import Answer, CallMade, Choice, FinishReason, tool_call_id
from llm_gateway.adapters.anthropic.failures import reported
from llm_gateway.adapters.anthropic.remembered import keep
from llm_gateway.adapters.anthropic.usage import Counter
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.failures import redact
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse

FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""``stop_reason``, in OpenAI's words; one that is not known is an ordinary end."""


def read_reply(call: Call, names: Mapping[str, str], reply: Mapping[str, Any]) -> Answer:
    """The answer; ``names`` are tools' names to be restored.

    Raises UpstreamError if the reply is an error or holds no answer.
    """
    if reply.get("type") == "error" or reply.get("error"):
        raise reported(reply)
    if not isinstance(reply.get("content"), list):
        raise UpstreamInvalidResponse("The provider's answer holds no content.")
    blocks = objects(reply["content"])
    keep(call, blocks)
    uses = [block for block in blocks if block.get("type") == "tool_use"]
    counter = Counter()
    counter.add(object_in(reply, "usage"))
    choice = Choice(
        finish=finish_of(reply),
        content=_joined(blocks, "text"),
        reasoning=_joined(blocks, "thinking"),
        refusal=refusal_of(reply),
        calls=tuple(_call(call, names, use, number) for number, use in enumerate(uses)),
    )
    return Answer((choice,), counter.tokens(), text_in(reply, "model"))


def finish_of(ended: Mapping[str, Any]) -> FinishReason:
    """Why the answer ended."""
    return FINISH.get(text_in(ended, "stop_reason"), "stop")


def refusal_of(ended: Mapping[str, Any]) -> str:
    """What Anthropic says of a refusal, if it does."""
    if text_in(ended, "stop_reason") != "refusal":
        return ""
    return redact(text_in(object_in(ended, "stop_details"), "explanation"))


def call_made(
    call: Call, names: Mapping[str, str], use: Mapping[str, Any], number: int, arguments: str
) -> CallMade:
    """The ``number``-th call of the answer. Raises UpstreamInvalidResponse if it has no name."""
    name = text_in(use, "name")
    if not name:
        raise UpstreamInvalidResponse("The provider's answer calls a tool without a name.")
    id = text_in(use, "id") or tool_call_id(call, number)
    return CallMade(id, names.get(name, name), arguments)


def arguments_of(use: Mapping[str, Any]) -> str:
    """The arguments of a call as JSON text."""
    return orjson.dumps(object_in(use, "input")).decode()


def _call(call: Call, names: Mapping[str, str], use: Mapping[str, Any], number: int) -> CallMade:
    return call_made(call, names, use, number, arguments_of(use))


def _joined(blocks: list[dict[str, Any]], kind: str) -> str:
    return "".join(text_in(block, kind) for block in blocks if block.get("type") == kind)
