"""The fake OpenAI's own answers: see support.compatible_answers."""

from collections.abc import Iterator

from support.compatible_answers import Said, answer_to
from support.openai_shapes import (
    JSONObject,
    chunk,
    completion,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    usage,
)
from support.recording_server import Received, Reply

EVENT_STREAM = [("content-type", "text/event-stream; charset=utf-8")]
REQUEST_ID = ("x-request-id", "req_fake")


async def echo(received: Received, reply: Reply) -> None:
    """Answer "You said: " and the last user message, or whatever else is asked for."""
    body: JSONObject = received.json
    if not body.get("stream"):
        await reply.json(200, _whole(body), [REQUEST_ID])
        return
    await reply.head(200, [*EVENT_STREAM, REQUEST_ID])
    for event in _events(body):
        await reply.event(event)
    await reply.event("[DONE]")


def _whole(body: JSONObject) -> JSONObject:
    said = answer_to(body)
    one = message(None if said.calls else said.text, said.calls)
    messages = [one] * (body.get("n") or 1)
    return completion(body["model"], messages, said.finish_reason, _usage(body, said))


def _usage(body: JSONObject, said: Said) -> JSONObject:
    return usage(said.prompt_tokens, said.completion_tokens * (body.get("n") or 1))


def _events(body: JSONObject) -> Iterator[JSONObject]:
    """Yield the chunks; `usage` is in them only with include_usage, null before the last."""
    model, said = body["model"], answer_to(body)
    with_usage = (body.get("stream_options") or {}).get("include_usage") is True
    for index in range(body.get("n") or 1):
        for event in _call_events(model, said) if said.calls else _text_events(model, said):
            event["choices"][0]["index"] = index
            yield {**event, "usage": None} if with_usage else event
    if with_usage:
        yield {**chunk(model, None), "usage": _usage(body, said)}


def _text_events(model: str, said: Said) -> Iterator[JSONObject]:
    yield first_chunk(model)
    for word in said.words:
        yield text_chunk(model, word)
    yield last_chunk(model, said.finish_reason)


def _call_events(model: str, said: Said) -> Iterator[JSONObject]:
    """Yield calls as OpenAI streams them: each one's head, its arguments in two pieces; the end."""
    role: JSONObject = {"role": "assistant", "content": None}
    for index, call in enumerate(said.calls):
        function = {**call["function"], "arguments": ""}
        yield chunk(model, {**role, "tool_calls": [{**call, "index": index, "function": function}]})
        role = {}
        arguments = call["function"]["arguments"]
        middle = len(arguments) // 2
        for piece in (arguments[:middle], arguments[middle:]):
            yield chunk(model, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield last_chunk(model, said.finish_reason)
