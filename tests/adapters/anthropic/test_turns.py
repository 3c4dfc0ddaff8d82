"""Messages become turns: the user first, then by turns, results before anything else."""

from typing import Any

import pytest

from llm_gateway.adapters.anthropic.turns import (
    OPENING,
    SILENCE,
    goes_on_without_thinking,
    instructions_of,
    turns_of,
    without_thinking,
)
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Message,
    SystemMessage,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)

JSONObject = dict[str, Any]
MARK: Any = {"cache_control": {"type": "ephemeral"}}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}


def block(text: str) -> JSONObject:
    return {"type": "text", "text": text}


def user(text: str, **extra: Any) -> UserMessage:
    return UserMessage((Text(text),), "m", extra=extra)


def model(text: str = "", *ids: str, **extra: Any) -> AssistantMessage:
    parts = (Text(text),) if text else ()
    return AssistantMessage(parts, tuple(ToolCall(id, "f", {}) for id in ids), "m", extra=extra)


def result(id: str, text: str = "r", **extra: Any) -> ToolMessage:
    return ToolMessage(id, "f", (Text(text),), "m", extra)


def turns(*messages: Message) -> list[tuple[str, list[JSONObject]]]:
    return [(each["role"], each["content"]) for each in turns_of(messages, lambda _: [])]


def kinds(*messages: Message) -> list[str]:
    """The turns in short: u for the user, a for the assistant, and the types of the blocks."""
    return [f"{role[0]} {' '.join(b['type'] for b in blocks)}" for role, blocks in turns(*messages)]


def used(id: str) -> JSONObject:
    return {"type": "tool_use", "id": id, "name": "f", "input": {}}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], [("user", [block(OPENING)])]),
        ([user("a"), user("b")], [("user", [block("a"), block("b")])]),
        ([user("a"), user(""), model(""), user("b")], [("user", [block("a"), block("b")])]),
        ([model("a")], [("user", [block(OPENING)]), ("assistant", [block("a")])]),
        ([user("a"), model("b \n")], [("user", [block("a")]), ("assistant", [block("b")])]),
        (
            [user("a"), model("b "), user("c")],
            [("user", [block("a")]), ("assistant", [block("b ")]), ("user", [block("c")])],
        ),
        (
            [user("a", **MARK), model("b ", **MARK), user("", **MARK)],
            [
                ("user", [block("a") | MARK]),
                ("assistant", [block("b ") | MARK]),
                ("user", [block(SILENCE)]),
            ],
        ),
        (
            [user("a"), model("", "1"), result("1"), user(" ")],
            [
                ("user", [block("a")]),
                ("assistant", [used("1")]),
                ("user", [{"type": "tool_result", "tool_use_id": "1", "content": "r"}]),
            ],
        ),
    ],
)
def test_who_speaks_when(messages: list[Message], expected: object) -> None:
    assert turns(*messages) == expected


def test_instructions_stand_apart_wherever_they_were() -> None:
    system = SystemMessage((Text("Be"), Text("brief")), "m", MARK)
    assert instructions_of([user("a"), system, model("b"), SystemMessage((Text(" "),), "m")]) == [
        block("Be"),
        block("brief") | MARK,
    ]
    assert kinds(user("a"), system, user("b")) == ["u text text"]


def test_results_come_before_any_text_in_the_order_of_the_calls() -> None:
    said = turns(user("a"), model("", "1", "2"), result("2", "two"), result("1", ""), user("b"))
    assert said[2] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "1"},
            {"type": "tool_result", "tool_use_id": "2", "content": "two"},
            block("b"),
        ],
    )


def test_marks_of_calls_and_results_stay_there() -> None:
    said = turns(user("a"), model("", "1", "2", **MARK), result("1", **MARK), result("2"))
    assert said[1][1] == [used("1"), used("2") | MARK]
    assert [MARK.items() <= each.items() for each in said[2][1]] == [True, False]


def test_ids_that_come_again_are_told_apart() -> None:
    once: list[Message] = [model("", "0", "1"), result("1", "y"), result("0", "x")]
    said = turns(user("a"), *once, *once, *once)
    ids = [b["id"] for role, blocks in said if role == "assistant" for b in blocks]
    assert ids == ["0", "1", "0-2", "1-2", "0-3", "1-3"]
    results = [(b["tool_use_id"], b["content"]) for b in said[4][1]]
    assert results == [("0-2", "x"), ("1-2", "y")]


def test_an_id_that_comes_thousands_of_times_is_found_a_likeness_in_linear_time() -> None:
    once: list[Message] = [model("", "0"), result("0", "x")]
    said = turns(user("a"), *once * 4000)
    assert said[-2][1][0]["id"] == "0-4000"


def test_an_answer_is_put_together_with_what_is_remembered_of_it() -> None:
    kept = [THOUGHT, {"type": "tool_use", "id": "1"}]
    remembered = turns_of([user("a"), model("", "1"), result("1")], lambda _: kept)
    assert remembered[1]["content"] == [THOUGHT, used("1")]
    assert without_thinking(remembered) == turns_of(
        [user("a"), model("", "1"), result("1")], lambda _: []
    )


CALLED: list[Message] = [model("", "1"), result("1")]
AGAIN: list[Message] = [model("", "2"), result("2")]


@pytest.mark.parametrize(
    ("messages", "thought_of", "without"),
    [
        ([user("a")], "", False),
        ([user("a"), model("b"), user("c")], "", False),
        ([user("a"), model("b")], "", True),
        ([user("a"), *CALLED], "", True),
        ([user("a"), *CALLED], "1", False),
        ([user("a"), *CALLED, user("b")], "", True),
        ([user("a"), *CALLED, user("b"), user("c")], "1", False),
        ([user("a"), *CALLED, *AGAIN], "1", False),
        ([user("a"), *CALLED, *AGAIN], "2", True),
        ([user("a"), *CALLED, model("b"), user("c")], "", False),
        ([user("a"), *CALLED, model("b"), user("c"), *AGAIN], "1", True),
        ([user("a"), *CALLED, model("b"), user("c"), *AGAIN], "2", False),
    ],
)
def test_an_answer_that_goes_on_needs_the_thinking_it_began_with(
    messages: list[Message], thought_of: str, without: bool
) -> None:
    def recall(said: AssistantMessage) -> list[JSONObject]:
        return [THOUGHT] if said.calls and said.calls[0].id == thought_of else []

    assert goes_on_without_thinking(turns_of(messages, recall)) is without
