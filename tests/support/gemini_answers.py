"""What the fake Gemini answers, and how: whole, or as the events of a stream."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from support.gemini_rules import OLD, decoded
from support.gemini_schemas import example
from support.openai_shapes import JSONObject
from support.pictures import PNG

type Parts = list[JSONObject]

PROMPT_TOKENS = 7
THOUGHT_TOKENS = 5


def answers(model: str, body: JSONObject) -> list[Parts]:
    """The parts of each candidate."""
    config = body.get("generationConfig") or {}
    return [_answer(model, body) for _ in range(config.get("candidateCount", 1))]


def reply_of(model: str, body: JSONObject, said: list[Parts]) -> JSONObject:
    """The whole reply."""
    candidates = [
        {**_candidate(index, parts, body), "finishReason": "STOP"}
        for index, parts in enumerate(said)
    ]
    return {"candidates": candidates, **_about(model, said)}


def stream_of(model: str, body: JSONObject, said: list[Parts]) -> list[JSONObject]:
    """The same in events, each of them with a piece of one candidate."""
    events: list[JSONObject] = []
    for index, parts in enumerate(said):
        pieces = [[piece] for part in parts for piece in _pieces(part)]
        for number, piece in enumerate(pieces, 1):
            candidate = _candidate(index, piece, body)
            if number == len(pieces):
                candidate["finishReason"] = "STOP"
            events.append({"candidates": [candidate], **_about(model, said[: index + 1])})
    return events


def _answer(model: str, body: JSONObject) -> Parts:
    config = body.get("generationConfig") or {}
    thoughts: Parts = []
    if (config.get("thinkingConfig") or {}).get("includeThoughts"):
        thoughts = [{"text": "Let me think.", "thought": True}]
    if "IMAGE" in config.get("responseModalities", ()):
        picture = base64.b64encode(PNG).decode()
        drawn = {"inlineData": {"mimeType": "image/png", "data": picture}}
        return [*thoughts, {"text": "Here you are."}, drawn]
    last = body["contents"][-1]["parts"]
    if any("functionResponse" in part for part in last):
        given = [part["functionResponse"]["response"] for part in last]
        return [*thoughts, {"text": "The results: " + json.dumps(given, ensure_ascii=False)}]
    calls = _calls(model, body)
    return [*thoughts, *(calls or [{"text": _text(body, last)}])]


def _calls(model: str, body: JSONObject) -> Parts:
    """Calls of the functions that may be called, each with an id; the first is signed."""
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    declared = [f for tool in body.get("tools") or () for f in tool["functionDeclarations"]]
    allowed = calling.get("allowedFunctionNames") or [f["name"] for f in declared]
    functions = [function for function in declared if function["name"] in allowed]
    if not functions or calling.get("mode") == "NONE":
        return []
    wanted = 2 if "two" in said_by_user(body) else 1
    turn = len(body["contents"])
    calls: Parts = []
    for number in range(wanted):
        function = functions[number % len(functions)]
        args = example(function.get("parametersJsonSchema", {"type": "object"}))
        call = {"id": f"fc{turn}{number}", "name": function["name"], "args": args}
        calls.append({"functionCall": call})
    if not OLD.match(model):
        signature = base64.b64encode(f"signed in turn {turn}".encode()).decode()
        calls[0]["thoughtSignature"] = signature
    return calls


def said_by_user(body: JSONObject) -> str:
    """The last text of the user."""
    texts = [
        part["text"]
        for content in body["contents"]
        for part in content["parts"]
        if content["role"] == "user" and "text" in part
    ]
    return str(texts[-1]) if texts else ""


def _text(body: JSONObject, last: Parts) -> str:
    config = body.get("generationConfig") or {}
    if "responseJsonSchema" in config:
        return json.dumps(example(config["responseJsonSchema"]))
    if config.get("responseMimeType") == "application/json":
        return json.dumps({"echo": said_by_user(body)}, ensure_ascii=False)
    seen = [part["inlineData"] for part in last if "inlineData" in part]
    if seen:
        sizes = [f"{s['mimeType']}, {len(decoded(s['data']))} bytes" for s in seen]
        return "I see " + " and ".join(sizes) + "."
    return said_by_user(body)


def _candidate(index: int, parts: Parts, body: JSONObject) -> JSONObject:
    candidate: JSONObject = {"content": {"parts": parts, "role": "model"}, "index": index}
    config = body.get("generationConfig") or {}
    if config.get("responseLogprobs"):
        candidate["logprobsResult"] = _logprobs(parts, config.get("logprobs", 0))
    return candidate


def _logprobs(parts: Parts, top: int) -> JSONObject:
    tokens = [
        {"token": word, "tokenId": number, "logProbability": -0.5}
        for part in parts
        for number, word in enumerate(_words(part.get("text", "")), 1)
    ]
    chosen: JSONObject = {"chosenCandidates": tokens}
    return (
        {**chosen, "topCandidates": [{"candidates": [t][:top]} for t in tokens]} if top else chosen
    )


def _pieces(part: JSONObject) -> Iterator[JSONObject]:
    """A text in words; everything else comes at once."""
    if not part.get("text"):
        yield part
        return
    for word in _words(part["text"]):
        yield {**part, "text": word}


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + ([words[-1]] if words[-1] else [])


def _about(model: str, said: list[Parts]) -> dict[str, Any]:
    texts = [p.get("text", "") for parts in said for p in parts if not p.get("thought")]
    thoughts = any(part.get("thought") for parts in said for part in parts)
    written = sum(len(_words(text)) for text in texts) + 1
    usage = {
        "promptTokenCount": PROMPT_TOKENS,
        "candidatesTokenCount": written,
        "totalTokenCount": PROMPT_TOKENS + written + (THOUGHT_TOKENS if thoughts else 0),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT_TOKENS}],
    }
    if thoughts:
        usage["thoughtsTokenCount"] = THOUGHT_TOKENS
    return {"usageMetadata": usage, "modelVersion": model, "responseId": "fake"}
