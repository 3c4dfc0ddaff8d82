"""The conversation as Anthropic wants it: the user and the assistant speak by turns.

Adjacent messages of the same role become one turn. The results of an answer's tool calls are the
beginning of the user's next turn, in the order of the calls. The user has the first word.
Instructions are no turn: they stand apart, all together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from llm_gateway.adapters.anthropic.blocks import Block, blocks_of, text_block, texts_of
from llm_gateway.adapters.anthropic.names import call_id, tool_name
from llm_gateway.adapters.anthropic.remembered import THINKING, arranged
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

OPENING = "(The conversation begins.)"
"""What the user says where the client has nobody speak before the assistant."""

SILENCE = "(The user says nothing.)"
"""In place of a last message of the user's that is empty: without it, the answer before would be
taken for one to be gone on with."""

type Recall = Callable[[AssistantMessage], Sequence[Block]]


def instructions_of(messages: Iterable[Message]) -> list[Block]:
    """The system's and the developer's messages, wherever they stand."""
    blocks: list[Block] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            blocks += _marked(blocks_of(message.parts, message.where), message)
    return blocks


def turns_of(messages: Iterable[Message], recall: Recall) -> list[Block]:
    """The turns, each with a role and blocks; ``recall`` gives what is remembered of an answer.

    Raises UpstreamUnsupported for a file that Anthropic does not take.
    """
    turns = _Turns(recall)
    last: Message | None = None
    for last in messages:
        turns.add(last)
    return turns.finish(by_user=isinstance(last, UserMessage))


def goes_on_without_thinking(turns: Sequence[Block]) -> bool:
    """Whether the next answer goes on with one that does not begin with thinking.

    That is an answer whose calls have just got their results, or the first of several in a row; or
    one that the client has begun itself.
    """
    if turns[-1]["role"] == "assistant":
        return True
    begun: Sequence[Block] = ()
    for answer, user in zip(turns[-2::-2], turns[::-2], strict=False):
        if user["content"][0]["type"] != "tool_result":
            break
        begun = answer["content"]
    return bool(begun) and begun[0]["type"] not in THINKING


def without_thinking(turns: Iterable[Block]) -> list[Block]:
    """The same turns, but for their thinking."""
    return [
        {**turn, "content": [each for each in turn["content"] if each["type"] not in THINKING]}
        for turn in turns
    ]


def _marked(blocks: list[Block], message: Message) -> list[Block]:
    """What marks the message as a whole belongs to its last block."""
    return [*blocks[:-1], {**blocks[-1], **message.extra}] if blocks else blocks


@dataclass(slots=True)
class _Turns:
    recall: Recall
    turns: list[Block] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """All ids so far."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Of each of the client's ids that came again, the last number that was put to it."""
    waiting: dict[str, Block] = field(default_factory=dict)
    """The results of the last answer's calls, by the client's ids, still without content."""
    left: int = 0
    """How many of them have not come yet."""

    def add(self, message: Message) -> None:
        """The next message."""
        match message:
            case ToolMessage():
                self._result(message)
            case UserMessage():
                self._say("user", _marked(blocks_of(message.parts, message.where), message))
            case AssistantMessage():
                self._say("assistant", _marked(self._answer(message), message))
            case _:
                pass  # Instructions are no turn.

    def finish(self, *, by_user: bool) -> list[Block]:
        """The whole conversation; ``by_user``: the last message is the user's."""
        if not self.turns or self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "content": [text_block(OPENING)]})
        if self.turns[-1]["role"] == "user":
            return self.turns
        if by_user:
            self._say("user", [text_block(SILENCE)])
        else:
            _strip_end(self.turns[-1]["content"])
        return self.turns

    def _say(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def _answer(self, message: AssistantMessage) -> list[Block]:
        self.waiting.clear()
        uses = [self._use(call) for call in message.calls]
        self.left = len(uses)
        texts = blocks_of(message.parts, message.where)
        return arranged(self.recall(message), message, texts, uses)

    def _use(self, call: ToolCall) -> Block:
        id = self._free_id(call.id)
        self.waiting[call.id] = {"type": "tool_result", "tool_use_id": id}
        return {
            "type": "tool_use",
            "id": id,
            "name": tool_name(call.name),
            "input": call.arguments,
            **call.extra,
        }

    def _free_id(self, id: str) -> str:
        """An id not taken yet: there are providers that count from 0 in each answer."""
        free = call_id(id)
        while free in self.taken:
            number = self.numbers[id] = self.numbers.get(id, 1) + 1
            free = call_id(f"{id}-{number}")
        self.taken.add(free)
        return free

    def _result(self, message: ToolMessage) -> None:
        content = texts_of(message.parts, message.where)
        said = {"content": content} if content else {}
        self.waiting[message.call_id] |= {**said, **message.extra}
        self.left -= 1
        if not self.left:
            self._say("user", list(self.waiting.values()))


def _strip_end(blocks: list[Block]) -> None:
    """An answer that is begun already may not end with white space; it ends with text."""
    blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}
