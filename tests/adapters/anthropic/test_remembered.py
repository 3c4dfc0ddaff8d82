"""Thinking comes back before the calls it led to: unchanged, in its place, to the same model."""

from typing import Any

import pytest

from llm_gateway.adapters.anthropic.remembered import arranged, keep, recall
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import AssistantMessage, Text, ToolCall
from llm_gateway.memory import Memory
from support.calls import make_call

JSONObject = dict[str, Any]
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ"}
SAID = {"type": "text", "text": "I'll look."}
MARK = {"cache_control": {"type": "ephemeral"}}


def use(id: str) -> JSONObject:
    return {"type": "tool_use", "id": id, "name": "f", "input": {"a": 1}}


def call(memory: Memory, model: str = "claude-opus-5") -> Call:
    return make_call({}, model=model, memory=memory)


def message(*ids: str, text: str = "", extra: JSONObject | None = None) -> AssistantMessage:
    parts = (Text(text, extra or {}),) if text else ()
    return AssistantMessage(parts, tuple(ToolCall(id, "f", {"a": 1}) for id in ids), "m")


def again(kept: list[JSONObject], said: AssistantMessage) -> list[JSONObject]:
    """What an answer, kept and recalled, is sent as with the client's message."""
    memory = Memory()
    keep(call(memory), kept)
    texts = [{"type": "text", "text": part.text, **part.extra} for part in said.parts]
    uses = [use(each.id) for each in said.calls]
    return arranged(recall(call(memory), said), said, texts, uses)


@pytest.mark.parametrize(
    "blocks",
    [
        [THOUGHT, use("a")],
        [SECRET, THOUGHT, use("a"), use("b")],
        [THOUGHT, SAID, use("a")],
        [SAID, THOUGHT, use("a"), SECRET, use("b")],
    ],
)
def test_an_answer_comes_back_as_it_was(blocks: list[JSONObject]) -> None:
    text = "".join(block.get("text", "") for block in blocks)
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert again(blocks, message(*ids, text=text)) == blocks


def test_only_what_has_to_come_back_does() -> None:
    noted = {**THOUGHT, "note": "n"}
    found = {"type": "web_search_tool_result", "content": []}
    blank = {"type": "text", "text": "\n\n"}
    assert again([noted, found, blank, use("a")], message("a", text="\n\n")) == [THOUGHT, use("a")]


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        (message("a", text="Changed."), [{"type": "text", "text": "Changed."}, use("a")]),
        (message("a"), [use("a")]),
        (message("a", "b", text="I'll look."), [SAID, use("a"), use("b")]),
        (message("a", text="I'll look.", extra=MARK), [{**SAID, **MARK}, use("a")]),
    ],
)
def test_where_the_client_changed_the_answer_its_thinking_comes_first(
    said: AssistantMessage, rest: list[JSONObject]
) -> None:
    assert again([SAID, THOUGHT, use("a")], said) == [THOUGHT, *rest]


def test_another_model_gets_nothing() -> None:
    memory = Memory()
    keep(call(memory), [THOUGHT, use("a")])
    assert recall(call(memory, "claude-sonnet-5"), message("a")) == []


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [THOUGHT],
        [THOUGHT, SAID],
        [use("a")],
        [THOUGHT, use("")],
        [THOUGHT, {"type": "tool_use", "id": 5}],
        [{"type": ["thinking"]}, use("a")],
    ],
)
def test_what_needs_no_memory_takes_none(blocks: list[JSONObject]) -> None:
    memory = Memory()
    keep(call(memory), blocks)
    assert recall(call(memory), message("a")) == recall(call(memory), message("")) == []


def test_a_message_without_calls_is_not_remembered() -> None:
    assert recall(call(Memory()), message(text="Hi")) == []


def test_strange_thinking_is_kept_as_text() -> None:
    strange = {"type": "thinking", "thinking": 5, "signature": None}
    assert again([strange, use("a")], message("a")) == [
        {"type": "thinking", "thinking": "", "signature": ""},
        use("a"),
    ]
