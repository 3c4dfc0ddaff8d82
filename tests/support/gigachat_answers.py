"""What the fake GigaChat answers, and the form of its answers."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.openai_shapes import CREATED, JSONObject

VERSION = "2.0.28.2"
STATE_ID = "77d3fb14-457a-46ba-937e-8d856156d003"
SAMPLES: dict[str, object] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "null": None,
}
PIECE = 7
MAX_DEPTH = 8


@dataclass(frozen=True)
class Answer:
    """Text, or the call of a function. `drawn`: it took a function of GigaChat's own."""

    text: str = ""
    call: JSONObject | None = None
    drawn: bool = False
    finish_reason: str = "stop"


def asks_for_a_picture(body: JSONObject) -> bool:
    """Whether it may draw and is told to: it draws with a function of its own."""
    order = re.match("нарисуй|draw ", last_user_text(body), re.IGNORECASE)
    return body.get("function_call") == "auto" and "functions" not in body and bool(order)


def last_user_text(body: JSONObject) -> str:
    """The last user message's text, empty when there is none."""
    return next(
        (each["content"] for each in reversed(body["messages"]) if each["role"] == "user"), ""
    )


def answer_to(body: JSONObject, sight: Callable[[str], str]) -> Answer:
    """The answer to a valid request; `sight` says what a file looks like."""
    call = _call(body)
    if call is not None:
        return Answer(call=call, finish_reason="function_call")
    words = _text(body, sight).split(" ")
    limit = body.get("max_tokens") or len(words)
    reason = "length" if limit < len(words) else "stop"
    return Answer(" ".join(words[:limit]), finish_reason=reason)


def reply_body(body: JSONObject, answer: Answer) -> JSONObject:
    """A whole reply."""
    message: JSONObject = {"role": "assistant", "content": answer.text, **_called(answer)}
    choice = {"message": message, "index": 0, "finish_reason": answer.finish_reason}
    return {**_envelope(body, choice), "usage": usage(body, answer)}


def events(body: JSONObject, answer: Answer) -> Iterator[JSONObject]:
    """The events of a stream, without the last one."""
    if answer.drawn:
        waiting = {"content": "Рисую…", "role": "function_in_progress"}
        yield _envelope(body, {"delta": waiting, "index": 0})
    pieces = [answer.text[at : at + PIECE] for at in range(0, len(answer.text), PIECE)] or [""]
    for number, piece in enumerate(pieces):
        first = {} if number else {"role": "assistant"}
        calls = _called(answer) if number == len(pieces) - 1 else {}
        yield _envelope(body, {"delta": {"content": piece, **first, **calls}, "index": 0})
    end = {"delta": {"content": ""}, "index": 0, "finish_reason": answer.finish_reason}
    yield {**_envelope(body, end), "usage": usage(body, answer)}


def usage(body: JSONObject, answer: Answer) -> JSONObject:
    """Words, as if they were tokens."""
    prompt = sum(len(message["content"].split()) for message in body["messages"])
    completion = len(answer.text.split()) + (answer.call is not None)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "precached_prompt_tokens": 0,
    }


def _envelope(body: JSONObject, choice: JSONObject) -> JSONObject:
    return {
        "choices": [choice],
        "created": CREATED,
        "model": f"{body['model']}:{VERSION}",
        "object": "chat.completion",
    }


def _called(answer: Answer) -> JSONObject:
    if answer.call is None:
        return {}
    return {"function_call": answer.call, "functions_state_id": STATE_ID}


def _call(body: JSONObject) -> JSONObject | None:
    """A call of the function that is named, or else of the first one."""
    functions = body.get("functions", [])
    choice = body.get("function_call", "none")
    if isinstance(choice, dict):
        functions = [each for each in functions if each["name"] == choice["name"]]
    if not functions or choice == "none" or body["messages"][-1]["role"] != "user":
        return None
    arguments = sample(functions[0]["parameters"], last_user_text(body))
    return {"name": functions[0]["name"], "arguments": arguments}


def _text(body: JSONObject, sight: Callable[[str], str]) -> str:
    last, first = body["messages"][-1], body["messages"][0]
    if last["role"] == "function":
        return "Results: " + " ".join(_last_results(body["messages"]))
    if "response_format" in body:
        value = sample(body["response_format"]["schema"], last_user_text(body))
        return json.dumps(value, ensure_ascii=False)
    if first["role"] == "system" and "JSON" in first["content"]:
        return json.dumps({"answer": last_user_text(body)}, ensure_ascii=False)
    if "attachments" in last:
        return f"I see {', '.join(map(sight, last['attachments']))}."
    return f"You said: {last_user_text(body)}"


def _last_results(messages: list[JSONObject]) -> list[str]:
    """The results of functions since the user spoke."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "user":
            break
        if message["role"] == "function":
            results.insert(0, message["content"])
    return results


def sample(schema: JSONObject, text: str) -> Any:
    """A value that fits a schema, with `text` for strings."""
    return _sample(schema, schema, text, 0)


def _sample(schema: Any, root: JSONObject, text: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return text
    if "$ref" in schema:
        return _sample(_target(schema["$ref"], root), root, text, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            return _sample(schema[keyword][0], root, text, depth + 1)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        needed = schema.get("required", [*properties])
        return {name: _sample(properties.get(name), root, text, depth + 1) for name in needed}
    return SAMPLES.get(kind or "string", text)


def _target(reference: str, root: JSONObject) -> Any:
    found: Any = root
    for step in reference.split("/")[1:]:
        found = found[step]
    return found
