"""The fake provider's default answer: an echo of the last user message, or a tool call."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.openai_rules import texts
from support.openai_shapes import (
    JSONObject,
    chunk,
    completion,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    tool_call,
    usage,
)
from support.recording_server import Received, Reply

EVENT_STREAM = [("content-type", "text/event-stream; charset=utf-8")]
REQUEST_ID = ("x-request-id", "req_fake")
SAMPLES: dict[str, object] = {"integer": 1, "number": 1.5, "boolean": True, "array": []}


async def echo(received: Received, reply: Reply) -> None:
    """Answer "You said: " and the last user message, or call a tool when one may be called."""
    body: JSONObject = received.json
    if not body.get("stream"):
        await reply.json(200, _whole(body), [REQUEST_ID])
        return
    await reply.head(200, [*EVENT_STREAM, REQUEST_ID])
    for event in _events(body):
        await reply.event(event)
    await reply.event("[DONE]")


def user_text(body: JSONObject) -> str:
    """Return the text of the last user message, empty when there is none."""
    users = [each for each in body["messages"] if each["role"] == "user"]
    return " ".join(texts(users[-1])) if users else ""


@dataclass(frozen=True)
class _Answer:
    words: list[str]
    call: JSONObject | None
    finish_reason: str
    usage: JSONObject


def _answer(body: JSONObject) -> _Answer:
    call = _tool_call(body)
    words = [] if call else f"You said: {user_text(body)}".split()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    cut = "length" if limit < len(words) else "stop"
    words = words[:limit]
    prompt = sum(len(text.split()) for each in body["messages"] for text in texts(each))
    tokens = (body.get("n") or 1) * (1 if call else len(words))
    return _Answer(words, call, "tool_calls" if call else cut, usage(prompt, tokens))


def _whole(body: JSONObject) -> JSONObject:
    answer = _answer(body)
    calls = [answer.call] if answer.call else []
    one = message(None if calls else " ".join(answer.words), calls)
    messages = [one] * (body.get("n") or 1)
    return completion(body["model"], messages, answer.finish_reason, answer.usage)


def _events(body: JSONObject) -> Iterator[JSONObject]:
    """Yield the chunks; `usage` is in them only with include_usage, null before the last."""
    model, answer = body["model"], _answer(body)
    with_usage = (body.get("stream_options") or {}).get("include_usage") is True
    for index in range(body.get("n") or 1):
        for event in _call_events(model, answer) if answer.call else _text_events(model, answer):
            event["choices"][0]["index"] = index
            yield {**event, "usage": None} if with_usage else event
    if with_usage:
        yield {**chunk(model, None), "usage": answer.usage}


def _text_events(model: str, answer: _Answer) -> Iterator[JSONObject]:
    yield first_chunk(model)
    for number, word in enumerate(answer.words):
        yield text_chunk(model, f" {word}" if number else word)
    yield last_chunk(model, answer.finish_reason)


def _call_events(model: str, answer: _Answer) -> Iterator[JSONObject]:
    """Yield a call as OpenAI streams it: its head, its arguments in two pieces, the end."""
    call = answer.call or {}
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    head = {**tool_call(name, ""), "index": 0}
    yield chunk(model, {"role": "assistant", "content": None, "tool_calls": [head]})
    middle = len(arguments) // 2
    for piece in (arguments[:middle], arguments[middle:]):
        yield chunk(model, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield last_chunk(model, answer.finish_reason)


def _tool_call(body: JSONObject) -> JSONObject | None:
    """Return a call of the tool named in tool_choice, or else of the first function offered."""
    functions = [tool["function"] for tool in body.get("tools") or () if tool["type"] == "function"]
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict) and choice["type"] == "function":
        functions = [each for each in functions if each["name"] == choice["function"]["name"]]
    if not functions or choice == "none" or body["messages"][-1]["role"] != "user":
        return None
    arguments = _arguments(functions[0].get("parameters") or {}, user_text(body))
    return tool_call(functions[0]["name"], json.dumps(arguments))


def _arguments(schema: JSONObject, text: str) -> dict[str, Any]:
    """Return a sample for each required property: `text` for a string, {} for an object."""
    properties = schema.get("properties", {})
    return {name: _sample(properties.get(name, {}), text) for name in schema.get("required", ())}


def _sample(schema: JSONObject, text: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return _arguments(schema, text)
    return SAMPLES.get(schema.get("type", "string"), text)
