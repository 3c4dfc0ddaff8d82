"""What the fake Cloudflare says, and the shapes that its models say it in."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.cloudflare_rules import envelope
from support.openai_shapes import JSONObject, chunk, completion, message, text_chunk
from support.recording_server import Reply

type Sender = Callable[[str, JSONObject, Reply], Awaitable[None]]
"""Sends the answer of a model to a request."""

EVENT_STREAM = [("content-type", "text/event-stream")]
SAMPLES: dict[str, object] = {"integer": 1, "number": 1.5, "boolean": True, "array": []}


@dataclass(frozen=True)
class Said:
    """An answer before it has a shape: words, or calls of functions by name and arguments."""

    text: str
    calls: tuple[tuple[str, JSONObject], ...]
    usage: JSONObject
    cut: bool

    @property
    def reason(self) -> str:
        """OpenAI's word for why it ended."""
        return "tool_calls" if self.calls else "length" if self.cut else "stop"


def think(body: JSONObject) -> Said:
    """Answer: the results of tools, calls of the tools offered, JSON, or an echo of the user."""
    calls = _calls(body)
    words = [] if calls else _text(body).split()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 256
    prompt = sum(len(_texts(each).split()) for each in body["messages"])
    spoken = len(calls) or min(len(words), limit)
    usage = {"prompt_tokens": prompt, "completion_tokens": spoken, "total_tokens": prompt + spoken}
    return Said(" ".join(words[:limit]), calls, usage, len(words) > limit)


def user_text(body: JSONObject) -> str:
    """The text of the last user message, empty when there is none."""
    users = [each for each in body["messages"] if each["role"] == "user"]
    return _texts(users[-1]) if users else ""


def _text(body: JSONObject) -> str:
    last = body["messages"][-1]
    if last["role"] == "tool":
        results = [_texts(each) for each in body["messages"] if each["role"] == "tool"]
        return f"Results: {' and '.join(results)}"
    if format_ := body.get("response_format"):
        return json.dumps(_sample(_schema(format_), user_text(body)))
    seen = "".join(f"I see {each}. " for each in _pictures(last))
    return f"{seen}You said: {user_text(body)}"


def _schema(format_: JSONObject) -> JSONObject:
    """The schema asked for, in Cloudflare's form or in OpenAI's; without one an object will do."""
    schema: JSONObject = format_.get("json_schema") or {"type": "object"}
    inner: JSONObject = schema.get("schema", schema)
    return inner


def _texts(each: JSONObject) -> str:
    content = each.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def _pictures(each: JSONObject) -> Iterator[str]:
    for part in each["content"] if isinstance(each.get("content"), list) else ():
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(";base64,")
            size = len(data) * 3 // 4 - data.count("=")
            yield f"{head.removeprefix('data:')} of {size} bytes"


def _calls(body: JSONObject) -> tuple[tuple[str, JSONObject], ...]:
    if not body.get("tools") or body["messages"][-1]["role"] == "tool":
        return ()
    functions = [tool["function"] for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        functions = [each for each in functions if each["name"] == choice["function"]["name"]]
    text = user_text(body)
    many = 2 if "two" in text else 1
    function = functions[0]
    arguments = _sample(function.get("parameters") or {"type": "object"}, text)
    return ((function["name"], arguments),) * many


def _sample(schema: JSONObject, text: str) -> Any:
    """A value of this schema: the least that it takes."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        return {
            name: _sample(properties.get(name, {}), text) for name in schema.get("required", ())
        }
    return SAMPLES.get(str(schema.get("type", "string")), text)


async def send_old(_model: str, body: JSONObject, reply: Reply) -> None:
    """As older models answer, also with the dummy that ends their tool calls."""
    said = think(body)
    calls = [{"name": name, "arguments": arguments} for name, arguments in said.calls]
    if not body.get("stream"):
        response: object = said.text or None
        if body.get("response_format"):
            response = json.loads(said.text)
        called = {"tool_calls": calls} if calls else {}
        await reply.json(200, envelope({"response": response, **called, "usage": said.usage}))
        return
    await reply.head(200, EVENT_STREAM)
    for word in _pieces(said.text):
        await reply.event({"response": word, "p": "abcdefghijkl"})
    if calls:
        dummy = {"id": None, "type": None, "index": 0, "function": {"name": None}}
        await reply.event({"response": None, "tool_calls": calls, "p": "abc"})
        await reply.event({"response": None, "tool_calls": [dummy], "p": "abcdef"})
    await reply.event({"response": "", "usage": said.usage, "p": "ab"})
    await reply.event("[DONE]")


async def send_new(model: str, body: JSONObject, reply: Reply) -> None:
    """OpenAI's form, in Cloudflare's envelope."""
    if body.get("stream"):
        await send_openai(model, body, reply)
    else:
        await reply.json(200, envelope(_whole(model, think(body))))


async def send_responses(model: str, body: JSONObject, reply: Reply) -> None:
    """As gpt-oss does: a JSON answer with nothing in it where a stream is asked for."""
    if body.get("stream"):
        await reply.json(200, envelope({}))
        return
    said = think(body)
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Well."}]}
    content = [{"type": "output_text", "text": said.text, "annotations": []}]
    output: list[JSONObject] = [{"id": "rs_1", **thought}]
    for number, (name, arguments) in enumerate(said.calls):
        call = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
        output.append({**call, "id": f"fc_{number}", "call_id": f"call_{number}"})
    if not said.calls:
        output.append({"type": "message", "role": "assistant", "content": content})
    prompt, spoken = said.usage["prompt_tokens"], said.usage["completion_tokens"]
    usage = {"input_tokens": prompt, "output_tokens": spoken, "total_tokens": prompt + spoken}
    cut = {"reason": "max_output_tokens"} if said.cut else None
    result = {"object": "response", "model": model, "output": output, "usage": usage}
    await reply.json(200, envelope({**result, "incomplete_details": cut}))


async def send_openai(model: str, body: JSONObject, reply: Reply) -> None:
    """OpenAI's form, with the padding that Cloudflare adds to its chunks."""
    said = think(body)
    if not body.get("stream"):
        await reply.json(200, _whole(model, said))
        return
    await reply.head(200, EVENT_STREAM)
    for event in _chunks(model, said):
        await reply.event({**event, "p": "abcdefgh"})
    await reply.event("[DONE]")


def _whole(model: str, said: Said) -> JSONObject:
    calls = [_call(number, call) for number, call in enumerate(said.calls)]
    answer = message(said.text or None, calls)
    return completion(model, [answer], said.reason, said.usage)


def _chunks(model: str, said: Said) -> Iterator[JSONObject]:
    yield chunk(model, {"role": "assistant", "content": ""})
    for piece in _pieces(said.text):
        yield text_chunk(model, piece)
    for number, call in enumerate(said.calls):
        whole = _call(number, call)
        arguments = whole["function"].pop("arguments")
        yield chunk(model, {"tool_calls": [{"index": number, **whole}]})
        for piece in (arguments[:3], arguments[3:]):
            delta = {"index": number, "function": {"arguments": piece}}
            yield chunk(model, {"tool_calls": [delta]})
    yield chunk(model, {}, said.reason)
    yield {**chunk(model, None), "usage": said.usage}


def _call(number: int, call: tuple[str, JSONObject]) -> JSONObject:
    name, arguments = call
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"chatcmpl-tool-{number}", "type": "function", "function": function}


def _pieces(text: str) -> list[str]:
    words = text.split()
    return [f"{' ' if number else ''}{word}" for number, word in enumerate(words)]
