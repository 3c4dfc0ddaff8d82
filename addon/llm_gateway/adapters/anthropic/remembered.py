"""The thinking that has to come back with a tool's result.

Anthropic signs the thinking before a tool call and wants to see it again, unchanged and in its
place, when the result is sent. OpenAI's format has no place for it, so the shape of such an answer
is remembered by the id of its first call. It counts for the same model only: to another its
signatures mean nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from llm_gateway.adapters.anthropic.blocks import Block, text_block
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import AssistantMessage, joined
from llm_gateway.adapters.translating import objects, text_in

THINKING: Mapping[str, tuple[str, ...]] = {
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
}
"""The kinds of block that hold thinking, and what has to come back of them."""

_KEPT: Mapping[str, tuple[str, ...]] = {
    **THINKING,
    "text": ("type", "text"),
    "tool_use": ("type", "id"),
}


def keep(call: Call, blocks: Sequence[Mapping[str, Any]]) -> None:
    """Remember an answer's content, if there is thinking in it and a tool is called."""
    kept = [
        {key: text_in(block, key) for key in _KEPT[text_in(block, "type")]}
        for block in blocks
        if text_in(block, "type") in _KEPT
    ]
    ids = [text_in(block, "id") for block in kept if block["type"] == "tool_use"]
    if not ids or not ids[0] or not any(block["type"] in THINKING for block in kept):
        return
    memory = {"model": call.model, "blocks": kept}
    call.memory.keep(call.label.provider, ids[0], orjson.dumps(memory).decode())


def recall(call: Call, message: AssistantMessage) -> list[Block]:
    """The content remembered of the answer that ``message`` is; empty if there is none."""
    if not message.calls:
        return []
    text = call.memory.recall(call.label.provider, message.calls[0].id)
    if text is None:
        return []
    memory = orjson.loads(text)
    return objects(memory["blocks"]) if memory["model"] == call.model else []


def arranged(
    kept: Sequence[Block], message: AssistantMessage, texts: list[Block], uses: list[Block]
) -> list[Block]:
    """The blocks of ``message``, its thinking among them.

    ``texts`` and ``uses`` are the message's own. They stand as they stood in the answer; where the
    client has changed that, the thinking comes first.
    """
    thinking = [block for block in kept if block["type"] in THINKING]
    if not _same(kept, message):
        return [*thinking, *texts, *uses]
    left = iter(uses)
    blocks: list[Block] = []
    for block in kept:
        if block["type"] == "tool_use":
            blocks.append(next(left))
        elif block["type"] in THINKING:
            blocks.append(block)
        elif block["text"].strip():
            blocks.append(text_block(block["text"]))
    return blocks


def _same(kept: Sequence[Block], message: AssistantMessage) -> bool:
    said = "".join(block["text"] for block in kept if block["type"] == "text")
    ids = [block["id"] for block in kept if block["type"] == "tool_use"]
    return (
        said == joined(message.parts)
        and ids == [call.id for call in message.calls]
        and not any(part.extra for part in message.parts)
    )
