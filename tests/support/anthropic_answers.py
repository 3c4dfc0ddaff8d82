"""What the fake of Anthropic says: an echo, tool calls, JSON, what it saw; whole or as events."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from support.anthropic_rules import Refused
from support.openai_shapes import JSONObject
from support.recording_server import Received, Reply

EVENT_STREAM = [("content-type", "text/event-stream; charset=utf-8"), ("request-id", "req_fake")]
THOUGHT = "Let me think."
SAMPLES: dict[str, object] = {
    "string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None,
}  # fmt: skip
THINKS = {"enabled", "adaptive"}


async def respond(received: Received, reply: Reply) -> None:
    """Answer a valid request."""
    body: JSONObject = received.json
    blocks, reason = _answer(body)
    message = {
        "id": "msg_01Fake",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": _usage(body, blocks),
    }
    if not body.get("stream"):
        await reply.json(200, message, [("request-id", "req_fake")])
        return
    await reply.head(200, EVENT_STREAM)
    for event in _events(message):
        data = json.dumps(event, ensure_ascii=False)
        await reply.send(f"event: {event['type']}\ndata: {data}\n\n".encode())


def sign(model: str, thought: str) -> str:
    """The signature of a thought, which only the model that had it can make."""
    return base64.b64encode(hashlib.sha256(f"{model}\n{thought}".encode()).digest()).decode()


def check_signatures(body: JSONObject) -> None:
    """Raise Refused for thinking that is not the model's own, or was changed."""
    for number, turn in enumerate(body["messages"]):
        for index, block in enumerate(turn["content"]):
            if block["type"] != "thinking":
                continue
            if block["signature"] != sign(body["model"], block["thinking"]):
                path = f"messages.{number}.content.{index}"
                raise Refused(f"{path}: Invalid `signature` in `thinking` block")


def _answer(body: JSONObject) -> tuple[list[JSONObject], str]:
    thinking = body.get("thinking", {}).get("type") in THINKS
    thoughts = [_thought(body)] if thinking else []
    turn = body["messages"][-1]["content"]
    text = " ".join(block["text"] for block in turn if block["type"] == "text")
    results = [_plain(block) for block in turn if block["type"] == "tool_result"]
    choice = body.get("tool_choice", {"type": "auto"})
    if results:
        return [*thoughts, _text(f"The results: {', '.join(results)}")], "end_turn"
    if body.get("tools") and choice["type"] != "none":
        return [*thoughts, *_calls(body, choice, text)], "tool_use"
    words = _said(body, turn, text).split(" ")
    cut = words[: body["max_tokens"]]
    return [*thoughts, _text(" ".join(cut))], "end_turn" if cut == words else "max_tokens"


def _thought(body: JSONObject) -> JSONObject:
    signature = sign(body["model"], THOUGHT)
    return {"type": "thinking", "thinking": THOUGHT, "signature": signature}


def _plain(result: JSONObject) -> str:
    content = result.get("content", "")
    return content if isinstance(content, str) else " ".join(block["text"] for block in content)


def _calls(body: JSONObject, choice: JSONObject, text: str) -> list[JSONObject]:
    tools = [each for each in body["tools"] if choice.get("name", each["name"]) == each["name"]]
    two = "two" in text and not choice.get("disable_parallel_tool_use")
    turn = len(body["messages"])
    return [
        {
            "type": "tool_use",
            "id": f"toolu_01Fake{turn}{number}",
            "name": tools[number % len(tools)]["name"],
            "input": _sample(tools[number % len(tools)]["input_schema"]),
        }
        for number in range(2 if two else 1)
    ]


def _said(body: JSONObject, turn: list[JSONObject], text: str) -> str:
    wanted = body.get("output_config", {}).get("format")
    if wanted is not None:
        return json.dumps(_sample(wanted["schema"]), separators=(",", ":"))
    if any("a single JSON object" in block["text"] for block in body.get("system", ())):
        return json.dumps({"said": text}, separators=(",", ":"))
    seen = [_seen(block["source"]) for block in turn if block["type"] in {"image", "document"}]
    return f"I saw {', '.join(seen)}" if seen else f"You said: {text}"


def _seen(source: JSONObject) -> str:
    match source["type"]:
        case "url":
            return f"a picture at {source['url']}"
        case "text":
            return f"{source['media_type']} of {len(source['data'].encode())} bytes"
        case _:
            return f"{source['media_type']} of {len(base64.b64decode(source['data']))} bytes"


def _text(text: str) -> JSONObject:
    return {"type": "text", "text": text}


def _sample(schema: JSONObject) -> Any:
    """A value for the schema, with each required property of an object."""
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return _sample(schema["anyOf"][0])
    kinds = schema.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind != "object":
        return SAMPLES[kind]
    properties = schema.get("properties", {})
    return {name: _sample(properties.get(name, {})) for name in schema.get("required", ())}


def _usage(body: JSONObject, blocks: list[JSONObject]) -> JSONObject:
    said = [
        *body.get("system", ()),
        *(block for turn in body["messages"] for block in turn["content"]),
    ]
    return {
        "input_tokens": sum(len(block.get("text", "x").split()) for block in said),
        "cache_creation_input_tokens": sum("cache_control" in block for block in said),
        "cache_read_input_tokens": 0,
        "output_tokens": sum(len(json.dumps(block).split()) for block in blocks),
        "service_tier": "standard",
    }


def _events(message: JSONObject) -> Iterator[JSONObject]:
    usage = {**message["usage"], "output_tokens": 1}
    started = {**message, "content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": started}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        start, deltas = _in_pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    output = message["usage"]["output_tokens"]
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}
    yield {"type": "message_stop"}


def _in_pieces(block: JSONObject) -> tuple[JSONObject, list[JSONObject]]:
    match block["type"]:
        case "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            pieces = [
                {"type": "thinking_delta", "thinking": each} for each in _halves(block["thinking"])
            ]
            return start, [
                *pieces,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use":
            written = json.dumps(block["input"]) if block["input"] else ""
            pieces = [
                {"type": "input_json_delta", "partial_json": each} for each in _halves(written)
            ]
            return {**block, "input": {}}, pieces
        case _:
            pieces = [{"type": "text_delta", "text": each} for each in _halves(block["text"])]
            return _text(""), pieces


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]]
