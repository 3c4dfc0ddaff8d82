"""The messages of a conversation as GigaChat takes them.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat. Content is a
string: parts of text become its lines. There is one system message, and it comes first: it holds
all of them, also those that came later. A message calls one function, with arguments that are an
object, and the function's result, an object in a string, comes right after.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import (
    AssistantMessage,
    Conversation,
    Media,
    Message,
    SystemMessage,
    Text,
    ToolMessage,
    UserMessage,
    joined,
)
from llm_gateway.adapters.gigachat.fields import JSON_INSTRUCTION
from llm_gateway.adapters.gigachat.names import function_name
from llm_gateway.adapters.gigachat.pictures import Key, key_of

_PARAGRAPH = "\n\n"
_LINE = "\n"


def messages_of(
    call: Call, conversation: Conversation, files: Mapping[Key, str]
) -> list[dict[str, Any]]:
    """The messages; ``files`` are the ids of the pictures in them, which were uploaded."""
    return [*_system(conversation), *_turns(call, conversation.messages, files)]


def _system(conversation: Conversation) -> Iterator[dict[str, Any]]:
    messages = conversation.messages
    texts = [joined(each.parts, _LINE) for each in messages if isinstance(each, SystemMessage)]
    if conversation.format is not None and conversation.format.schema is None:
        texts.append(JSON_INSTRUCTION)
    content = _PARAGRAPH.join(filter(None, texts))
    if content:
        yield {"role": "system", "content": content}


def _turns(
    call: Call, messages: Sequence[Message], files: Mapping[Key, str]
) -> Iterator[dict[str, Any]]:
    allowance = Allowance()
    for index, message in enumerate(messages, 1):
        if isinstance(message, UserMessage):
            yield _user(message, files)
        elif isinstance(message, AssistantMessage) and message.calls:
            # Each of them is answered right after them, in whatever order.
            answers = messages[index : index + len(message.calls)]
            results = {each.call_id: each.text for each in answers if isinstance(each, ToolMessage)}
            yield from _calls(call, message, results, allowance)
        elif isinstance(message, AssistantMessage):
            yield {"role": "assistant", "content": joined(message.parts, _LINE)}


def _user(message: UserMessage, files: Mapping[Key, str]) -> dict[str, Any]:
    texts = [part for part in message.parts if isinstance(part, Text)]
    pictures = [files[key_of(part)] for part in message.parts if isinstance(part, Media)]
    attached = {"attachments": pictures} if pictures else {}
    return {"role": "user", "content": joined(texts, _LINE), **attached}


def _calls(
    call: Call, message: AssistantMessage, results: Mapping[str, str], allowance: Allowance
) -> Iterator[dict[str, Any]]:
    content = joined(message.parts, _LINE)
    for made in message.calls:
        name = function_name(made.name)
        state = call.memory.recall(call.label.provider, made.id)
        yield {
            "role": "assistant",
            "content": content,
            "function_call": {"name": name, "arguments": made.arguments},
            **({} if state is None else {"functions_state_id": state}),
        }
        content = _object(results[made.id], allowance)
        yield {"role": "function", "name": name, "content": content}
        content = ""


def _object(result: str, allowance: Allowance) -> str:
    """A function's result as a JSON object: as it is if it is one, or else as ``result`` in one."""
    try:
        value = allowance.read(result)
    except ValueError:
        return orjson.dumps({"result": result}).decode()
    # The text itself, not the value: what is written twice may be written differently.
    return result if isinstance(value, dict) else f'{{"result":{result}}}'
